"""The three kinds of perennial.dev/v1alpha1 as frozen values; a bad object is an error that names the field and the mend."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import Field, ValidationError, model_validator

from perennial_operator.core.api.cel import rule, rules
from perennial_operator.core.api.conditions import Condition
from perennial_operator.core.api.data import DataSpec
from perennial_operator.core.api.pod import Object
from perennial_operator.core.api.request_stats import AnalysisState
from perennial_operator.core.api.spec import ModelDeploymentSpec, ModelSpec, TrainingSpec
from perennial_operator.core.api.thresholds import Metric
from perennial_operator.core.api.values import Column, Instant, Moment, Name, Value, shown_addresses

GROUP, VERSION = "perennial.dev", "v1alpha1"
API_VERSION = f"{GROUP}/{VERSION}"
LONGEST_SHOWN = 200
"""Characters of a bad value that are told."""
IMMUTABLE = "self == oldSelf"

Number = Annotated[float, Field(allow_inf_nan=False)]


class BadObjectError(ValueError):
    """The object does not say what its kind must say; the message names the field, the value and the mend."""


class Meta(Value):
    """What every object carries."""

    name: str
    namespace: str = "default"
    uid: str = ""
    generation: int = 0
    resource_version: str = ""
    creation_timestamp: Instant
    deletion_timestamp: Instant | None = None
    annotations: dict[str, str] = Field(default_factory=dict)
    labels: dict[str, str] = Field(default_factory=dict)


class Phase(StrEnum):
    TRAINING = "Training"
    VALIDATING = "Validating"
    AWAITING_APPROVAL = "AwaitingApproval"
    ROLLING_OUT = "RollingOut"
    LIVE = "Live"
    SUPERSEDED = "Superseded"
    REJECTED = "Rejected"
    FAILED = "Failed"
    ROLLED_BACK = "RolledBack"


IN_FLIGHT = (Phase.TRAINING, Phase.VALIDATING, Phase.AWAITING_APPROVAL, Phase.ROLLING_OUT)
UNSUCCESSFUL = (Phase.REJECTED, Phase.FAILED, Phase.ROLLED_BACK)


class Outcome(StrEnum):
    """What became of a drift report."""

    TOO_FEW_SAMPLES = "TooFewSamples"
    STALE = "Stale"
    DUPLICATE = "Duplicate"
    INVALID = "Invalid"
    WITHIN_THRESHOLDS = "WithinThresholds"
    TRIGGERED = "Triggered"
    BREACH = "Breach"
    COOLING_DOWN = "CoolingDown"
    BUSY = "Busy"
    PINNED = "Pinned"
    SUSPENDED = "Suspended"
    STALLED = "Stalled"
    QUEUED = "Queued"


FINAL = frozenset(
    {
        Outcome.TOO_FEW_SAMPLES,
        Outcome.STALE,
        Outcome.DUPLICATE,
        Outcome.INVALID,
        Outcome.WITHIN_THRESHOLDS,
        Outcome.TRIGGERED,
    }
)
"""Outcomes that stand; a report with any other is looked at again."""


# ---- DriftReport


class Window(Value):
    """The span of time that was measured."""

    model_config = rules(rule("self.start <= self.end", "start is after end; swap them", at=".start"))
    start: Instant = Field(description="Time of the oldest row measured.")
    end: Instant = Field(description="Time of the newest row measured.")


class Measurement(Value):
    """One number of a report."""

    name: Metric = Field(description="Name of the metric: psi, ks, mse, r2, drifted_share and so on.")
    feature: Column | None = Field(None, description="The feature it is about, where it is about one.")
    value: Number = Field(description="The number.")
    standard_error: Number | None = Field(None, ge=0, description="Its standard error, where it is known.")


class DriftReportSpec(Value):
    """One measurement of how recent data differ from what the live version was trained on."""

    model_config = rules(rule(IMMUTABLE, "a report is a measurement and does not change; write a new report"))
    model_deployment: Name = Field(description="The ModelDeployment it is about, in the same namespace.")
    model_version: Name | None = Field(
        None, description="The ModelVersion it is about; default the one that is live when the report is first seen."
    )
    window: Window | None = Field(None, description="The span of time that was measured.")
    samples: int = Field(ge=0, description="How many rows were measured.")
    source: str = Field("", max_length=253, description="Who measured.")
    metrics: list[Measurement] = Field([], max_length=2000, description="The numbers.")
    details: str | None = Field(None, max_length=1024, description="Address of a page with the whole report.")


class Breach(Value):
    """A metric beyond its limit."""

    metric: str = Field(description="Name of the metric.")
    feature: str | None = Field(None, description="The feature it is about.")
    value: Number = Field(description="What was measured.")
    limit: Number = Field(description="The limit it is beyond.")


class DriftReportStatus(Value):
    """What became of the report."""

    outcome: Outcome | None = Field(None, description="What became of the report.")
    message: str | None = Field(None, description="Why, in a sentence.")
    model_version: str | None = Field(None, description="The ModelVersion the report was taken to be about.")
    breaches: list[Breach] | None = Field(None, description="The metrics beyond their limits.")
    candidate: str | None = Field(None, description="The ModelVersion whose training it started.")


# ---- ModelVersion


class Trigger(Value):
    """Why the version was made."""

    reason: Literal["Initial", "Drift", "Schedule", "SpecChange", "Request", "Recovered"] = Field(
        description="Why the version was made."
    )
    drift_report: str | None = Field(None, max_length=253, description="The DriftReport that asked for it.")
    request: str | None = Field(None, max_length=100, description="The value of the annotation that asked for it.")
    message: str = Field("", max_length=4000, description="The same as a sentence.")


class ModelVersionSpec(Value):
    """What was asked for: frozen copies of the ModelDeployment's fields."""

    model_config = rules(
        rule(
            IMMUTABLE,
            "a version is a record and does not change; change the ModelDeployment, and a new version is made",
        )
    )
    model_deployment: Name = Field(description="The ModelDeployment it belongs to.")
    number: int = Field(ge=1, description="Its number, one greater than the version before.")
    trigger: Trigger = Field(description="Why it was made.")
    model: ModelSpec = Field(description="Copy of spec.model.")
    data: DataSpec = Field(description="Copy of spec.data.")
    training: TrainingSpec = Field(description="Copy of spec.training.")
    parent: Name | None = Field(None, description="The version that was live when it was made.")


