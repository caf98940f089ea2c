"""How and when training runs."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from perennial_operator.core.api.cel import matching, rule, rules
from perennial_operator.core.api.pod import Free, PodSpec
from perennial_operator.core.api.values import TIME_ZONE, Cron, Duration, Name, Nested, TimeZone, Value


class Search(Value):
    """A search for the best hyper-parameters."""

    method: Literal["grid", "random", "halving"] = Field(
        "grid", description="Try all combinations, a random draw, or successive halving."
    )
    space: dict[
        str, Annotated[Nested[list[Any]], Field(json_schema_extra={"items": Free, "minItems": 1, "maxItems": 100})]
    ] = Field(
        min_length=1,
        max_length=20,
        description="Values to try, for each parameter of the estimator; name__parameter is one of an estimator inside it.",
    )
    folds: int = Field(5, ge=2, le=20, description="Cross-validation folds; ordered by time if there is a time column.")
    scoring: str | None = Field(
        None, max_length=64, description="Name of the score in scikit-learn; default r2 or accuracy."
    )
    iterations: int = Field(20, ge=1, le=10000, description="How many combinations a random search draws.")


SchedulerAddress = Annotated[
    str,
    *matching(r"(tcp|tls)://[^\s/]+:[0-9]+", "give a scheduler's address such as tcp://dask.team-a:8786", 260),
]


class Dask(Value):
    """Dask workers that fit the models of a search, or one model of LightGBM or XGBoost together."""

    model_config = rules(
        rule(
            "has(self.workers) != has(self.address)",
            "give either workers, to start that many pods, or the address of an existing scheduler",
        ),
    )
    workers: int | None = Field(
        None,
        ge=1,
        le=500,
        description="Number of worker pods to start, with the fields of the Job's pod. Each fits one model of a search at "
        "a time; of a model of LightGBM or XGBoost that is fitted outside of a search, each has a share of the rows.",
    )
    address: SchedulerAddress | None = Field(
        None,
        description="Address of an existing scheduler, such as tcp://dask.team-a:8786; "
        "its workers must run the trainer's image.",
    )


class Engine(Value):
    """What a training runs on, if it needs more than one pod."""

    dask: Dask = Field(description="Dask workers: started for the training, or of an existing scheduler.")


ENGINE_RULE = rule(
    "!has(self.training.engine) || has(self.training.search)"
    " || (self.model.framework == 'sklearn' && self.model.estimator.matches('^(lightgbm|xgboost)[.]'))",
    "engine needs a search, or an estimator of LightGBM or XGBoost, whose rows it spreads; set training.search, or "
    "remove engine",
    field_path=".training.engine",
)
"""Of the spec of a ModelDeployment."""

Calibration = Literal["sigmoid", "isotonic"]


class TrainingSpec(Value):
    """How and when training runs."""

    search: Search | None = Field(None, description="A search for the best hyper-parameters.")
    calibration: Calibration | None = Field(
        None,
        description="Calibrate a classifier's probabilities on the training rows: sigmoid (few rows) "
        "or isotonic (a thousand rows or more).",
    )
    refit: bool = Field(
        True,
        description="After the gate, serve a model of the proven recipe that is fitted to all rows of the window, the "
        "holdout included, if it passes its guards. It needs data.timeColumn; framework custom has none. With false the "
        "model that serves is the one that was validated, byte for byte. A change counts from the next gate on.",
    )
    blend: bool = Field(
        True,
        description="Blend the models of the live version with the new ones: the weighted mean of up to five fits of one "
        "recipe serves as one model, and its weights follow the newest rows. It needs refit, framework sklearn, a "
        "data.timeColumn and data.window auto. With false, and for a model file of 32 MB or more, a version is one fit.",
    )
    engine: Engine | None = Field(
        None,
        description="What a search runs on, and the fits of LightGBM and XGBoost, whose rows are spread over the workers; "
        "default: the pod of the training Job.",
    )
    schedule: Cron | None = Field(None, description="Also retrain on this cron schedule in timeZone.")
    time_zone: TimeZone | None = Field(None, description=TIME_ZONE)
    growth: float = Field(
        0.25,
        ge=0,
        le=100,
        description="Also retrain when the rows have grown by this share since the live version, as the operator's own "
        "checks count them: 0.25 is a quarter more. Where labels come late, a fifth of this share is enough. Only for "
        "versions of this release's trainer or a later one, and with data.timeColumn. 0 turns it off.",
    )
    timeout: Duration = Field("2h", description="Time limit of a training or validation Job.")
    retries: int = Field(
        2, ge=0, le=10, description="How often a failed Job is retried; a rejected task is not retried."
    )
    max_rejections: int | None = Field(
        None,
        ge=1,
        le=100,
        description="After this many failed, rejected or rolled-back candidates in a row "
        "no new one starts until a person requests it; default: the pause between them grows, and none is the last. "
        "Candidates that failed because of their surroundings, such as a store that does not answer, do not count.",
    )
    queue: Name | None = Field(None, description="Kueue queue of the Jobs.")
    pod: PodSpec = Field(PodSpec(), description="Fields of the Jobs' pods.")
