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
from perennial_trainer.contract.features.columns import Features
from perennial_trainer.contract.task import Kind
from perennial_trainer.data.categories import all_integers, arrow_categories, as_series, to_categories
from perennial_trainer.data.derived.features import derived_features
from perennial_trainer.data.derived.times import times_of_feature
from perennial_trainer.data.privacy import notation
from perennial_trainer.data.schema import REQUEST, WEIGHT, Columns
from perennial_trainer.data.values.numbers import LARGEST, text_to_floats, too_large
from perennial_trainer.data.values.unusable import Unusable, unusable_numbers

Column = Any  # a pandas Series, a NumPy array or a list


def feature_frame(columns: "Mapping[str, Column] | pd.DataFrame", features: Features) -> pd.DataFrame:
    """The features of a request, each value of which can be used.

    Raises a RejectedTask: MissingColumn, NonNumericFeature, InfiniteValues, UnreadableTime.
    """
    frame, unusable = convert_features(columns, features)
    for each in unusable.values():
        raise each.refusal(len(frame))
    return frame[list(features.names)] if features.derived else frame


def convert_features(
    columns: "Mapping[str, Column] | pd.DataFrame", features: Features
) -> tuple[pd.DataFrame, dict[str, Unusable]]:
    """The inputs and the derived features: numeric as float64, categorical as `str`; NaN is missing in both.

    A value of a numeric input that is not a finite number becomes NaN, too, and is returned by its column; so does an
    unreadable time. Other columns are left out. Raises a RejectedTask: MissingColumn.
    """
    missing = [name for name in features.inputs if name not in columns]
    if missing:
        raise RejectedTask("MissingColumn", f"{join_names(missing)} is missing; the columns are {join_names(columns)}")
    numeric: dict[str, NDArray[np.float64]] = {}
    unusable: dict[str, Unusable] = {}
    for name in features.numbers:
        numeric[name], problem = usable_numbers(name, columns[name])
        if problem is not None:
            unusable[name] = problem
    # Without copy=False pandas would copy all columns again, into one block.
    categorical = {name: to_categories(columns[name]) for name in (*features.categories, *features.texts)}
    inputs: dict[str, Any] = numeric | categorical
    for name, time_format in features.times.items():
        inputs[name], problem = times_of_feature(name, columns[name], time_format)
        if problem is not None:
            unusable[name] = problem
    return pd.DataFrame(inputs | derived_features(inputs, features), copy=False), unusable


def usable_numbers(name: str, values: Column) -> tuple[NDArray[np.float64], Unusable | None]:
    """The values as float64 without those too large, and which of them are present and not usable numbers, if any."""
    floats, not_number = to_numbers(values)
    infinite = too_large(floats)
    if not infinite.any() and not not_number.any():
        return floats, None
    example = str(as_series(values)[not_number].iloc[0]) if not_number.any() else ""
    return np.where(infinite, np.nan, floats), unusable_numbers(name, not_number, infinite, example)


def to_numbers(values: Column) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """The values as float64, and which of them are present but not numbers (these become NaN)."""
    is_numpy_like = isinstance(values, (list, np.ndarray)) or isinstance(getattr(values, "dtype", None), np.dtype)
    array = np.asarray(values) if is_numpy_like else None
    if array is not None and array.dtype.kind in "fiub":  # such as a request; pandas takes 50 times as long
        return _canonical(array), np.zeros(len(array), dtype=bool)
    series = as_series(values)
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


def readable_target(name: str, values: "pd.Series[Any]", kind: Kind) -> "tuple[pd.Series[Any], Unusable | None]":
    """The target of each row, and which values are not of its kind."""
    if kind == "classification":
        return to_categories(values), None
    floats, not_number = to_numbers(values)
    infinite = too_large(floats)
    target = pd.Series(np.where(infinite, np.nan, floats))
    if not_number.any():
        example = notation(str(values[not_number].iloc[0])[:40])
        problem = f"values of the target {name} are not numbers, the first is written as {example}"
        fix = "correct them, say in data.csv how the file writes numbers, or set model.task to classification"
        return target, Unusable(not_number | infinite, "NonNumericTarget", problem, fix)
    if infinite.any():
        problem = f"values of the target {name} are infinite or beyond {LARGEST:.2g}"
        return target, Unusable(infinite, "InfiniteValues", problem, "correct or empty them")
    return target, None


def to_labels(classes: "pd.Series[Any]") -> NDArray[Any]:
    """Classes in the form an estimator is given: integers if each is written as an integer, else text.

    `classes` is a result of `to_categories`, which also converts the estimator's predictions back to it.
    """
    return classes.astype(np.int64).to_numpy() if all_integers(pd.unique(classes)) else classes.to_numpy(dtype=object)


def to_frame(table: Any, columns: Columns) -> pd.DataFrame:
    """An Arrow table for `convert_rows`; categories have their names already, since pandas may change their values.

    In pandas, integers with a missing value are floats, so that 9007199254740993 would be another number.
    """
    named, as_text = {*columns.names, WEIGHT, REQUEST}, {*columns.as_text}
    return pd.DataFrame(
        {
            name: arrow_categories(table[name]) if name in as_text else _to_series(table[name])
            for name in table.column_names
            if name in named
        },
        copy=False,
    )


def _to_series(column: Any) -> "pd.Series[Any]":
    if pa.types.is_binary(column.type) or pa.types.is_large_binary(column.type):  # as some writers of parquet have text
        texts = (value if value is None else value.decode(errors="replace") for value in column.to_pylist())
        return pd.Series(list(texts), dtype="str")
    return column.to_pandas()  # type: ignore[no-any-return]


def _canonical(numbers: NDArray[Any]) -> NDArray[np.float64]:
    """The numbers as float64, with one zero and one NaN: -0.0 and other NaNs have other bits, so another digest."""
    floats: NDArray[np.float64] = np.add(numbers, 0.0, dtype=np.float64)
    np.copyto(floats, np.nan, where=np.isnan(floats))
    return floats
