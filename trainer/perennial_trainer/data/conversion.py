"""Converts columns to the values that a model gets, from a csv or parquet file or from a JSON request.

The same value must reach the model in the same form. A category 1 is an integer in one csv file, 1.0 in another
where a row lacks it, "1" in parquet, and any of them in a request. So training, checks and the server all convert
categories to text here. To convert a converted frame again changes nothing.
"""

import re
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from perennial_trainer.contract.errors import RejectedTask, join_names
from perennial_trainer.contract.task import Features
from perennial_trainer.data.categories import all_integers, category_name

_CALENDAR_DAYS = (19000101, 21001231)  # integers in this range are yyyymmdd; as epoch seconds all lie in 1970

Column = Any  # a pandas Series, a NumPy array or a list


def feature_frame(columns: "Mapping[str, Column] | pd.DataFrame", features: Features) -> pd.DataFrame:
    """The features in the model's order: numeric as float64, categorical as `str`; NaN is missing in both.

    Other columns are left out. Raises a RejectedTask: MissingColumn, NonNumericFeature, InfiniteValues.
    """
    missing = [name for name in features.names if name not in columns]
    if missing:
        raise RejectedTask("MissingColumn", f"{join_names(missing)} is missing; the columns are {join_names(columns)}")
    numeric = {name: _numeric_feature(name, columns[name]) for name in features.numeric}
    # Without copy=False pandas would copy all columns again, into one block.
    return pd.DataFrame(numeric | {name: to_categories(columns[name]) for name in features.categorical}, copy=False)


def to_numbers(values: Column) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """The values as float64, and which of them are present but not numbers (these become NaN)."""
    is_numpy_like = isinstance(values, (list, np.ndarray)) or isinstance(getattr(values, "dtype", None), np.dtype)
    array = np.asarray(values) if is_numpy_like else None
    if array is not None and array.dtype.kind in "fiub":  # such as a request; pandas takes 50 times as long
        floats = array.astype(np.float64)
        return _canonical(floats), np.zeros(len(floats), dtype=bool)
    series = _series(values)
    if isinstance(series.dtype, pd.CategoricalDtype):
        series = series.astype(series.cat.categories.dtype)
    if series.dtype.kind in "mM":
        return np.full(len(series), np.nan), series.notna().to_numpy()
    floats = pd.to_numeric(series, errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
    return _canonical(floats), np.isnan(floats) & series.notna().to_numpy()


def to_categories(values: Column) -> "pd.Series[Any]":
    """Each value as `category_name` names it; NaN for missing values and empty text."""
    series = _series(values)
    if series.dtype == object:  # factorize treats 1 and True as one value
        return pd.Series([category_name(value) for value in series], dtype="str")
    codes, uniques = pd.factorize(series)
    names = pd.Series([category_name(value) for value in uniques] + [np.nan], dtype="str")
    return names.take(codes).reset_index(drop=True)  # code -1, a missing value, takes the last name


def to_labels(classes: "pd.Series[Any]") -> NDArray[Any]:
    """Classes in the form an estimator is given: integers if each is written as an integer, else text.

    `classes` is a result of `to_categories`, which also converts the estimator's predictions back to it.
    """
    return classes.astype(np.int64).to_numpy() if all_integers(pd.unique(classes)) else classes.to_numpy(dtype=object)


def to_times(name: str, values: Column) -> "pd.Series[Any]":
    """The values as UTC times in microseconds; NaT is missing, a time without a zone is UTC.

    Text is read as ISO 8601; an integer as yyyymmdd, or as seconds, milli-, micro- or nanoseconds since 1970, by its
    size. Other notations are refused (UnreadableTime): 03/04/2026 can be two different days.
    """
    series = _series(values).infer_objects()
    present = series.notna()
    if pd.api.types.is_numeric_dtype(series.dtype) and not pd.api.types.is_bool_dtype(series.dtype):
        parsed = _times_of_numbers(series)
    else:
        parsed = pd.to_datetime(series, utc=True, format="ISO8601", errors="coerce")
    unreadable = present & parsed.isna()
    if unreadable.any():
        raise RejectedTask(
            "UnreadableTime",
            f"{int(unreadable.sum())} of {len(series)} values of the time column {name} are not times, such as "
            f"{str(series[unreadable].iloc[0])[:60]!r}: write ISO 8601 (2026-11-22T13:00:00Z) or seconds since 1970",
        )
    return parsed.astype("datetime64[us, UTC]")


def require_finite(name: str, values: NDArray[np.float64]) -> NDArray[np.float64]:
    """The same values, if all are finite or missing; else a RejectedTask, InfiniteValues."""
    count = int(np.isinf(values).sum())
    if count:
        raise RejectedTask("InfiniteValues", f"column {name} holds {count} infinite values: correct or empty them")
    return values


def _numeric_feature(name: str, values: Column) -> NDArray[np.float64]:
    floats, not_number = to_numbers(values)
    if not_number.any():
        example = str(_series(values)[not_number].iloc[0])
        kind = "numbers with other characters" if re.search(r"\d", example) else "words"
        raise RejectedTask(
            "NonNumericFeature",
            f"{int(not_number.sum())} of {len(floats)} values of the numeric feature {name} are not numbers ({kind}): "
            f"correct them, or list {name} under model.features.categorical",
        )
    return require_finite(name, floats)


def _series(values: Column) -> "pd.Series[Any]":
    if isinstance(values, pd.Series):
        return values.reset_index(drop=True)
    return pd.Series(values, dtype=None if isinstance(values, np.ndarray) else object)


def _canonical(floats: NDArray[np.float64]) -> NDArray[np.float64]:
    """One zero and one NaN: -0.0 and other NaNs have other bits, and would give an equal row another digest."""
    floats = floats + 0.0
    np.copyto(floats, np.nan, where=np.isnan(floats))
    return floats


def _times_of_numbers(series: "pd.Series[Any]") -> "pd.Series[Any]":
    values = series.astype("float64")
    low, high = values.min(), values.max()
    if low >= _CALENDAR_DAYS[0] and high <= _CALENDAR_DAYS[1]:
        return pd.to_datetime(series.astype("Int64").astype("str"), format="%Y%m%d", utc=True, errors="coerce")
    largest = max(abs(low), abs(high)) if series.notna().any() else 0
    unit = next(unit for unit, limit in {"s": 1e11, "ms": 1e14, "us": 1e17, "ns": np.inf}.items() if largest < limit)
    return pd.to_datetime(series, unit=unit, utc=True, errors="coerce")  # type: ignore[call-overload, no-any-return]
