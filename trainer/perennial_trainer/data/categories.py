"""The name of a category: the same text for the same value in csv, parquet and JSON requests."""

import re
from collections.abc import Collection, Iterable, Sequence
from datetime import date, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import numpy as np

from perennial_trainer.contract.features.category_text import name_of_float, name_of_text, name_of_time

if TYPE_CHECKING:
    import pandas as pd

NO_CLASS = -1  # the position of the positive class if no class is positive

_INTEGER = re.compile(r"0|-?[1-9]\d{0,17}")


def category_name(value: Any) -> Any:
    """One text for 1, 1.0, "1" and "1.0", one for True and "TRUE", one for a time; NaN if missing or blank text.

    The order is that of the frequency in practice, because a request waits for it.
    """
    if isinstance(value, np.generic):
        value = float(str(value)) if isinstance(value, (np.float32, np.float16)) else value.item()
    if isinstance(value, bytes):
        value = value.decode(errors="replace")
    if isinstance(value, str):
        return np.nan if value.isspace() else name_of_text(value) or np.nan
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if value is None:
        return np.nan
    if isinstance(value, float):
        return name_of_float(value) if value == value else np.nan
    if isinstance(value, Decimal):
        return _name_of_decimal(value)
    if isinstance(value, timedelta):  # one of pandas has another text
        return str(timedelta(value.days, value.seconds, value.microseconds))
    if isinstance(value, date) and value == value:  # a NaT is a date and differs from itself
        return name_of_time(value)
    import pandas as pd  # slow to import, and not needed for what a request can have

    return np.nan if pd.api.types.is_scalar(value) and pd.isna(value) else str(value)


def to_categories(values: Any) -> "pd.Series[Any]":
    """Each value as `category_name` names it; NaN for missing values and blank text."""
    import pandas as pd

    series = as_series(values)
    if series.dtype == object:  # factorize treats 1 and True as one value
        return pd.Series([category_name(value) for value in series], dtype="str")
    codes, uniques = pd.factorize(series)
    names = pd.Series([category_name(value) for value in uniques] + [np.nan], dtype="str")
    return names.take(codes).reset_index(drop=True)  # code -1, a missing value, takes the last name


def as_series(values: Any) -> "pd.Series[Any]":
    """The column as a series with a new index; a list keeps the type of each value."""
    import pandas as pd

    if isinstance(values, pd.Series):
        return values.reset_index(drop=True)
    return pd.Series(values, dtype=None if isinstance(values, np.ndarray) else object)


def arrow_categories(column: Any) -> "pd.Series[Any]":
    """The name of each value of an Arrow column; NaN is missing. No value passes through a float."""
    import pandas as pd
    import pyarrow as pa

    column = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    if pa.types.is_null(column.type):
        return pd.Series([np.nan] * len(column), dtype="str")
    if pa.types.is_float16(column.type):
        return pd.Series([category_name(value) for value in column.to_numpy(zero_copy_only=False)], dtype="str")
    encoded = column if pa.types.is_dictionary(column.type) else column.dictionary_encode()
    names = pd.Series([category_name(value) for value in python_values(encoded.dictionary)] + [np.nan], dtype="str")
    codes = encoded.indices.cast(pa.int64()).fill_null(-1).to_numpy(zero_copy_only=False)
    return names.take(codes).reset_index(drop=True)  # code -1, a missing value, takes the last name


def python_values(values: Any) -> list[Any]:
    """The values of an Arrow array for `category_name`; a float32 keeps its type, and so its shortest text."""
    import pyarrow as pa

    if pa.types.is_float32(values.type):
        return list(values.to_numpy(zero_copy_only=False))
    try:
        return list(values.to_pylist())
    except (ValueError, OverflowError):  # a time that Python's datetime does not have
        return list(values.cast(pa.string()).to_pylist())


def _name_of_decimal(value: Decimal) -> Any:
    if not value.is_finite():
        return np.nan if value.is_nan() else str(float(value))
    text = format(value, "f")
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if text == "-0" else text


def all_integers(classes: Iterable[str]) -> bool:
    """Whether each name is written as an integer."""
    return all(_INTEGER.fullmatch(name) for name in classes)


def positive_position(classes: Sequence[str], named: str | None = None) -> int | None:
    """Where the positive class is: the named one, or the greater of two integers, or true of true and false.

    None for more classes, whose mean counts; NO_CLASS for two texts, whose order says nothing, and for an unknown name.
    """
    if named is not None:
        name = category_name(named)
        return classes.index(name) if name in classes else NO_CLASS
    if len(classes) != 2:
        return None
    return 1 if all_integers(classes) or set(classes) == {"false", "true"} else NO_CLASS


def sorted_classes(classes: Collection[str]) -> tuple[str, ...]:
    """The classes in the order of an estimator: by number if each is written as an integer, else as text."""
    return tuple(sorted(classes, key=int if all_integers(classes) else None))
