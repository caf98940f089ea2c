"""How much drift is too much."""

from __future__ import annotations

from pydantic import Field

from perennial_operator.core.api.cel import rule, rules
from perennial_operator.core.api.data import Source, Span
from perennial_operator.core.api.thresholds import DriftThreshold
from perennial_operator.core.api.values import Cron, Duration, Value


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
