"""ModelDeployment: its spec, with one module for each section, and its status."""

from __future__ import annotations

from pydantic import Field
from pydantic.config import JsonDict

from perennial_operator.core.api import captured_rows
from perennial_operator.core.api.adoption import AdoptSpec
from perennial_operator.core.api.capture import CAPTURE_RULES
from perennial_operator.core.api.cel import rule, rules
from perennial_operator.core.api.conditions import Condition
from perennial_operator.core.api.data import DataSpec
from perennial_operator.core.api.drift import DriftSpec
from perennial_operator.core.api.drift_report import Outcome
from perennial_operator.core.api.features import any_derived, any_text, reads, reads_no_time
from perennial_operator.core.api.meta import Kind
from perennial_operator.core.api.metric_table import quality_metrics
from perennial_operator.core.api.model import ModelSpec
from perennial_operator.core.api.places import Storage
from perennial_operator.core.api.printable_text import Sentence
from perennial_operator.core.api.recovery import RecoverSpec
from perennial_operator.core.api.rollout import RolloutSpec
from perennial_operator.core.api.serving import ServingSpec
from perennial_operator.core.api.training import ENGINE_RULE, TrainingSpec
from perennial_operator.core.api.upkeep import History, UpkeepFacts
from perennial_operator.core.api.validation import ValidationSpec
from perennial_operator.core.api.values import Instant, Name, Value

FEATURES = "self.model.features"
_OTHER_FORMAT = (
    "has(d.calendar) && d.calendar.column == self.data.timeColumn"
    " && (has(d.calendar.timeFormat) != has(self.data.timeFormat)"
    " || (has(self.data.timeFormat) && d.calendar.timeFormat != self.data.timeFormat))"
)


def _is_derived(column: str) -> str:
    """CEL: whether a derived feature has this name."""
    return any_derived(f"d.name == {column}", FEATURES)


def _derived(column: str) -> str:
    """CEL: whether a derived feature has this name, or reads this column."""
    return any_derived(f"d.name == {column} || {reads('d', column)}", FEATURES)


def _measured(task: str) -> tuple[JsonDict, ...]:
    """Rules that validation uses only metrics of the task."""
    metrics = quality_metrics(task)
    known, other = f"[{', '.join(repr(name) for name in metrics)}]", f"self.model.task != '{task}'"
    reason = f"is not measured for {task}; give one of {', '.join(metrics)}"
    return (
        rule(
            f"{other} || self.validation.thresholds.all(t, t.metric in {known})",
            f"the metric of a threshold {reason}",
            field_path=".validation.thresholds",
        ),
        rule(
            f"{other} || !has(self.validation.against) || self.validation.against.metric in {known}",
            f"the metric {reason}",
            message_expression=f"self.validation.against.metric + ' {reason}'",
            field_path=".validation.against.metric",
        ),
        rule(
            f"{other} || self.validation.slices.all(s, s.metric in {known})",
            f"the metric of a slice {reason}",
            field_path=".validation.slices",
        ),
    )


