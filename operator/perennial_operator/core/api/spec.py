"""What a ModelDeployment asks for. The CRD's schema, descriptions, defaults and rules are made from these values."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator
from pydantic.config import JsonDict

from perennial_operator.core.api.analysis import Analysis
from perennial_operator.core.api.cel import CHECKED, matching, rule, rules
from perennial_operator.core.api.data import DataSpec, Source, Span, Storage
from perennial_operator.core.api.pod import Free, Object, PodSpec
from perennial_operator.core.api.thresholds import DriftThreshold, Threshold
from perennial_operator.core.api.values import Column, Cron, Duration, Name, Nested, ObjectName, Value

REGRESSION = ("mse", "rmse", "mae", "r2")
CLASSIFICATION = ("accuracy", "f1", "log_loss", "roc_auc")


class Features(Value):
    """The columns the model reads."""

    model_config = rules(
        rule("size(self.numeric) + size(self.categorical) > 0", "name at least one numeric or categorical feature"),
        rule(
            "self.numeric.all(f, !(f in self.categorical))",
            "a feature is either numeric or categorical; remove it from one of the lists",
            at=".categorical",
        ),
    )
    numeric: list[Column] = Field(
        [], max_length=400, description="Columns of numbers.", json_schema_extra={"x-kubernetes-list-type": "set"}
    )
    categorical: list[Column] = Field(
        [],
        max_length=100,
        description="Columns of categories, text or codes.",
        json_schema_extra={"x-kubernetes-list-type": "set"},
    )


class ModelSpec(Value):
    """What the model is."""

    model_config = rules(
        rule(
            "!(self.target in self.features.numeric) && !(self.target in self.features.categorical)",
            "the target is one of the features too: a model that reads its answer learns nothing; remove it there",
            told="'target ' + self.target + ' is one of the features too: "
            "a model that reads its answer learns nothing; remove it there'",
            at=".target",
        ),
        rule(
            "self.framework != 'keras' || self.format != 'skops'",
            "format skops is for scikit-learn; Keras models are stored in Keras's own format: leave format out",
            at=".format",
        ),
        rule(
            "self.framework == 'custom' || self.estimator.matches('^' + self.framework + '([.][A-Za-z_][A-Za-z0-9_]*)+$')",
            "give the full name of a class of the framework, such as sklearn.linear_model.LinearRegression",
            told="'estimator ' + self.estimator + ' is no full name of a class of ' + self.framework"
            " + '; give one such as sklearn.linear_model.LinearRegression'",
            at=".estimator",
        ),
    )
    framework: Literal["sklearn", "keras", "custom"] = Field(
        "sklearn", description="The library that trains the model, or custom for a trainer image of one's own."
    )
    format: Literal["joblib", "skops"] = Field(
        "joblib",
        description="How the model is stored: joblib (its digest is checked before it is loaded) "
        "or skops (no code runs at load).",
    )
    estimator: str = Field(
        max_length=200,
        description="The estimator's full name, from the trainer's allow-list, "
        "for example sklearn.linear_model.LinearRegression.",
    )
    parameters: Object = Field({}, description="Keyword arguments of the estimator.")
    task: Literal["regression", "classification"] = Field(
        "regression", description="What is predicted: a number or a class."
    )
    features: Features = Field(description="The columns the model reads.")
    target: Column = Field(description="The column the model predicts.")


class Search(Value):
    """A search for the best hyper-parameters."""

    method: Literal["grid", "random", "halving"] = Field(
        "grid", description="Try all combinations, a random draw, or successive halving."
    )
    space: dict[
        str, Annotated[Nested[list[Any]], Field(json_schema_extra={"items": Free, "minItems": 1, "maxItems": 100})]
    ] = Field(min_length=1, max_length=20, description="Values to try for each parameter of the estimator.")
    folds: int = Field(5, ge=2, le=20, description="Cross-validation folds; by time where there is a time column.")
    scoring: str | None = Field(
        None, max_length=64, description="scikit-learn's name of the score; default r2 or accuracy."
    )
    iterations: int = Field(20, ge=1, le=10000, description="How many combinations a random search draws.")


SchedulerAddress = Annotated[
    str,
    *matching(r"(tcp|tls)://[^\s/]+:[0-9]+", "give a scheduler's address such as tcp://dask.team-a:8786", 260),
]


class Dask(Value):
    """Dask's workers, which try the candidates of a search."""

    model_config = rules(
        rule(
            "has(self.workers) != has(self.address)",
            "give either workers, to start so many, or the address of a scheduler that is there",
        ),
    )
    workers: int | None = Field(
        None,
        ge=1,
        le=500,
        description="Start so many pods like the Job's own for the search; each tries one candidate at a time.",
    )
    address: SchedulerAddress | None = Field(
        None,
        description="Use the scheduler that is there, such as tcp://dask.team-a:8786; "
        "its workers must run the trainer's image.",
    )


