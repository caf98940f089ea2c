"""How the model is served."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from perennial_operator.core.api.capture import CaptureSpec
from perennial_operator.core.api.cel import CHECKED, int_or_string, rule, rules
from perennial_operator.core.api.pod import PodSpec
from perennial_operator.core.api.values import Value

MOST_WORKERS = 64
NO_NUMBER = f"give auto, or a number from 1 to {MOST_WORKERS}"


def _known_number(workers: int | str) -> int | str:
    if not (1 <= workers <= MOST_WORKERS if isinstance(workers, int) else workers == "auto"):
        raise ValueError(NO_NUMBER)
    return workers


Workers = Annotated[
    int | str,
    AfterValidator(_known_number),
    int_or_string(f"type(self) == int ? self >= 1 && self <= {MOST_WORKERS} : self == 'auto'", NO_NUMBER),
]


class Probe(Value):
    """How patient the kubelet is with a pod."""

    timeout_seconds: int | None = Field(
        None, ge=1, le=600, description="Seconds for an answer; by default 10 for liveness and 5 for readiness."
    )
    failure_threshold: int | None = Field(
        None, ge=1, le=100, description="Failures in a row that count; by default 6 for liveness and 2 for readiness."
    )


class ServingSpec(Value):
    """How the model is served."""

    model_config = rules(
        rule(
            "self.runtime != 'kserve' || self.replicas > 0",
            "with runtime kserve a version is checked by its ready pods; give at least 1 replica",
            field_path=".replicas",
        ),
    )
    runtime: Literal["deployment", "kserve"] = Field(
        "deployment",
        description="What runs the model server: Deployments and a Service (deployment), or an InferenceService of KServe "
        "in Knative mode (kserve). It is immutable.",
        json_schema_extra={
            CHECKED: [
                rule(
                    "self == oldSelf",
                    "runtime is immutable, because no version would serve during the change; "
                    "create another ModelDeployment with it, and delete this one when its clients have moved",
                )
            ]
        },
    )
    replicas: int = Field(
        1,
        ge=0,
        le=1000,
        description="Number of ready replicas; with runtime kserve the minimum, above which Knative scales.",
    )
    port: int = Field(8080, ge=1024, le=65535, description="Port of the Service and the pods.")
    workers: Workers = Field(
        1,
        description="Number of processes that serve in a pod, each with the model in memory; auto: one for each whole CPU "
        "of the pod's limit, as far as its memory suffices.",
    )
    capture: CaptureSpec | None = Field(
        None, description="Which requests become rows in storage, for checks and trainings; without it none does."
    )
    liveness_probe: Probe | None = Field(
        None, description="When a pod that does not answer, every 10 seconds, is restarted."
    )
    readiness_probe: Probe | None = Field(
        None, description="When a pod that does not answer, every 2 seconds, gets no more requests."
    )
    pod: PodSpec = Field(
        PodSpec(),
        description="Fields of the serving pods. Without resources they request 100m of cpu and 256Mi of memory, and "
        "without topologySpreadConstraints the pods of a version prefer different nodes.",
    )
