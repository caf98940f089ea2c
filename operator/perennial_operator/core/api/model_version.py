"""ModelVersion: what it was created from, and the record of how it ended."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from perennial_operator.core.api.adoption import AdoptSpec
from perennial_operator.core.api.artifacts import Artifact, Blend, Refit
from perennial_operator.core.api.cel import rule, rules
from perennial_operator.core.api.comparison import Comparison
from perennial_operator.core.api.conditions import Condition
from perennial_operator.core.api.data import DataSpec
from perennial_operator.core.api.meta import IMMUTABLE, Kind, Number
from perennial_operator.core.api.model import ModelSpec
from perennial_operator.core.api.pod import Object
from perennial_operator.core.api.printable_text import Sentence
from perennial_operator.core.api.request_stats import AnalysisState
from perennial_operator.core.api.training import TrainingSpec
from perennial_operator.core.api.values import Instant, Moment, Name, Value
from perennial_operator.core.api.watch import WatchState


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
ENDED = (Phase.SUPERSEDED, *UNSUCCESSFUL)


class Trigger(Value):
    """Why the version was created."""

    reason: Literal[
        "Initial", "Drift", "Growth", "Reweighing", "Schedule", "SpecChange", "Request", "Recovered", "Adopted"
    ] = Field(description="Why the version was created.")
    drift_report: str | None = Field(None, max_length=253, description="The DriftReport that started the training.")
    request: str | None = Field(
        None, max_length=100, description="The value of the annotation that requested the training."
    )
    message: Sentence = Field("", max_length=4000, description="Why, as a sentence.")


class ModelVersionSpec(Value):
    """What the version was created from: immutable copies of fields of the ModelDeployment."""

    model_config = rules(
        rule(
            IMMUTABLE,
            "spec is immutable; change the ModelDeployment, and the operator creates a new version",
        )
    )
    model_deployment: Name = Field(description="Name of the ModelDeployment.")
    number: int = Field(ge=1, description="Number of the version.")
    trigger: Trigger = Field(description="Why the version was created.")
    model: ModelSpec = Field(description="Copy of spec.model.")
    data: DataSpec = Field(description="Copy of spec.data.")
    training: TrainingSpec = Field(description="Copy of spec.training.")
    adopt: AdoptSpec | None = Field(None, description="Copy of spec.adopt, if the version is an adopted model.")
    parent: Name | None = Field(None, description="The version that was live at that time.")


class DataFacts(Value):
    """The rows that the version was trained on."""

    rows: int = Field(description="Number of training rows.")
    holdout_rows: int = Field(description="Number of holdout rows.")
    history_rows: int | None = Field(
        None, description="Number of rows that the training read and could use, whatever window of them it chose."
    )
    sha256: str = Field(description="Digest of the training rows.")
    holdout_uri: str = Field("", description="Address of the holdout file.")
    holdout_sha256: str = Field(description="Digest of the holdout file.")
    start: Instant | None = Field(None, description="Time of the oldest row.")
    end: Instant | None = Field(None, description="Time of the newest row.")
    snapshot: str | None = Field(
        None,
        max_length=200,
        description="Which state of a table was read, such as Delta version 12 or Iceberg snapshot 5937117119577207000.",
    )
    fitted_until: Instant | None = Field(
        None,
        description="Of a blend, the time of the newest row that was known when its newest model was fitted; historyRows "
        "counts the rows up to then.",
    )


class Metrics(Value):
    """Metrics from the validation, on the same holdout."""

    candidate: dict[str, Number] = Field(description="Metrics of this version.")
    live: dict[str, Number] | None = Field(None, description="Metrics of the version that was live at that time.")
    standard_errors: dict[str, Number] | None = Field(
        None, description="Standard errors of the metrics of this version."
    )


class RolloutState(Value):
    """State of the roll-out."""

    weight: int = Field(
        description="Percentage of the candidate: of the requests with a gateway, else of the replicas; 0 while in shadow."
    )
    started_at: Moment | None = Field(
        None,
        description="When the step started, or made its last progress; not set while the ModelDeployment is suspended, "
        "pinned or scaled to 0.",
    )
    ready_replicas: int = Field(
        0,
        description="Most replicas of the step that were ready before all were; each more starts rollout.timeout again.",
    )
    elapsed: float = Field(0.0, description="Seconds of the step's hold that passed before it was scaled to 0.")
    ready_at: Moment | None = Field(None, description="When the replicas of the step became ready.")
    faltered: bool = Field(False, description="Whether replicas became ready in this step and later were not ready.")
    analysis: AnalysisState | None = Field(None, description="Measurements of the current step.")


class ModelVersionStatus(Value):
    """The state of the version, and the record of how it ended."""

    phase: Phase | None = Field(None, description="Phase of the version.")
    image: str | None = Field(
        None,
        description="The image that trained the version; it also serves it, unless spec.serving names another one.",
    )
    contract: int | None = Field(
        None,
        description="Version of the contract between operator and trainer that the image follows; "
        "a task has no field of a later one.",
    )
    artifact: Artifact | None = Field(
        None, description="The stored model that serves; until the version passes the gate, the one that is validated."
    )
    refit: Refit | None = Field(
        None, description="The model that is fitted again after the proof. Not set for versions of earlier releases."
    )
    blend: Blend | None = Field(
        None,
        description="The models that it is the mean of, or why it is one fit. Not set until it is trained, and for versions "
        "of earlier releases.",
    )
    data: DataFacts | None = Field(None, description="The rows that the version was trained on.")
    parameters: Object | None = Field(None, description="The chosen hyper-parameters.")
    findings: list[Annotated[Sentence, Field(max_length=1000)]] | None = Field(
        None,
        max_length=100,
        description="What is unusual in the rows, such as a feature that alone predicts the target.",
    )
    refused_files: str | None = Field(
        None,
        description="Digest of the names, sizes and times of the files that the training was refused for. Before a "
        "version is live, trainings look whether they have changed.",
    )
    metrics: Metrics | None = Field(None, description="Metrics on the holdout.")
    gate: str | None = Field(
        None, description="Digest of spec.validation and the live version by which the candidate was rejected."
    )
    surroundings: str | None = Field(
        None,
        description="Digest of spec.serving and spec.storage with which the candidate failed for a reason outside of "
        "itself, such as a store that did not answer. It is tried again, and does not count for maxRejections.",
    )
    comparison: Comparison | None = Field(
        None, description="How the last validation compared it with the live version."
    )
    metric: Sentence | None = Field(None, description="The deciding metric and that of the live version, as text.")
    rollout: RolloutState | None = Field(None, description="State of the roll-out.")
    watch: WatchState | None = Field(None, description="State of the watch after its promotion.")
    live_since: Instant | None = Field(None, description="When the version last became live.")
    ended_at: Instant | None = Field(None, description="When the version ended as a candidate, or was superseded.")
    files_deleted_at: Instant | None = Field(
        None,
        description="Since when its files in storage are deleted, because of spec.history.artifacts: it cannot serve again.",
    )
    reason: str | None = Field(None, description="Reason for the current phase, as one CamelCase word.")
    message: Sentence | None = Field(None, description="Why, as a sentence.")
    recorded: str | None = Field(None, description="The phase that the ledger beside the artifacts holds.")
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
        """The phase; a version without a status is in training."""
        return self.status.phase or Phase.TRAINING

    @property
    def has_model(self) -> bool:
        """Whether it has a stored model, which is not deleted."""
        return self.status.artifact is not None and self.status.files_deleted_at is None

    @property
    def asks_for_fits(self) -> bool:
        """Whether its training is to fit models, if that can be, and not only to weigh those of the live version again."""
        return self.spec.trigger.reason != "Reweighing"

    @property
    def has_fits(self) -> bool:
        """Whether models were fitted for it, and those of the live version not only weighed again.

        What its training has done counts; until that has ended, and for versions of earlier releases, what it was for.
        """
        made = self.status.blend
        return made.fits > 0 if made else self.asks_for_fits

    @property
    def unrestored(self) -> bool:
        """Whether the version comes from the ledger and its status is not written yet: no training starts for it."""
        return self.status.phase is None and self.spec.trigger.reason == "Recovered"
