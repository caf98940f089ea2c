"""ModelVersion: what was asked for, and the record of how it ended."""

from __future__ import annotations

from enum import StrEnum
from typing import Literal, Self

from pydantic import Field, model_validator

from perennial_operator.core.api.cel import rule, rules
from perennial_operator.core.api.conditions import Condition
from perennial_operator.core.api.data import DataSpec
from perennial_operator.core.api.meta import IMMUTABLE, Kind, Number
from perennial_operator.core.api.model import ModelSpec
from perennial_operator.core.api.pod import Object
from perennial_operator.core.api.request_stats import AnalysisState
from perennial_operator.core.api.training import TrainingSpec
from perennial_operator.core.api.values import Instant, Moment, Name, Value


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
