"""Features that are computed from other columns of their row."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from perennial_operator.core.api.cel import CHECKED, rule, rules
from perennial_operator.core.api.data import TimeFormat
from perennial_operator.core.api.values import Column, TimeZone, Value

FUNCTIONS = ("calendar", "log1p", "ratio", "difference", "clip", "bins", "interaction")


class Calendar(Value):
    """A part of a time, as a number."""

    column: Column = Field(description="Column with a time: data.timeColumn or another one, but no feature.")
    part: Literal["year", "quarter", "month", "week", "dayOfYear", "dayOfMonth", "dayOfWeek", "hour", "minute"] = Field(
        description="Which part: week is that of ISO 8601, and dayOfWeek is 1 on Monday and 7 on Sunday."
    )
    time_zone: TimeZone | None = Field(
        None,
        description="Time zone of the calendar, as the IANA database names it, such as Europe/Berlin; default UTC.",
    )
    time_format: TimeFormat | None = Field(
        None,
        description="How the times are written, in files and in requests, as in data.timeFormat. Without it they are text "
        "in ISO 8601, or times of parquet.",
    )


class Log1p(Value):
    """The natural logarithm of 1 + x; missing for -1 or less."""

    column: Column = Field(description="Column with numbers.")


class Ratio(Value):
    """A number divided by another; missing where that is 0."""

    numerator: Column = Field(description="Column with numbers.")
    denominator: Column = Field(description="Column with numbers.")


class Difference(Value):
    """A number minus another."""

    column: Column = Field(description="Column with numbers.")
    minus: Column = Field(description="Column with the numbers that are subtracted.")


class Clip(Value):
    """A number, but at least min and at most max."""

    model_config = rules(
        rule("has(self.min) || has(self.max)", "clip has no bound; give min, max or both"),
        rule(
            "!has(self.min) || !has(self.max) || self.min < self.max",
            "min must be less than max",
            field_path=".min",
        ),
    )
    column: Column = Field(description="Column with numbers.")
    min: float | None = Field(None, description="Smaller numbers become this one.")
    max: float | None = Field(None, description="Greater numbers become this one.")


class Bins(Value):
    """A category for each range of numbers between two edges, and beyond the first and the last."""

    column: Column = Field(description="Column with numbers, or a derived number.")
    edges: Annotated[
        list[float],
        Field(
            min_length=1,
            max_length=50,
            json_schema_extra={
                "x-kubernetes-list-type": "set",
                CHECKED: [rule("self.isSorted()", "give the edges in ascending order")],
            },
        ),
    ] = Field(
        description="Where a range ends and the next one begins, ascending; an edge belongs to the range above it."
    )


class Interaction(Value):
    """A category for each combination of values."""

    columns: list[Column] = Field(
        min_length=2,
        max_length=4,
        description="Columns with categories, or derived numbers and bins; a number is a category by its value.",
        json_schema_extra={"x-kubernetes-list-type": "set"},
    )


class Derived(Value):
    """A feature that is computed from other columns of its row; give exactly one function."""

    model_config = rules(
        rule(
            f"[{', '.join(f'has(self.{name})' for name in FUNCTIONS)}].filter(given, given).size() == 1",
            f"give exactly one function: {', '.join(FUNCTIONS[:-1])} or {FUNCTIONS[-1]}",
        )
    )
    name: Column = Field(description="Name of the feature in reports, importances, slices and thresholds.")
    calendar: Calendar | None = Field(None, description="A part of a time, as a number.")
    log1p: Log1p | None = Field(
        None, alias="log1p", description="The natural logarithm of 1 + x; missing for -1 or less."
    )
    ratio: Ratio | None = Field(None, description="A number divided by another; missing where that is 0.")
    difference: Difference | None = Field(None, description="A number minus another.")
    clip: Clip | None = Field(None, description="A number between two bounds.")
    bins: Bins | None = Field(None, description="A category for each range of numbers.")
    interaction: Interaction | None = Field(None, description="A category for each combination of values.")
