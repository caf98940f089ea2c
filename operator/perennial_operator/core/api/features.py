"""What the model reads: columns, and features that are computed from them in each row."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from perennial_operator.core.api.cel import CHECKED, rule, rules
from perennial_operator.core.api.data import TimeFormat
from perennial_operator.core.api.values import Column, TimeZone, Value

FUNCTIONS = ("calendar", "log1p", "ratio", "difference", "clip", "bins", "interaction")
MOST_DERIVED = 50


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


def reads(derived: str, column: str) -> str:
    """CEL: whether this derived feature reads this column."""
    return f"{_calendar_reads(derived, column)} || {reads_no_time(derived, column)}"


def reads_no_time(derived: str, column: str) -> str:
    """CEL: whether a function other than calendar reads this column."""
    others = f"{_bins_read(derived, column)} || {_interaction_reads(derived, column)}"
    return f"{_number_reads(derived, column)} || {others}"


def _number_reads(derived: str, column: str) -> str:
    """CEL: whether the function is of numbers and gives a number, and reads this column."""
    fields = {
        "log1p": ("column",),
        "ratio": ("numerator", "denominator"),
        "difference": ("column", "minus"),
        "clip": ("column",),
    }
    return " || ".join(
        f"(has({derived}.{name}) && ({' || '.join(f'{derived}.{name}.{field} == {column}' for field in read)}))"
        for name, read in fields.items()
    )


def _calendar_reads(derived: str, column: str) -> str:
    return f"(has({derived}.calendar) && {derived}.calendar.column == {column})"


def _bins_read(derived: str, column: str) -> str:
    return f"(has({derived}.bins) && {derived}.bins.column == {column})"


def _interaction_reads(derived: str, column: str) -> str:
    return f"(has({derived}.interaction) && {column} in {derived}.interaction.columns)"


def any_derived(condition: str, features: str = "self") -> str:
    """CEL: whether the condition is true of a derived feature `d`."""
    return f"(has({features}.derived) && {features}.derived.exists(d, {condition}))"


_NAMES = (
    rule(
        "size(self.numeric) + size(self.categorical) + (has(self.derived) ? size(self.derived) : 0) > 0",
        "name at least one numeric or categorical feature",
    ),
    rule(
        "self.numeric.all(f, !(f in self.categorical))",
        "a feature is either numeric or categorical; remove it from one of the lists",
        field_path=".categorical",
    ),
    rule(
        f"!{any_derived('d.name in self.numeric || d.name in self.categorical')}",
        "a derived feature has the name of a numeric or categorical one; give it another name",
        field_path=".derived",
    ),
)
_READ = "other.name"
_READS_WRONG = (
    f"{_number_reads('d', _READ)} || {_calendar_reads('d', _READ)}"
    f" || ({_bins_read('d', _READ)} && (has(other.bins) || has(other.interaction)))"
    f" || ({_interaction_reads('d', _READ)} && has(other.interaction))"
)
_READS_CATEGORY = f"self.categorical.exists(c, {_number_reads('d', 'c')} || {_bins_read('d', 'c')})"
_TIME = "d.calendar.column"
_TIME_IS_MORE = (
    f"has(d.calendar) && ({_TIME} in self.numeric || {_TIME} in self.categorical"
    f" || self.derived.exists(other, {reads_no_time('other', _TIME)}))"
)
_TWO_FORMATS = (
    f"has(d.calendar) && self.derived.exists(other, {_calendar_reads('other', _TIME)}"
    " && (has(other.calendar.timeFormat) != has(d.calendar.timeFormat)"
    " || (has(d.calendar.timeFormat) && other.calendar.timeFormat != d.calendar.timeFormat)))"
)
_READING = tuple(
    rule(f"!{any_derived(condition)}", message, field_path=".derived")
    for condition, message in (
        (
            f"self.derived.exists(other, {_READS_WRONG})",
            "a derived feature reads another one; name columns of the data: only bins read derived numbers, and "
            "interactions derived numbers and bins",
        ),
        (
            _READS_CATEGORY,
            "a derived feature reads a categorical feature as a number; remove it from categorical, or use interaction",
        ),
        (
            _TIME_IS_MORE,
            "the column of calendar is a time; remove it from numeric and categorical, and from other functions",
        ),
        (_TWO_FORMATS, "one column of times has one timeFormat; give all its calendar parts the same"),
    )
)


class Features(Value):
    """The columns the model reads."""

    model_config = rules(*_NAMES, *_READING)
    numeric: list[Column] = Field(
        [], max_length=5000, description="Columns with numbers.", json_schema_extra={"x-kubernetes-list-type": "set"}
    )
    categorical: list[Column] = Field(
        [],
        max_length=100,
        description="Columns with categories, as text or codes.",
        json_schema_extra={"x-kubernetes-list-type": "set"},
    )
    derived: list[Derived] | None = Field(
        None,
        max_length=MOST_DERIVED,
        description="Features that are computed from other columns of their row, the same in training, validation, checks "
        "and requests. A column that only they read need not be a feature itself.",
        json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]},
    )
