"""Converts columns to the values that a model gets, from a csv or parquet file or from a JSON request.

The same value must reach the model in the same form. A category 1 is an integer in one csv file, 1.0 in another
where a row lacks it, "1" in parquet, and any of them in a request. So training, checks and the server all convert
categories to text here. To convert a converted frame again changes nothing.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from perennial_trainer.contract.errors import RejectedTask, join_names
from perennial_trainer.contract.task import Features
from perennial_trainer.data.categories import all_integers, arrow_categories, category_name
from perennial_trainer.data.schema import Columns
from perennial_trainer.data.values.numbers import text_to_floats, too_large
from perennial_trainer.data.values.unusable import Unusable, unusable_numbers

Column = Any  # a pandas Series, a NumPy array or a list


def feature_frame(columns: "Mapping[str, Column] | pd.DataFrame", features: Features) -> pd.DataFrame:
    """The features of a request, each value of which can be used.

    Raises a RejectedTask: MissingColumn, NonNumericFeature, InfiniteValues.
    """
    frame, unusable = convert_features(columns, features)
    for each in unusable.values():
        raise each.refusal(len(frame))
    return frame


def convert_features(
    columns: "Mapping[str, Column] | pd.DataFrame", features: Features
) -> tuple[pd.DataFrame, dict[str, Unusable]]:
    """The features in the model's order: numeric as float64, categorical as `str`; NaN is missing in both.

    A value of a numeric feature that is not a finite number becomes NaN, too, and is returned by its feature. Other
    columns are left out. Raises a RejectedTask: MissingColumn.
    """
    missing = [name for name in features.names if name not in columns]
    if missing:
        raise RejectedTask("MissingColumn", f"{join_names(missing)} is missing; the columns are {join_names(columns)}")
    numeric: dict[str, NDArray[np.float64]] = {}
    unusable: dict[str, Unusable] = {}
    for name in features.numeric:
        numeric[name], problem = usable_numbers(name, columns[name])
        if problem is not None:
            unusable[name] = problem
    # Without copy=False pandas would copy all columns again, into one block.
    categorical = {name: to_categories(columns[name]) for name in features.categorical}
    return pd.DataFrame(numeric | categorical, copy=False), unusable


def usable_numbers(name: str, values: Column) -> tuple[NDArray[np.float64], Unusable | None]:
    """The values as float64 without those too large, and which of them are present and not usable numbers, if any."""
    floats, not_number = to_numbers(values)
    infinite = too_large(floats)
    if not infinite.any() and not not_number.any():
        return floats, None
    example = str(_series(values)[not_number].iloc[0]) if not_number.any() else ""
    return np.where(infinite, np.nan, floats), unusable_numbers(name, not_number, infinite, example)


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
    if isinstance(series.dtype, pd.StringDtype):
        floats, not_number = text_to_floats(pa.array(series, from_pandas=True))
        return _canonical(floats), not_number
    is_text = np.array([isinstance(value, str) for value in series], dtype=bool)
    others = series.where(~is_text) if is_text.any() else series
    floats = np.array(pd.to_numeric(others, errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan))
    not_number = np.isnan(floats) & others.notna().to_numpy()
    if is_text.any():
        floats[is_text], not_number[is_text] = text_to_floats(pa.array(series[is_text], pa.string()))
    return _canonical(floats), not_number


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


def to_frame(table: Any, columns: Columns) -> pd.DataFrame:
    """An Arrow table for `convert_rows`; categories have their names already, since pandas may change their values.

    In pandas, integers with a missing value are floats, so that 9007199254740993 would be another number.
    """
    return pd.DataFrame(
        {
            name: arrow_categories(table[name]) if name in columns.as_text else _to_series(table[name])
            for name in table.column_names
            if name in columns.names
        },
        copy=False,
    )


def _to_series(column: Any) -> "pd.Series[Any]":
    if pa.types.is_binary(column.type) or pa.types.is_large_binary(column.type):  # as some writers of parquet have text
        texts = (value if value is None else value.decode(errors="replace") for value in column.to_pylist())
        return pd.Series(list(texts), dtype="str")
    return column.to_pandas()  # type: ignore[no-any-return]


def _series(values: Column) -> "pd.Series[Any]":
    if isinstance(values, pd.Series):
        return values.reset_index(drop=True)
    return pd.Series(values, dtype=None if isinstance(values, np.ndarray) else object)


def _canonical(floats: NDArray[np.float64]) -> NDArray[np.float64]:
    """One zero and one NaN: -0.0 and other NaNs have other bits, and would give an equal row another digest."""
    floats = floats + 0.0
    np.copyto(floats, np.nan, where=np.isnan(floats))
    return floats
