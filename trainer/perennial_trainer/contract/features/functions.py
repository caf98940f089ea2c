"""The functions that derive a feature from other columns of its row."""

from itertools import pairwise
from typing import Annotated, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec
from msgspec import Meta

from perennial_trainer.contract.data import TimeFormat
from perennial_trainer.contract.errors import join_names
from perennial_trainer.contract.fields import StrictStruct

Part = Literal["year", "quarter", "month", "week", "dayOfYear", "dayOfMonth", "dayOfWeek", "hour", "minute"]


class Calendar(StrictStruct, frozen=True, kw_only=True, omit_defaults=True):
    """A part of a time, as a number; text is ISO 8601 unless `time_format` says what it is."""

    column: str
    part: Part
    time_zone: str = "UTC"
    time_format: TimeFormat | None = None

    def __post_init__(self) -> None:
        try:
            ZoneInfo(self.time_zone)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise ValueError(f"timeZone {self.time_zone} is unknown: give one such as Europe/Berlin") from None

    @property
    def columns(self) -> tuple[str, ...]:
        return (self.column,)


class Log1p(StrictStruct, frozen=True, kw_only=True):
    column: str

    @property
    def columns(self) -> tuple[str, ...]:
        return (self.column,)


class Ratio(StrictStruct, frozen=True, kw_only=True):
    numerator: str
    denominator: str

    @property
    def columns(self) -> tuple[str, ...]:
        return self.numerator, self.denominator


class Difference(StrictStruct, frozen=True, kw_only=True):
    column: str
    minus: str

    @property
    def columns(self) -> tuple[str, ...]:
        return self.column, self.minus


class Clip(StrictStruct, frozen=True, kw_only=True, omit_defaults=True):
    column: str
    min: float | None = None
    max: float | None = None

    def __post_init__(self) -> None:
        if self.min is None and self.max is None:
            raise ValueError("clip has no bound: give min, max or both")
        if self.min is not None and self.max is not None and self.min >= self.max:
            raise ValueError(f"clip has min {self.min:g} and max {self.max:g}: min must be less")

    @property
    def columns(self) -> tuple[str, ...]:
        return (self.column,)


class Bins(StrictStruct, frozen=True, kw_only=True):
    """A category for each range between two edges, and beyond the first and the last; the lower edge belongs to it."""

    column: str
    edges: Annotated[tuple[float, ...], Meta(min_length=1, max_length=50)]

    def __post_init__(self) -> None:
        if any(low >= high for low, high in pairwise(self.edges)):
            raise ValueError(f"bins of {self.column}: each edge must be greater than the one before")

    @property
    def columns(self) -> tuple[str, ...]:
        return (self.column,)


class Interaction(StrictStruct, frozen=True, kw_only=True):
    """A category for each combination of the values."""

    columns: Annotated[tuple[str, ...], Meta(min_length=2, max_length=4)]


NUMBERS = (Calendar, Log1p, Ratio, Difference, Clip)
Rule = Calendar | Log1p | Ratio | Difference | Clip | Bins | Interaction
FUNCTIONS = ("calendar", "log1p", "ratio", "difference", "clip", "bins", "interaction")


class Derived(StrictStruct, frozen=True, kw_only=True, omit_defaults=True):
    """A feature that is computed from other columns of the row, by exactly one function."""

    name: Annotated[str, Meta(min_length=1)]
    calendar: Calendar | None = None
    log1p: Log1p | None = None
    ratio: Ratio | None = None
    difference: Difference | None = None
    clip: Clip | None = None
    bins: Bins | None = None
    interaction: Interaction | None = None

    def __post_init__(self) -> None:
        if len(self._given) != 1:
            raise ValueError(
                f"derived {self.name} has {len(self._given)} functions: give one of {join_names(FUNCTIONS)}"
            )

    @property
    def _given(self) -> "list[Rule]":
        return [rule for rule in (getattr(self, name) for name in FUNCTIONS) if rule is not None]

    @property
    def rule(self) -> Rule:
        return self._given[0]

    @property
    def described(self) -> str:
        """The function and what it is given, for people."""
        function = next(name for name in FUNCTIONS if getattr(self, name) is not None)
        given = msgspec.to_builtins(self.rule)
        return f"{function} ({', '.join(f'{name} {_shown(value)}' for name, value in given.items())})"

    @property
    def is_number(self) -> bool:
        return isinstance(self.rule, NUMBERS)


def _shown(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)
