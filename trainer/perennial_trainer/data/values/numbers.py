"""Numbers that are written as text: one grammar for csv, JSON and text columns of parquet."""

import re
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

NULL_WORDS = (
    *("", "NA", "N/A", "n/a", "#NA", "#N/A", "#N/A N/A", "<NA>", "null", "NULL", "Null", "None"),
    *("nan", "NaN", "NAN", "-nan", "-NaN", "NaT", "1.#IND", "-1.#IND", "1.#QNAN", "-1.#QNAN"),
)
"""What stands for a missing value in a numeric column or a time column; in text columns these are values."""


@dataclass(frozen=True)
class NumberFormat:
    """How a file writes numbers: `1.234,5` has the decimal comma and the thousands separator `.`."""

    decimal: str = "."
    thousands: str | None = None

    @property
    def pattern(self) -> str:
        """A regular expression of all numbers in this format."""
        decimal, fraction = f"[{self.decimal}]", "[0-9]*"
        whole = "[0-9]+"
        if self.thousands:
            whole = f"([0-9]+|[0-9]{{1,3}}([{self.thousands}][0-9]{{3}})+)"
        return rf"^[+-]?({whole}({decimal}{fraction})?|{decimal}[0-9]+)([eE][+-]?[0-9]+)?$"

    def number(self, text: str, other: float | None = None) -> float | None:
        """The number that a text is in this format, or the other value."""
        if not re.match(self.pattern, text):
            return other
        digits = text.replace(self.thousands, "") if self.thousands else text
        return float(digits.replace(self.decimal, "."))


PLAIN = NumberFormat()
_INFINITE = r"(?i)^[+-]?inf(inity)?$"
_TRUTH = r"(?i)^(true|false)$"


LARGEST = float(np.finfo(np.float32).max)
"""About 3.4e38. A greater number is a mark for a missing value: trees cannot take it, and its square is infinite."""


def too_large(floats: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which numbers are infinite, or greater than any that can be computed with."""
    return np.asarray(np.abs(floats) > LARGEST)


def text_to_floats(
    text: Any, style: NumberFormat = PLAIN, null_words: tuple[str, ...] = NULL_WORDS
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """The float64 of each text of an Arrow array, and which are present but not numbers (these become NaN).

    Spaces around a number do not count, a null word is missing, and `true` is 1. Infinity is a number here.
    """
    import pyarrow as pa  # which a server does without
    import pyarrow.compute as pc  # which a check of parquet does without: its import takes as long as 100,000 rows

    text = pc.utf8_trim_whitespace(text.cast(pa.string()))
    text = pc.if_else(pc.is_in(text, value_set=pa.array(null_words, pa.string())), None, text)
    if style == PLAIN:
        try:
            return to_numpy(text.cast(pa.float64())), np.zeros(len(text), dtype=bool)
        except pa.ArrowInvalid:
            pass  # at least one is not a number, or has another notation
    readable = pc.or_(pc.match_substring_regex(text, style.pattern), pc.match_substring_regex(text, _INFINITE))
    numbers = pc.if_else(readable, text, None)
    if style.thousands:
        numbers = pc.replace_substring(numbers, style.thousands, "")
    if style.decimal != ".":
        numbers = pc.replace_substring(numbers, style.decimal, ".")
    floats = to_numpy(pc.replace_substring_regex(numbers, r"^\+", "").cast(pa.float64()))
    truth = pc.match_substring_regex(text, _TRUTH)
    is_truth = to_numpy(truth.cast(pa.float64())) == 1
    if is_truth.any():
        is_true = to_numpy(pc.starts_with(text, "t", ignore_case=True).cast(pa.float64())) == 1
        floats = np.where(is_truth, is_true.astype(np.float64), floats)
    present = to_numpy(pc.is_valid(text).cast(pa.float64())) == 1
    has_value = to_numpy(pc.is_valid(numbers).cast(pa.float64())) == 1
    return floats, present & ~has_value & ~is_truth


def to_numpy(values: Any) -> NDArray[np.float64]:
    """An Arrow array of float64; NaN is missing."""
    import pyarrow as pa

    return np.asarray(values.to_numpy(zero_copy_only=False) if isinstance(values, pa.Array) else values.to_numpy())