class Artifact(Value):
    """The stored model."""

    uri: str = Field(description="The model file.")
    sha256: str = Field(description="Its digest, checked before it is loaded.")
    bytes: int = Field(0, description="Its size.")


class DataFacts(Value):
    """The rows that made the version."""

    rows: int = Field(description="Rows it was fitted on.")
    holdout_rows: int = Field(description="Rows kept out to prove it on.")
    sha256: str = Field(description="Digest of the rows.")
    holdout_uri: str = Field("", description="The holdout file.")
    holdout_sha256: str = Field(description="Digest of the holdout file.")
    start: Instant | None = Field(None, description="Time of the oldest row.")
    end: Instant | None = Field(None, description="Time of the newest row.")


class Metrics(Value):
    """What was measured at validation, on the same holdout."""

    candidate: dict[str, Number] = Field(description="This version's metrics.")
    live: dict[str, Number] | None = Field(None, description="The then live version's metrics.")
    standard_errors: dict[str, Number] | None = Field(None, description="Standard errors of this version's metrics.")


class RolloutState(Value):
    """Where the roll-out stands."""

    weight: int = Field(
        description="Per cent that the candidate has: of the requests with a gateway, else of the replicas; 0 in the shadow."
    )
    started_at: Moment | None = Field(None, description="When the step began; not set while automation rests.")
    ready_at: Moment | None = Field(None, description="Since when its replicas have been ready.")
    faltered: bool = Field(False, description="Whether its replicas have been ready in this step and then were not.")
    analysis: AnalysisState | None = Field(None, description="What has been measured in the step.")


class ModelVersionStatus(Value):
    """What has become of the version."""

    phase: Phase | None = Field(None, description="Where it stands.")
    image: str | None = Field(
        None, description="The image that trained it, and serves it unless spec.serving says otherwise."
    )
    artifact: Artifact | None = Field(None, description="The stored model.")
    data: DataFacts | None = Field(None, description="The rows that made it.")
    parameters: Object | None = Field(None, description="The hyper-parameters chosen.")
    metrics: Metrics | None = Field(None, description="What was measured on the holdout.")
    metric: str | None = Field(None, description="The metric that decides, as text, beside the live version's.")
    rollout: RolloutState | None = Field(None, description="Where the roll-out stands.")
    live_since: Instant | None = Field(None, description="When it last became live.")
    ended_at: Instant | None = Field(None, description="When it ended as a candidate, or was superseded.")
    reason: str | None = Field(None, description="The last step's reason, in one word.")
    message: str | None = Field(None, description="The same as a sentence.")
    recorded: str | None = Field(None, description="The newest entry about it in the ledger beside the artifacts.")
    conditions: list[Condition] = Field(
        [],
        description="Trained, Validated, Approved, Analysed, RolledOut, Recorded.",
        json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"]},
    )

    @model_validator(mode="after")
    def has_what_its_phase_says(self) -> Self:
        missing = [name for name in ("artifact", "data") if getattr(self, name) is None]
        if self.phase in (*IN_FLIGHT[1:], Phase.LIVE) and missing:
            raise ValueError(f"phase is {self.phase} and {' and '.join(missing)} missing; restore the status")
        return self


