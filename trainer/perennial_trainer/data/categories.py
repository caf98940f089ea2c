"""What a category is called, however it is written: what training, checks and the server must agree on."""

import re
from collections.abc import Collection, Iterable
from typing import Any

import numpy as np

_WHOLE = re.compile(r"(-?\d+)\.0+")
_INTEGER = re.compile(r"0|-?[1-9]\d{0,17}")


def category_name(value: Any) -> Any:
    """The text, the same for 1, 1.0, "1" and "1.0", or for True and "TRUE"; NaN for what is missing."""
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
        whole = _WHOLE.fullmatch(value)
        if whole:
            return whole[1]
        return value.lower() if value.lower() in ("true", "false") else value or np.nan
    import pandas as pd  # for what texts and numbers need not wait

    return np.nan if pd.api.types.is_scalar(value) and pd.isna(value) else str(value)


def all_integers(classes: Iterable[str]) -> bool:
    """Whether all of them are written as integers are."""
    return all(_INTEGER.fullmatch(name) for name in classes)


def sorted_classes(classes: Collection[str]) -> tuple[str, ...]:
    """The classes as an estimator orders them: by number if all of them are written so, else as text."""
    return tuple(sorted(classes, key=int if all_integers(classes) else None))
