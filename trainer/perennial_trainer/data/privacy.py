"""What may be said of values: names that many rows have, rounded numbers, and the shape of a text."""

import re
from collections.abc import Mapping

from perennial_trainer.contract.errors import join_names

FEWEST_ROWS = 10  # of a category or a class that is named; a smaller group may be one person
DIGITS = 2  # of a number that may be that of a single row, such as the greatest


def rounded(number: float) -> str:
    """The number with two digits: `1,200`, `0.036`."""
    text = f"{number:.{DIGITS}g}"
    return f"{float(text):,.0f}" if abs(float(text)) >= 100 else text


def common_names(counts: Mapping[str, int], limit: int) -> str:
    """The names that at least 10 rows have, and how many others there are."""
    named = [name for name, count in counts.items() if count >= FEWEST_ROWS]
    others = len(counts) - len(named)
    rare = f"{others} with fewer than {FEWEST_ROWS} rows each" if others else ""
    return " and ".join(part for part in (join_names(named, limit), rare) if part)


def shape(text: str) -> str:
    """How the text is written, without what it says: 9 for each digit, a for each letter."""
    return re.sub(r"[^\W\d_]", "a", re.sub(r"\d", "9", text))


def notation(text: str) -> str:
    """How the text is written, in a sentence: its shape in quotes; of letters alone it would say nothing."""
    return repr(shape(text)) if re.search(r"\d", text) else "text without digits"
