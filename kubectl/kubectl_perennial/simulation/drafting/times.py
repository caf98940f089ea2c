"""Which column has the time of each row, in which format, and which parts of it come again and again."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

import pandas as pd

from perennial_trainer.data.values.times import notation_of, readable_times

READABLE = 0.9
"""Share of the values that must be times."""
DAYS = ("%d.%m.%Y", "%d/%m/%Y", "%m/%d/%Y", "%d-%m-%Y", "%Y/%m/%d", "%Y.%m.%d", "%d.%m.%y")
CLOCKS = ("", " %H:%M", " %H:%M:%S", " %I:%M %p", " %I:%M:%S %p")
CALLED = re.compile(r"(?i)(time|date|day|stamp|zeit|datum|fecha|fech|heure)|(^|_)(at|ts|dt)$")
"""How a column of numbers is called that has times."""
FEWEST_DIGITS = 8
AMBIGUOUS = "%d/%m/%Y", "%m/%d/%Y"
FEWEST_DAYS = {"hour": 7, "dayOfWeek": 28, "month": 730}
"""That the rows span before a part is a feature: its values then came before the rows that are held back, too."""


@dataclass(frozen=True)
class TimeColumn:
    """A column of times; `time_format` is None for ISO 8601."""

    name: str
    time_format: str | None
    ambiguous: bool = False
    """Whether each value can be read with the day first and with the month first."""
    parts: tuple[str, ...] = ()
    """Of the calendar, that differ among the rows and come again."""

    @property
    def derived(self) -> list[dict[str, Any]]:
        """A feature for each part, as `model.features.derived` has it."""
        read = {"column": self.name} | ({"timeFormat": self.time_format} if self.time_format else {})
        return [{"name": f"{self.name}.{part}", "calendar": {**read, "part": part}} for part in self.parts]


def time_column_of(name: str, values: pd.Series[str]) -> TimeColumn | None:
    """The column as one of times, if it is one."""
    present = values.dropna()
    column = _recognised(name, present)
    return replace(column, parts=_parts(name, present, column.time_format)) if column else None


def _recognised(name: str, present: pd.Series[str]) -> TimeColumn | None:
    if present.str.fullmatch(r"[+-]?[0-9]+(\.[0-9]+)?").mean() >= READABLE:
        digits = present.str.len().median()
        if not CALLED.search(name) or digits < FEWEST_DIGITS or _share(name, present, None) < READABLE:
            return None
        return TimeColumn(name, notation_of(present))
    if not present.str.contains(r"\d").all():
        return None
    if _share(name, present, None) >= READABLE:
        return TimeColumn(name, None)
    formats = [f"{day}{clock}" for day, clock in product(DAYS, CLOCKS)]
    fitting = [each for each in formats if _share(name, present, each) >= READABLE]
    if not fitting:
        return None
    day_first, month_first = ({each for each in fitting if each.startswith(day)} for day in AMBIGUOUS)
    return TimeColumn(name, fitting[0], bool(day_first and month_first))


def _parts(name: str, present: pd.Series[str], time_format: str | None) -> tuple[str, ...]:
    times = readable_times(name, present, time_format)[0].dropna()
    values = {"hour": times.dt.hour, "dayOfWeek": times.dt.day_of_week, "month": times.dt.month}
    days = (times.max() - times.min()).days
    return tuple(part for part, least in FEWEST_DAYS.items() if days >= least and values[part].nunique() > 1)


def _share(name: str, present: pd.Series[str], time_format: str | None) -> float:
    times, _ = readable_times(name, present, time_format)
    return float(times.notna().mean())