# ---- ModelDeployment


class DriftFacts(Value):
    """The newest drift report about the live version."""

    report: str | None = Field(None, description="Its name.")
    outcome: Outcome | None = Field(None, description="What became of it.")
    message: str | None = Field(None, description="Why.")
    last_check_time: Instant | None = Field(None, description="When the operator last began a check of its own.")


class ModelDeploymentStatus(Value):
    """What the operator sees and does."""

    observed_generation: int | None = Field(None, description="The generation of spec that this status is about.")
    phase: str | None = Field(None, description="What is going on.")
    live_version: str | None = Field(None, description="The version that serves.")
    candidate_version: str | None = Field(None, description="The version on its way.")
    weight: int | None = Field(
        None,
        description="Per cent that the candidate has: of the requests with a gateway, else of the replicas; 0 in the shadow.",
    )
    replicas: int | None = Field(None, description="Pods that serve.")
    ready_replicas: int | None = Field(None, description="Pods that serve and are ready.")
    selector: str | None = Field(None, description="Labels of the serving pods, for autoscalers.")
    drift: DriftFacts | None = Field(None, description="The newest drift report about the live version.")
    last_version_number: int | None = Field(None, description="The greatest number ever given to a version.")
    last_handled_retrain_request: str | None = Field(
        None, description="The last perennial.dev/retrain-requested-at that was obeyed."
    )
    queued_since: Instant | None = Field(None, description="Since when a training waits for a place in the fleet.")
    conditions: list[Condition] = Field(
        [],
        description="Available, Ready, Reconciling, Stalled, Retraining, Checked, Routed.",
        json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"]},
    )


class Kind(Value):
    metadata: Meta

    @property
    def name(self) -> str:
        return self.metadata.name


class ModelDeployment(Kind):
    spec: ModelDeploymentSpec
    status: ModelDeploymentStatus = ModelDeploymentStatus()


class ModelVersion(Kind):
    spec: ModelVersionSpec
    status: ModelVersionStatus = ModelVersionStatus()

    @property
    def phase(self) -> Phase:
        """Where the version stands; one that has no status yet is to be trained."""
        return self.status.phase or Phase.TRAINING

    @property
    def unrestored(self) -> bool:
        """Whether it was found in the ledger and its status is still to be written: nothing trains for it."""
        return self.status.phase is None and self.spec.trigger.reason == "Recovered"


class DriftReport(Kind):
    spec: DriftReportSpec
    status: DriftReportStatus = DriftReportStatus()

    @property
    def about(self) -> str | None:
        """The version that it names, or that it was taken to be about."""
        return self.status.model_version or self.spec.model_version


KINDS: dict[str, type[ModelDeployment | ModelVersion | DriftReport]] = {
    "ModelDeployment": ModelDeployment,
    "ModelVersion": ModelVersion,
    "DriftReport": DriftReport,
}

K = TypeVar("K", bound=Kind)


def parse(kind: type[K], body: Mapping[str, Any]) -> K:
    """The object as a value; BadObjectError names every bad field. Unknown fields are passed over.

    A status that cannot be read is dropped where the operator can tell it anew; that of a ModelVersion is the only
    record there is, so that it is an error.
    """
    try:
        return kind.model_validate(body)
    except ValidationError as error:
        if kind is not ModelVersion and any(item["loc"][:1] == ("status",) for item in error.errors()):
            return parse(kind, {**body, "status": {}})
        raise BadObjectError("; ".join(_sentence(item) for item in error.errors())) from error


def _sentence(item: Any) -> str:
    path = ".".join(str(part) for part in item["loc"])
    given = item["input"]
    value = "" if isinstance(given, dict | list) else f" (it is {shown_addresses(repr(given))[:LONGEST_SHOWN]})"
    return f"{path}: {shown_addresses(item['msg'].removeprefix('Value error, '))}{value}"