class Engine(Value):
    """What a search runs on that is larger than one pod."""

    dask: Dask = Field(description="Dask's workers: started for the search, or there already.")


class TrainingSpec(Value):
    """How and when training runs."""

    model_config = rules(
        rule(
            "!has(self.engine) || has(self.search)",
            "an engine is for a search; set training.search, or remove the engine",
            at=".engine",
        ),
    )
    search: Search | None = Field(None, description="A search for the best hyper-parameters.")
    calibration: Literal["sigmoid", "isotonic"] | None = Field(
        None,
        description="Calibrate a classifier's probabilities on the training rows: sigmoid (few rows) "
        "or isotonic (a thousand rows or more).",
    )
    engine: Engine | None = Field(
        None, description="What the search runs on; without it on the training Job's own pod."
    )
    schedule: Cron | None = Field(None, description="Retrain on this cron schedule (UTC) too.")
    timeout: Duration = Field("2h", description="A training or validation Job that runs longer is stopped.")
    retries: int = Field(
        2, ge=0, le=10, description="How often a Job that broke is tried again; bad data are never tried again."
    )
    max_rejections: int = Field(
        3,
        ge=1,
        le=100,
        description="After so many failed, rejected or rolled-back candidates in a row "
        "no more are started until a person asks.",
    )
    queue: Name | None = Field(None, description="Kueue queue the Jobs wait in.")
    pod: PodSpec = Field(PodSpec(), description="Fields of the Jobs' pods.")


class DriftCheck(Value):
    """The operator's own drift check."""

    model_config = rules(
        rule(
            "type(self.window) == int || self.window != 'auto'",
            "auto is for training; give all, a duration such as 24h, or a number of rows",
            at=".window",
        ),
    )
    schedule: Cron = Field(description="When to check, as a cron schedule (UTC).")
    data: Source = Field(
        description="The recent rows; with the target's column the live version's error is measured too."
    )
    window: Span = Field(
        "all",
        description="How much of it to look at: all, the newest duration by timeColumn such as 24h, or the newest rows.",
    )
    predictions: bool = Field(
        True,
        description=(
            "Whether the live version is also asked for its answers where the target is not known, for prediction_psi. "
            "Without, such rows are checked without the model, which takes longer to load than a million rows to count."
        ),
    )


class DriftSpec(Value):
    """How much drift is too much."""

    check: DriftCheck | None = Field(
        None, description="The operator's own check; leave it out where reports come from another tool."
    )
    thresholds: list[DriftThreshold] = Field(
        min_length=1, max_length=50, description="A report that crosses any of these is a breach."
    )
    min_samples: int = Field(200, ge=1, description="A report about fewer rows says nothing.")
    consecutive: int = Field(
        1, ge=1, le=100, description="How many of the newest reports about the live version must all breach."
    )
    cooldown: Duration = Field("1h", description="No new candidate is started this long after the last one ended.")


class Against(Value):
    """The comparison with the live version on the same holdout."""

    metric: Literal["mse", "rmse", "mae", "r2", "accuracy", "f1", "log_loss", "roc_auc"] = Field(
        description="The metric compared."
    )
    tolerance: float = Field(
        0.0,
        ge=0,
        le=1,
        description="How much worse the candidate may be: a share of the live value for a loss, "
        "a difference for a score.",
    )
    confidence: float = Field(0.95, gt=0.5, lt=1, description="How sure that must be (a bootstrap bound).")


class SliceLimit(Value):
    """How much worse than by the live version a single group of rows may be served."""

    column: Column = Field(description="A feature: its categories, or the quarters of a number, are the groups.")
    metric: Literal["mse", "rmse", "mae", "accuracy", "f1", "log_loss", "roc_auc"] = Field(
        description="The metric compared in each group of 30 holdout rows or more."
    )
    max_ratio: float = Field(
        ge=1,
        le=1000,
        description="The greatest ratio that passes: the candidate's value to the live version's for a loss, "
        "the live version's to the candidate's for a score; 1.5 is half as bad again.",
    )


