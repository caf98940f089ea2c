"""Which column has the time of each row, and in which format."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import product

import pandas as pd

from perennial_trainer.data.values.times import notation_of, readable_times

READABLE = 0.9
"""Share of the values that must be times."""
DAYS = ("%d.%m.%Y", "%d/%m/%Y", "%m/%d/%Y", "%d-%m-%Y", "%Y/%m/%d", "%Y.%m.%d", "%d.%m.%y")
CLOCKS = ("", " %H:%M", " %H:%M:%S")
CALLED = re.compile(r"(?i)(time|date|day|stamp|zeit|datum|fecha|fech|heure)|(^|_)(at|ts|dt)$")
"""How a column of numbers is called that has times."""
FEWEST_DIGITS = 8
AMBIGUOUS = "%d/%m/%Y", "%m/%d/%Y"


@dataclass(frozen=True)
class TimeColumn:
    """A column of times; `time_format` is None for ISO 8601."""

    name: str
    time_format: str | None
    ambiguous: bool = False
    """Whether each value can be read with the day first and with the month first."""


def time_column_of(name: str, values: pd.Series[str]) -> TimeColumn | None:
    """The column as one of times, if it is one."""
    present = values.dropna()
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


def _share(name: str, present: pd.Series[str], time_format: str | None) -> float:
    times, _ = readable_times(name, present, time_format)
    return float(times.notna().mean())
