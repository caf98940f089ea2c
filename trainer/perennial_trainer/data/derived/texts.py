"""What is measured of texts: how many words each has, and a group of one of them; no text is kept."""

import re
import zlib
from typing import Any

import numpy as np
import pandas as pd

from perennial_trainer.contract.features.columns import Text

MOST_CHARACTERS = 10_000
"""Of a text; what is beyond them is not read."""
GROUPS = 64
"""Of words: so few that each has many words, and none can be known by its group."""
NO_WORD = "no word"
_WORD = re.compile(r"\b\w\w+\b")


def text_measures(text: Text, values: "pd.Series[Any]") -> "dict[str, pd.Series[Any]]":
    """The number of words of each text, and the group of one word that is drawn from it; NaN where it is missing.

    Each row counts once, so that the groups of n rows are n independent draws and what is said of their chance holds.
    The draw depends on the text alone. A text in which other words occur than before is drawn into other groups.
    """
    read = [_read(value) for value in values.tolist()]
    length, words = text.measures
    return {
        length: pd.Series([each[0] for each in read], dtype="float64", index=values.index),
        words: pd.Series([each[1] for each in read], dtype="str", index=values.index),
    }


def _read(value: Any) -> tuple[float, Any]:
    if not isinstance(value, str):
        return np.nan, np.nan
    all_words = _WORD.findall(value[:MOST_CHARACTERS].lower())
    if not all_words:
        return 0.0, NO_WORD
    drawn = all_words[_hash(value) % len(all_words)]
    return float(len(all_words)), f"group {_hash(drawn) % GROUPS + 1}"


def _hash(text: str) -> int:
    return zlib.crc32(text.encode("utf-8", "surrogatepass"))
