"""ModelDeployment: its spec, of one value for each section, and its status."""

from __future__ import annotations

from pydantic import Field
from pydantic.config import JsonDict

from perennial_operator.core.api.cel import rule, rules
from perennial_operator.core.api.conditions import Condition
from perennial_operator.core.api.data import DataSpec, Storage
from perennial_operator.core.api.drift import DriftSpec
from perennial_operator.core.api.drift_report import Outcome
from perennial_operator.core.api.meta import Kind
from perennial_operator.core.api.metric_table import quality_metrics
from perennial_operator.core.api.model import ModelSpec
from perennial_operator.core.api.rollout import RolloutSpec
from perennial_operator.core.api.serving import ServingSpec
from perennial_operator.core.api.training import TrainingSpec
from perennial_operator.core.api.validation import ValidationSpec
from perennial_operator.core.api.values import Instant, Name, Value


class History(Value):
    """How much of the past is kept."""

    versions: int = Field(10, ge=1, le=1000, description="Ended versions kept besides the live one.")
    reports: int = Field(50, ge=1, le=10000, description="Handled drift reports kept.")


def _measured(task: str) -> tuple[JsonDict, ...]:
    """The rules that validation asks only for metrics that a model of this task has."""
    metrics = quality_metrics(task)
    known, other = f"[{', '.join(repr(name) for name in metrics)}]", f"self.model.task != '{task}'"
    reason = f"is not measured for {task}; give one of {', '.join(metrics)}"
    return (
        rule(
            f"{other} || self.validation.thresholds.all(t, t.metric in {known})",
            f"the metric of a threshold {reason}",
            at=".validation.thresholds",
        ),
        rule(
            f"{other} || !has(self.validation.against) || self.validation.against.metric in {known}",
            f"the metric {reason}",
            told=f"self.validation.against.metric + ' {reason}'",
            at=".validation.against.metric",
        ),
        rule(
            f"{other} || self.validation.slices.all(s, s.metric in {known})",
            f"the metric of a slice {reason}",
            at=".validation.slices",
        ),
    )


class ModelDeploymentSpec(Value):
    """What the model is, how much drift is too much, what a new version must prove, and how it is rolled out."""

    model_config = rules(
        rule(
            "!has(self.data.timeColumn) || self.data.timeColumn != self.model.target",
            "the time column is the target too; name the column that says when a row was taken",
            at=".data.timeColumn",
        ),
        rule(
            "!has(self.drift) || !has(self.drift.check) || has(self.data.timeColumn)"
            " || type(self.drift.check.window) == int || !self.drift.check.window.matches('^[0-9]')",
            "a duration needs data.timeColumn; set it, or give all or a number of rows",
            at=".drift.check.window",
        ),
        rule(
            "self.serving.runtime != 'kserve' || !has(self.rollout.gateway)",
            "with serving.runtime kserve KServe leads the requests by weight; remove rollout.gateway and rollout.shadow",
            at=".rollout.gateway",
        ),
        rule(
            "self.model.framework != 'custom' || has(self.training.pod.image)",
            "framework custom has no trainer of its own; name your image in training.pod.image",
            at=".training.pod",
        ),
        rule(
            "!has(self.training.calibration) || self.model.task == 'classification'",
            "calibration is for the probabilities of classes; remove it, or set model.task to classification",
            at=".training.calibration",
        ),
        rule(
            "!has(self.training.calibration) || self.model.framework != 'keras'",
            "a network learns probabilities and is not calibrated again; remove training.calibration",
            at=".training.calibration",
        ),
        rule(
            "self.validation.slices.all(s, s.column in self.model.features.categorical"
            " || s.column in self.model.features.numeric)",
            "the column of a slice is no feature of the model; name one of model.features",
            at=".validation.slices",
        ),
        *_measured("regression"),
        *_measured("classification"),
    )
    model: ModelSpec = Field(description="What the model is.")
    data: DataSpec = Field(description="Its labelled rows, and how they are read, cleaned and split.")
    training: TrainingSpec = Field(TrainingSpec(), description="How and when training runs.")
    drift: DriftSpec | None = Field(None, description="How much drift is too much.")
    validation: ValidationSpec = Field(ValidationSpec(), description="What a candidate must prove before it may serve.")
    rollout: RolloutSpec = Field(RolloutSpec(), description="How a validated candidate takes over.")
    serving: ServingSpec = Field(ServingSpec(), description="How the model is served.")
    storage: Storage = Field(description="Where versions are stored.")
    history: History = Field(History(), description="How much of the past is kept.")
    pin: Name | None = Field(None, description="Serve exactly this ModelVersion; automation stands aside.")
    suspend: bool = Field(
        False, description="Start nothing new: no check, training, validation or roll-out step. Serving goes on."
    )


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


class ModelDeployment(Kind):
    spec: ModelDeploymentSpec
    status: ModelDeploymentStatus = ModelDeploymentStatus()
