"""What a candidate must prove before it may serve."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from perennial_operator.core.api.cel import one_of
from perennial_operator.core.api.metric_table import SLICE_METRICS, quality_metrics
from perennial_operator.core.api.thresholds import QUALITY_METRICS, Threshold
from perennial_operator.core.api.values import Column, Value

DEFAULTS = {task: quality_metrics(task)[0] for task in ("regression", "classification")}
"""The metric of each task that is compared where `against` is not set."""


class Against(Value):
    """The comparison with the live version on the same holdout."""

    metric: Annotated[str, *one_of(QUALITY_METRICS)] = Field(description="The metric to compare.")
    tolerance: float = Field(
        0.0,
        ge=0,
        le=1,
        description="How much worse the candidate may be: a share of the live version's value for a loss, "
        "a difference for a score.",
    )
    confidence: float = Field(0.95, gt=0.5, lt=1, description="Confidence of the comparison (a bootstrap bound).")


class SliceLimit(Value):
    """How much worse than the live version the candidate may be for one group of rows."""

    column: Column = Field(
        description="A feature or a column of data.keep; its categories, or the quartiles of a number, are the groups."
    )
    metric: Annotated[str, *one_of(SLICE_METRICS)] = Field(
        description="The metric to compare in each group of at least 30 holdout rows."
    )
    max_ratio: float = Field(
        ge=1,
        le=1000,
        description="The greatest ratio that passes: the candidate's value to the live version's for a loss, "
        "the live version's to the candidate's for a score; 1.5 allows values 50 % worse.",
    )


class ValidationSpec(Value):
    """What a candidate must prove before it may serve."""

    thresholds: list[Threshold] = Field(
        [], max_length=50, description="Limits for the metrics of the candidate on the holdout."
    )
    against: Against | None = Field(
        None,
        description=f"The comparison with the live version; default {' or '.join(DEFAULTS.values())}, tolerance 0.",
    )
    routine: Literal["NotShownWorse", "NotWorse"] = Field(
        "NotShownWorse",
        description="What candidates of spec.training.schedule and spec.training.growth must prove beside the live version. "
        "NotShownWorse rejects those that are shown to be worse; NotWorse, as after drift, all that are not shown to be no "
        "worse, which few holdout rows seldom show.",
    )
    slices: list[SliceLimit] = Field(
        [],
        max_length=8,
        description="Groups of rows for which the candidate must not be much worse than the live version.",
    )

    def compared_by(self, task: str) -> Against:
        """The comparison of `against`, or the default of the task."""
        return self.against or Against(metric=DEFAULTS[task])