class ValidationSpec(Value):
    """What a candidate must prove before it may serve."""

    thresholds: list[Threshold] = Field(
        [], max_length=50, description="Limits the candidate's metrics on the holdout must keep."
    )
    against: Against | None = Field(
        None, description="The comparison with the live version; default mse or accuracy, tolerance 0."
    )
    slices: list[SliceLimit] = Field(
        [],
        max_length=8,
        description="Groups of rows none of which may be served so much worse than by the live version.",
    )

    def compared_by(self, task: str) -> Against:
        """The comparison asked for, or the task's usual one."""
        return self.against or Against(metric="mse" if task == "regression" else "accuracy")


class Step(Value):
    """One step of a roll-out."""

    weight: int = Field(
        ge=1, le=99, description="Per cent of the replicas that run the candidate; with a gateway, of the requests."
    )
    hold: Duration | None = Field(None, description="How long the step lasts after its replicas are ready.")


class Gateway(Value):
    """The way of the requests through the Gateway API."""

    http_route: ObjectName = Field(
        description="HTTPRoute in the same namespace. A rule of it names the Services <name> and <name>-candidate as its "
        "backends; the operator owns their weights and nothing else of it."
    )


class RolloutSpec(Value):
    """How a validated candidate takes over."""

    model_config = rules(
        rule(
            "self.steps.map(s, s.weight).isSorted()"
            " && self.steps.all(s, self.steps.filter(t, t.weight == s.weight).size() == 1)",
            "the weights of the steps must rise; give each step a greater weight than the one before",
            at=".steps",
        ),
        rule(
            "!has(self.analysis) || size(self.steps) > 0 || has(self.shadow)",
            "without steps the two versions never serve at the same time, so nothing can be compared; "
            "give at least one step, or remove analysis",
            at=".analysis",
        ),
        rule(
            "!has(self.shadow) || has(self.gateway)",
            "only an HTTPRoute can mirror requests; name one in gateway, or remove shadow",
            at=".shadow",
        ),
        rule(
            "!has(self.shadow) || has(self.analysis)",
            "nobody would compare what the candidate answers in the shadow; add analysis ({} takes all defaults), "
            "or remove shadow",
            at=".shadow",
        ),
    )
    approval: Literal["automatic", "manual"] = Field(
        "automatic", description="manual waits for the annotation perennial.dev/approved-by on the ModelVersion."
    )
    steps: list[Step] = Field([], max_length=20, description="Steps before the candidate takes everything.")
    timeout: Duration = Field("15m", description="A step whose replicas are not ready after this is rolled back.")
    gateway: Gateway | None = Field(
        None, description="Give the candidate exactly its weight of the requests; without it, of the replicas."
    )
    analysis: Analysis | None = Field(
        None,
        description="What the candidate must keep in each step, beside the live version; {} for all defaults. "
        "A step ends only after its analysis has passed. Left out: a step ends after its hold.",
    )
    shadow: Duration | None = Field(
        None,
        description="Mirror all requests to the candidate for so long before the first step, compare its answers with the "
        "live version's by analysis, and give nobody any of them. Needs gateway and analysis.",
    )

    @model_validator(mode="after")
    def steps_rise(self) -> RolloutSpec:
        weights = [step.weight for step in self.steps]
        if any(b <= a for a, b in pairwise(weights)):
            raise ValueError(f"steps have the weights {weights}; give each step a greater weight than the one before")
        return self


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


class History(Value):
    """How much of the past is kept."""

    versions: int = Field(10, ge=1, le=1000, description="Ended versions kept besides the live one.")
    reports: int = Field(50, ge=1, le=10000, description="Handled drift reports kept.")


def _measured(task: str, metrics: tuple[str, ...]) -> tuple[JsonDict, ...]:
    """The rules that validation asks only for metrics that a model of this task has."""
    known, other = f"[{', '.join(repr(name) for name in metrics)}]", f"self.model.task != '{task}'"
    mend = f"is not measured for {task}; give one of {', '.join(metrics)}"
    return (
        rule(
            f"{other} || self.validation.thresholds.all(t, t.metric in {known})",
            f"the metric of a threshold {mend}",
            at=".validation.thresholds",
        ),
        rule(
            f"{other} || !has(self.validation.against) || self.validation.against.metric in {known}",
            f"the metric {mend}",
            told=f"self.validation.against.metric + ' {mend}'",
            at=".validation.against.metric",
        ),
        rule(
            f"{other} || self.validation.slices.all(s, s.metric in {known})",
            f"the metric of a slice {mend}",
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
        *_measured("regression", REGRESSION),
        *_measured("classification", CLASSIFICATION),
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
