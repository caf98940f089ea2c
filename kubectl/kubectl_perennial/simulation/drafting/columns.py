"""What each column of a table is: a number, a category, a text, the time, or nothing that a model can use."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

import pandas as pd

from kubectl_perennial.errors import CommandError
from kubectl_perennial.simulation.drafting.table import TextTable
from kubectl_perennial.simulation.drafting.times import TimeColumn, time_column_of

MOST_VALUES = 100
"""Of a category; each becomes a column."""
MOST_MISSING = 0.5
OWN_VALUE = 0.5
"""Share of distinct values from which text is an id or a name."""
CALLED_ID = re.compile(r"(?i)(^|_|\b)(id|uuid|guid|key|nr|no|index)$|^unnamed")
MOST_CATEGORIES = 100
WORDS_OF_TEXT = 4
"""Half of the values of a text have so many words; a name has fewer."""
MOST_TEXTS = 10
FEW_CLASSES = 10
CONTROL = r"[\x00-\x08\x0e-\x1f\x7f-\x9f]"


@dataclass(frozen=True)
class Kinds:
    """The columns by kind, and why each of the others is left out."""

    target: str
    task: str
    why_task: str
    numeric: tuple[str, ...]
    categorical: tuple[str, ...]
    text: tuple[str, ...]
    time: TimeColumn | None
    most_missing: float
    """Greatest share of missing values of a feature."""
    left_out: dict[str, str] = field(default_factory=dict)


def kinds_of(table: TextTable, target: str) -> Kinds:
    """The kinds of all columns. CommandError if the target can not be learned, or no feature is left."""
    task, why = _task(table, target)
    left_out = dict(table.left_out)
    numeric: list[str] = []
    categorical: list[str] = []
    text: list[str] = []
    time: TimeColumn | None = None
    for name in table.values.columns.drop(target):
        values = table.values[name]
        if reason := _unusable(values):
            left_out[name] = reason
        elif as_time := time_column_of(name, values):
            if time is None:
                time = as_time
            else:
                left_out[name] = f"a second time beside {time.name}"
        elif len(text) < MOST_TEXTS and _is_text(table, name):
            text.append(name)
        elif reason := _id(table, name):
            left_out[name] = reason
        elif table.has_numbers(name) and not _has_leading_zeros(values):
            numeric.append(name)
        elif (count := values.nunique()) > MOST_VALUES or len(categorical) >= MOST_CATEGORIES:
            left_out[name] = f"a category of {count} values, each of which would be a column"
        else:
            categorical.append(name)
    if not (numeric or categorical or text or (time and time.parts)):
        reasons = "; ".join(f"{name}: {reason}" for name, reason in left_out.items()) or "the file has no other"
        raise CommandError(f"no column is left to learn {target} from ({reasons}): give a file with features")
    missing = table.values[[*numeric, *categorical, *text]].isna().mean()
    most_missing = float(missing.max()) if len(missing) else 0.0
    return Kinds(target, task, why, tuple(numeric), tuple(categorical), tuple(text), time, most_missing, left_out)


def _task(table: TextTable, target: str) -> tuple[str, str]:
    """Regression or classification, and why."""
    values = table.values[target]
    count, rows = values.nunique(), int(values.notna().sum())
    if count < 2:
        raise CommandError(f"the target {target} has {count} value in {rows} rows: there is nothing to learn")
    numbers = table.has_numbers(target)
    whole = values.dropna().str.fullmatch(r"[+-]?[0-9]+").all()
    if not numbers and count * 2 > rows:
        raise CommandError(
            f"the target {target} is text with {count} values in {rows} rows: give one of numbers, or of a few classes"
        )
    if not numbers or count == 2 or (whole and count <= FEW_CLASSES):
        return "classification", f"{target} has {count} values"
    return "regression", f"{target} has numbers"


def _unusable(values: pd.Series[str]) -> str:
    """Why nothing can be learned from the column, or an empty text."""
    missing, present = float(values.isna().mean()), values.dropna()
    if not len(present):
        return "it has no value"
    if present.nunique() == 1:
        return "it has the same value in every row"
    if missing > MOST_MISSING:
        return f"{missing:.0%} of its values are missing"
    if present.str.contains(CONTROL).mean() > 1 - OWN_VALUE:
        return "its values have control characters"
    return ""


def _is_text(table: TextTable, name: str) -> bool:
    """Whether people wrote sentences; values that many rows share are categories."""
    values = table.values[name]
    if values.nunique() <= MOST_VALUES or CALLED_ID.search(name) or table.has_numbers(name):
        return False
    return bool(values.dropna().str.count(r"\w\w+").median() >= WORDS_OF_TEXT)


def _id(table: TextTable, name: str) -> str:
    """Why the column only names its row, or an empty text."""
    present = table.values[name].dropna()
    distinct = present.nunique()
    if not table.has_numbers(name):
        return "almost every row has its own value" if distinct > OWN_VALUE * len(present) else ""
    if distinct < len(present) or not present.str.fullmatch("[0-9]+").all():
        return ""
    numbers = present.astype(float)
    in_a_row = numbers.max() - numbers.min() == len(numbers) - 1
    return "every row has its own number" if in_a_row or CALLED_ID.search(name) else ""


def _has_leading_zeros(values: pd.Series[str]) -> bool:
    """Whether the numbers are codes, such as 01067."""
    return bool(values.dropna().str.fullmatch("0[0-9]+").mean() > 1 / 20)
