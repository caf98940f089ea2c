"""How and when training runs."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from perennial_operator.core.api.cel import matching, rule, rules
from perennial_operator.core.api.pod import Free, PodSpec
from perennial_operator.core.api.values import Cron, Duration, Name, Nested, Value


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
