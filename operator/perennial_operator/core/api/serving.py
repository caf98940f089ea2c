"""How the model is served."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from perennial_operator.core.api.cel import CHECKED, rule, rules
from perennial_operator.core.api.pod import PodSpec
from perennial_operator.core.api.values import Value


class ServingSpec(Value):
    """How the model is served."""

    model_config = rules(
        rule(
            "self.runtime != 'kserve' || self.replicas > 0",
            "with runtime kserve a version is proven by its ready pods; give at least 1 replica",
            at=".replicas",
        ),
    )
    runtime: Literal["deployment", "kserve"] = Field(
        "deployment",
        description="What runs the model server: Deployments and a Service of the operator's own, or an InferenceService "
        "of KServe in its Knative mode. It is chosen once.",
        json_schema_extra={
            CHECKED: [
                rule(
                    "self == oldSelf",
                    "the runtime cannot be changed, since nothing would serve in between; "
                    "make another ModelDeployment with it, and remove this one when its callers have moved",
                )
            ]
        },
    )
    replicas: int = Field(
        1,
        ge=0,
        le=1000,
        description="Ready replicas that serve at any time; with runtime kserve the least number, to which Knative adds.",
    )
    port: int = Field(8080, ge=1024, le=65535, description="Port of the Service and the pods.")
    pod: PodSpec = Field(PodSpec(), description="Fields of the serving pods.")