class ModelDeploymentSpec(Value):
    """What the model is, how much drift is too much, what a new version must prove, and how it is rolled out."""

    model_config = rules(
        rule(
            "!has(self.data.timeColumn) || self.data.timeColumn != self.model.target",
            "timeColumn must not be the target; name the column with the time of each row",
            field_path=".data.timeColumn",
        ),
        rule(
            f"!has(self.data.timeColumn) || (!{any_text('self.data.timeColumn', FEATURES)} && !"
            f"{any_derived('d.name == self.data.timeColumn || ' + reads_no_time('d', 'self.data.timeColumn'), FEATURES)})",
            "of the features only calendar may read timeColumn, and none may have its name",
            field_path=".data.timeColumn",
        ),
        rule(
            f"!has(self.data.timeColumn) || !{any_derived(_OTHER_FORMAT, FEATURES)}",
            "calendar reads data.timeColumn in another format than data.timeFormat; give both the same timeFormat",
            field_path=".data.timeFormat",
        ),
        rule(
            "!has(self.data.groupColumn) || (self.data.groupColumn != self.model.target"
            " && !(self.data.groupColumn in self.model.features.numeric)"
            " && !(self.data.groupColumn in self.model.features.categorical)"
            " && (!has(self.data.timeColumn) || self.data.groupColumn != self.data.timeColumn)"
            f" && !{_derived('self.data.groupColumn')} && !{any_text('self.data.groupColumn', FEATURES)})",
            "groupColumn must not be a feature, the target or the time; name another column",
            field_path=".data.groupColumn",
        ),
        rule(
            "!has(self.data.keep) || self.data.keep.all(k, k != self.model.target && !(k in self.model.features.numeric)"
            " && !(k in self.model.features.categorical) && (!has(self.data.timeColumn) || k != self.data.timeColumn)"
            f" && !{_derived('k')} && !{any_text('k', FEATURES)})",
            "the holdout has features, target and time anyway; remove them from data.keep",
            field_path=".data.keep",
        ),
        rule(
            "!has(self.data.allowLeaks) || self.data.allowLeaks.all(f,"
            f" f in self.model.features.numeric || f in self.model.features.categorical || {_is_derived('f')}"
            f" || {any_text('f', FEATURES)})",
            "only a feature can be allowed to leak; remove the others from data.allowLeaks",
            field_path=".data.allowLeaks",
        ),
        rule(
            "!has(self.drift) || !has(self.drift.check) || has(self.data.timeColumn)"
            " || type(self.drift.check.window) == int || !self.drift.check.window.matches('^[0-9]')",
            "a duration needs data.timeColumn; set it, or give all or a number of rows",
            field_path=".drift.check.window",
        ),
        rule(
            "!has(self.drift) || !has(self.drift.check) || !has(self.drift.quality) || !has(self.drift.quality.maxAge)"
            " || has(self.data.timeColumn)",
            "maxAge needs data.timeColumn, by which rows have an age; set it, or remove maxAge",
            field_path=".drift.quality.maxAge",
        ),
        rule(
            "self.serving.runtime != 'kserve' || !has(self.rollout.gateway)",
            "with serving.runtime kserve, KServe splits the traffic; remove rollout.gateway and rollout.shadow",
            field_path=".rollout.gateway",
        ),
        rule(
            "self.serving.runtime != 'kserve' || !has(self.storage.sameNode) || !self.storage.sameNode",
            "with serving.runtime kserve, KServe places the pods; remove storage.sameNode",
            field_path=".storage.sameNode",
        ),
        rule(
            "self.model.framework != 'custom' || has(self.training.pod.image)",
            "framework custom needs an image; set training.pod.image",
            field_path=".training.pod",
        ),
        rule(
            "!has(self.adopt) || self.model.framework == 'sklearn'",
            "only models of framework sklearn can be adopted; remove adopt",
            field_path=".adopt",
        ),
        ENGINE_RULE,
        rule(
            "!has(self.training.calibration) || self.model.task == 'classification'",
            "calibration is for classification only; remove it, or set model.task to classification",
            field_path=".training.calibration",
        ),
        rule(
            "!has(self.training.calibration) || self.model.framework != 'keras'",
            "calibration is not available for Keras; remove training.calibration",
            field_path=".training.calibration",
        ),
        rule(
            "self.validation.slices.all(s, s.column in self.model.features.categorical"
            " || s.column in self.model.features.numeric || (has(self.data.keep) && s.column in self.data.keep)"
            f" || {any_derived('d.name == s.column || ' + reads_no_time('d', 's.column'), FEATURES)})",
            "the column of a slice is not a feature of the model; name one of model.features, or add it to data.keep",
            field_path=".validation.slices",
        ),
        *CAPTURE_RULES,
        *captured_rows.RULES,
        *_measured("regression"),
        *_measured("classification"),
    )
    model: ModelSpec = Field(description="What the model is.")
    data: DataSpec = Field(description="Its labelled rows, and how they are read, cleaned and split.")
    training: TrainingSpec = Field(TrainingSpec(), description="How and when training runs.")
    adopt: AdoptSpec | None = Field(
        None,
        description="An existing model that becomes the first version; nothing is trained for it. It is without effect, "
        "whatever is changed in it, once a version has been live.",
    )
    drift: DriftSpec | None = Field(None, description="How much drift is too much.")
    validation: ValidationSpec = Field(ValidationSpec(), description="What a candidate must prove before it may serve.")
    rollout: RolloutSpec = Field(RolloutSpec(), description="How a validated candidate takes over.")
    serving: ServingSpec = Field(ServingSpec(), description="How the model is served.")
    storage: Storage = Field(description="Where versions are stored.")
    history: History = Field(History(), description="How many old objects and files are kept.")
    pin: Name | None = Field(None, description="Serve exactly this ModelVersion, and start no new candidate.")
    recover: RecoverSpec = Field(
        RecoverSpec(), description="What an empty cluster may restore from the ledger in storage."
    )
    suspend: bool = Field(
        False, description="Start no check, training, validation or roll-out step. Serving continues."
    )


class DriftFacts(Value):
    """The newest drift report about the live version."""

    report: str | None = Field(None, description="Name of the report.")
    outcome: Outcome | None = Field(None, description="Outcome of the report.")
    message: Sentence | None = Field(None, description="Why, as a sentence.")
    waiting: int | None = Field(
        None, description="Number of its rows that wait for their label, if they were captured."
    )
    last_check_time: Instant | None = Field(None, description="When the operator last started a drift check.")


class ModelDeploymentStatus(Value):
    """The observed state of the ModelDeployment."""

    observed_generation: int | None = Field(None, description="The generation of spec that was observed.")
    phase: str | None = Field(
        None,
        description="Current phase: that of the candidate, if there is one; NotStarted if its Job cannot, Queued while that waits in a queue.",
    )
    live_version: str | None = Field(None, description="The version that serves.")
    candidate_version: str | None = Field(
        None, description="The version that is training, validating, waiting for approval or rolling out."
    )
    weight: int | None = Field(
        None,
        description="Percentage of the candidate: of the requests with a gateway, else of the replicas; 0 while in shadow.",
    )
    replicas: int | None = Field(None, description="Number of serving pods.")
    ready_replicas: int | None = Field(None, description="Number of serving pods that are ready.")
    selector: str | None = Field(None, description="Label selector of the serving pods, for autoscalers.")
    drift: DriftFacts | None = Field(None, description="The newest drift report about the live version.")
    upkeep: UpkeepFacts | None = Field(None, description="The last upkeep of the model's folder in storage.")
    last_version_number: int | None = Field(None, description="The greatest number of a version so far.")
    last_handled_retrain_request: str | None = Field(
        None, description="The last value of perennial.dev/retrain-requested-at that was handled."
    )
    queued_since: Instant | None = Field(
        None,
        description="Since when a training has been waiting, because the limit of concurrent trainings is reached.",
    )
    conditions: list[Condition] = Field(
        [],
        description="Available, Ready, Reconciling, Stalled, Retraining, Checked, QualityChecked, Routed, Owned, KeptUp.",
        json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"]},
    )


class ModelDeployment(Kind):
    spec: ModelDeploymentSpec
    status: ModelDeploymentStatus = ModelDeploymentStatus()
