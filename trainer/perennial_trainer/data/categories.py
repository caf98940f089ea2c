"""The name of a category: the same text for the same value in csv, parquet and JSON requests."""

import re
from collections.abc import Collection, Iterable, Sequence
from typing import Any

import numpy as np

NO_CLASS = -1  # the position of the positive class if no class is positive

_WHOLE_FLOAT = re.compile(r"(-?\d+)\.0+")
_INTEGER = re.compile(r"0|-?[1-9]\d{0,17}")


def category_name(value: Any) -> Any:
    """One text for 1, 1.0, "1" and "1.0", and one for True and "TRUE"; NaN for a missing value or empty text."""
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, bytes):
        value = value.decode(errors="replace")
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, str):
        return _name_of_text(value)
    import pandas as pd  # slow to import, and not needed for texts and whole numbers

    return np.nan if pd.api.types.is_scalar(value) and pd.isna(value) else str(value)


def _name_of_text(text: str) -> Any:
    if not text:
        return np.nan
    whole_float = _WHOLE_FLOAT.fullmatch(text)
    if whole_float:
        return whole_float[1]
    return text.lower() if text.lower() in ("true", "false") else text


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
