"""Reads the times of which calendar parts are features: each by itself, so that a request is read as a file is."""

from typing import Any

import numpy as np
import pandas as pd

from perennial_trainer.data.values.times import readable_times
from perennial_trainer.data.values.unusable import Unusable

Column = Any  # a pandas Series, a NumPy array or a list

_NUMBER = r"\s*[+-]?[0-9]+([.][0-9]*)?([eE][+-]?[0-9]+)?\s*"


def times_of_feature(name: str, values: Column, time_format: str | None) -> "tuple[pd.Series[Any], Unusable | None]":
    """The UTC times, and which of the values are present and not readable, if any.

    Without a format a number is not readable: what 20260102 is could depend on the other values of its column.
    """
    series = values if isinstance(values, pd.Series) else pd.Series(values)
    series = series.reset_index(drop=True)
    numbers = np.zeros(len(series), dtype=bool)
    if time_format is None and series.dtype.kind != "M" and not isinstance(series.dtype, pd.DatetimeTZDtype):
        series = series.astype(object).map(str, na_action="ignore").astype("str")
        numbers = series.str.fullmatch(_NUMBER).fillna(False).to_numpy(dtype=bool)
        series = series.mask(numbers)
    times, unreadable = readable_times(name, series, time_format)
    mask = numbers if unreadable is None else numbers | unreadable.mask
    if not mask.any():
        return times, None
    written = f"of timeFormat {time_format}" if time_format else "times in ISO 8601 (2026-11-22T13:00:00Z)"
    problem = f"values of column {name}, of which a calendar part is a feature, are not {written}"
    fix = "correct them, or say in timeFormat under model.features.derived how they are written"
    return times, Unusable(mask, "UnreadableTime", problem, fix)
