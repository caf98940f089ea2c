"""How much drift is too much."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from perennial_operator.core.api.cel import rule, rules
from perennial_operator.core.api.data import Span
from perennial_operator.core.api.places import Source
from perennial_operator.core.api.thresholds import DriftThreshold
from perennial_operator.core.api.values import TIME_ZONE, Cron, Duration, Share, TimeZone, Value


class DriftCheck(Value):
    """The operator's own drift check."""

    model_config = rules(
        rule(
            "type(self.window) == int || self.window != 'auto'",
            "auto is for training; give all, a duration such as 24h, or a number of rows",
            field_path=".window",
        ),
    )
    schedule: Cron = Field(description="When to check, as a cron schedule in timeZone.")
    time_zone: TimeZone | None = Field(None, description=TIME_ZONE)
    data: Source = Field(
        description="The recent rows; if they have the target column, the error of the live version is measured too."
    )
    window: Span = Field(
        "all",
        description="Which of the rows to check: all, the newest by timeColumn (a duration such as 24h), or a number of the newest rows.",
    )
    predictions: bool = Field(
        True,
        description=(
            "Whether the live version also predicts rows without a target, for prediction_psi. "
            "With false the model is not loaded for such rows, which makes the check faster."
        ),
    )


class DataQuality(Value):
    """Which recent data are too bad to say anything about drift."""

    max_missing: Share = Field(
        0.2,
        description="Greatest increase of the share of missing values of a feature over the training rows. "
        "Beyond it the data are bad: that is not drift, and a training would not end it. 1 allows any.",
    )
    max_new: Share | None = Field(
        None,
        description="Greatest share of rows whose value of a categorical feature did not occur in training; default any.",
    )
    max_age: Duration | None = Field(
        None, description="Greatest age of the newest row when the report was made; default any."
    )


class Challenger(Value):
    """A model of newer rows that each check compares the live version with."""

    enabled: bool = Field(
        True,
        description="Whether checks fit a challenger: the live version's recipe, fitted to the newest rows of data.training "
        "that are older than the recent ones. Both models predict the recent rows; the share of its loss that the live "
        "version would save by the challenger is the metric regret. It needs data.timeColumn and recent rows with a target.",
    )
    checks: int = Field(
        5, ge=1, le=100, description="How many times as many rows as a check has the challenger is fitted to."
    )
    max_regret: float = Field(
        0.4,
        gt=0,
        le=100,
        description="Greatest sum of the regrets of the checks since the version went live, each less its standard error "
        "and 0.02; beyond it a training starts. 0.4 is a loss that was 40 % too high in one check, or 10 % in four. "
        "A blend has weights_regret instead, so this counts for it only if a threshold names regret or no blend is wanted.",
    )


class DriftSpec(Value):
    """How much drift is too much."""

    mode: Literal["Train", "Report"] = Field(
        "Train",
        description="Train starts a training because of drift. Report is a dry run: a report that would start one has the "
        "outcome WouldTrigger, and nothing is trained because of drift. The first version, schedules, growth, requests and "
        "changes of the spec start trainings in both modes.",
    )
    check: DriftCheck | None = Field(
        None, description="The operator's own drift check; leave it out if reports come from another tool."
    )
    thresholds: list[DriftThreshold] = Field(
        min_length=1,
        max_length=50,
        description="Limits for the metrics of a report; a metric beyond its limit is a breach.",
    )
    challenger: Challenger = Field(
        Challenger(), description="A model of newer rows that the operator's own checks compare the live version with."
    )
    quality: DataQuality = Field(
        DataQuality(),
        description="Which recent data are too bad to say anything about drift. Such a report starts no training.",
    )
    min_samples: int = Field(200, ge=1, description="Fewest rows of a report; one with fewer is ignored.")
    consecutive: int = Field(
        1,
        ge=1,
        le=100,
        description="How many of the newest reports about the live version must all have a breach before a training starts.",
    )
    cooldown: Duration = Field("1h", description="Time after the end of a candidate in which no new one starts.")
