"""A table of converted rows: the features as the model gets them, the target, and the time of each row."""

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from perennial_trainer.data.categories import to_categories
from perennial_trainer.data.conversion import convert_features, readable_target, to_numbers
from perennial_trainer.data.derived.texts import text_measures
from perennial_trainer.data.schema import REQUEST, WEIGHT, Columns
from perennial_trainer.data.values import unusable as unusable_values
from perennial_trainer.data.values import weights as row_weights
from perennial_trainer.data.values.bits import bits_of
from perennial_trainer.data.values.times import readable_times
from perennial_trainer.data.values.unusable import Unusable
from perennial_trainer.data.values.weights import Weights

Series = pd.Series  # of float64 (numeric), `str` (categories) or datetime64[us, UTC] (times)
Mask = NDArray[np.bool_]

GROUP = "perennial.group"  # the column of the holdout file with the hash of each row's group
COPY = "perennial.copy"  # the column of the holdout file with the number of each row among many equal ones
_ODD = np.uint64(0x9E3779B97F4A7C15)
MOST_KEPT_NAMES = 20  # values of a kept column of numbers; with more its quarters are compared


@dataclass
class Rows:
    """n rows; `time` is None where the task names no time column, `group` and `kept` where it names none of these.

    `group` is a hash; a row without a group is a group of its own. `kept` are columns for slices, which the model never
    gets. Neither is a part of a row's digest. `unusable` are values that became missing, by numeric feature: the server
    refuses a request with one of them. `unreadable` are those of the target and of the time. `copies` number equal rows
    beyond the first few, which have 0; None is 0. `inputs` are the columns that derived features alone read.
    """

    columns: Columns
    features: pd.DataFrame
    target: "Series[Any]"
    time: "Series[Any] | None"
    known_digests: NDArray[np.uint64] | None = None  # None until they are needed
    group: NDArray[np.uint64] | None = None
    kept: pd.DataFrame | None = None
    unusable: dict[str, Unusable] = field(default_factory=dict)
    unreadable: dict[str, Unusable] = field(default_factory=dict)
    copies: NDArray[np.uint64] | None = None
    labels: "Series[Any] | None" = None  # the target, also of rows that the server would refuse; None without such rows
    inputs: pd.DataFrame | None = None
    weights: Weights | None = None  # None where each row stands for itself

    def __len__(self) -> int:
        return len(self.features)

    def take(self, which: "Mask | slice | NDArray[np.integer[Any]]") -> "Rows":
        """The rows at a mask, a slice or positions, in that order."""
        if isinstance(which, np.ndarray) and which.dtype == bool and which.all():
            return self  # a copy of ten million rows is avoided where none is left out
        return Rows(
            self.columns,
            self.features.iloc[which].reset_index(drop=True),
            self.target.iloc[which].reset_index(drop=True),
            None if self.time is None else self.time.iloc[which].reset_index(drop=True),
            None if self.known_digests is None else self.known_digests[which],
            None if self.group is None else self.group[which],
            None if self.kept is None else self.kept.iloc[which].reset_index(drop=True),
            unusable_values.take(self.unusable, which),
            unusable_values.take(self.unreadable, which),
            None if self.copies is None else self.copies[which],
            None if self.labels is None else self.labels.iloc[which].reset_index(drop=True),
            None if self.inputs is None else self.inputs.iloc[which].reset_index(drop=True),
            self.weights and self.weights.take(which),
        )

    @property
    def alike(self) -> NDArray[np.uint64] | None:
        """Rows with one number count as one draw: those of a group, or of a request. None if each is a draw."""
        return self.group if self.group is not None or self.weights is None else self.weights.request

    @property
    def equal(self) -> "Rows":
        """Those rows each of which stands for as many, whose distribution is that of all rows."""
        return self if self.weights is None else self.take(self.weights.equal)

    def locate(self, place_of_row: Callable[[int], str]) -> None:
        """Notes where the first unusable value of each column is."""
        self.unusable = {name: each.located(place_of_row) for name, each in self.unusable.items()}
        self.unreadable = {name: each.located(place_of_row) for name, each in self.unreadable.items()}

    @property
    def refused(self) -> Mask:
        """Which rows the server would refuse: a numeric feature has a value that is not a finite number."""
        refused = np.zeros(len(self), dtype=bool)
        for each in self.unusable.values():
            refused |= each.mask
        return refused

    @property
    def digests(self) -> NDArray[np.uint64]:
        """One number for each row that depends only on its values, by column name; computed once.

        The same in every version of a model: a float's bits, a text's SipHash and a time's microseconds, combined by
        `pandas.util.hash_pandas_object`. Equal rows have equal digests; the chance that two of 10 million different
        rows have the same digest is three in a million.
        """
        if self.known_digests is None:
            numbers = pd.DataFrame({name: bits_of(values) for name, values in sorted(self.table().items())})
            self.known_digests = np.asarray(pd.util.hash_pandas_object(numbers, index=False), dtype=np.uint64)
        return self.known_digests

    @property
    def units(self) -> NDArray[np.uint64]:
        """The digest of each row and of its number among equal rows; rows with one unit are on one side of a split."""
        if self.copies is None:
            return self.digests
        numbered = self.digests + self.copies * _ODD  # wraps around
        return np.where(self.copies > 0, pd.util.hash_array(numbered), self.digests)

    def table(self) -> pd.DataFrame:
        """One column for each name in `columns`: what was read, without what is derived from it."""
        read = self.features.drop(columns=[each.name for each in self.columns.features.derived])
        inputs = {} if self.inputs is None else {str(name): self.inputs[name] for name in self.inputs}
        table = read.assign(**inputs, **{self.columns.target: self.target})
        if self.time is None or self.columns.time in table:
            return table
        return table.assign(**{str(self.columns.time): self.time})

    def column(self, name: str) -> "Series[Any]":
        """The values of a feature, of a kept column, or of one that derived features read."""
        others = (each for each in (self.kept, self.features) if each is not None and name in each)
        return next(others, self.measured)[name]

    @cached_property
    def measured(self) -> pd.DataFrame:
        """The columns whose distribution is compared: the features, and what only derived ones read, except times.

        Of texts these are measures: a profile must not hold what people wrote.
        """
        text, others = self.columns.features.text, self.features
        for each in text:
            others = others.drop(columns=each.column).assign(**text_measures(each, self.features[each.column]))
        return others if self.inputs is None else others.join(self.inputs.select_dtypes(exclude="datetimetz"))

    def table_with_others(self) -> pd.DataFrame:
        """The table with the kept columns, the hash of the group, the numbers of equal rows and the weights."""
        others: dict[str, Any] = {} if self.kept is None else {str(name): self.kept[name] for name in self.kept}
        others |= {} if self.group is None else {GROUP: self.group}
        others |= {} if self.copies is None else {COPY: self.copies}
        others |= {} if self.weights is None else {WEIGHT: self.weights.weight, REQUEST: self.weights.request}
        return self.table().assign(**others)

    @cached_property
    def fingerprint(self) -> str:
        """The digest of the columns and of all values, in the order of the rows."""
        content = json.dumps(self.roles()).encode() + self.digests.astype("<u8").tobytes()
        return hashlib.sha256(content).hexdigest()

    def roles(self) -> dict[str, str]:
        """Number, time or category, by column; digests of rows can be compared only where the roles are the same."""
        kinds = {"f": "number", "M": "time"}
        return {str(name): kinds.get(values.dtype.kind, "category") for name, values in sorted(self.table().items())}


def convert_rows(table: pd.DataFrame, columns: Columns) -> Rows:
    """The rows of a table as read, each column converted by its role; a value that cannot be used is missing.

    A row that the server would refuse has no target, so it is not fitted and counts in no metric. Raises a
    RejectedTask, MissingColumn.
    """
    converted, unusable = convert_features(table, columns.features)
    features, inputs = _divided(converted, columns)
    target, not_target = readable_target(columns.target, table[columns.target], columns.kind)
    unreadable = {} if not_target is None else {columns.target: not_target}
    time = None
    if columns.time is not None:
        time, not_time = readable_times(columns.time, table[columns.time], columns.time_format)
        unreadable |= {} if not_time is None or columns.time in unusable else {columns.time: not_time}
    rows = Rows(columns, features, target, time, unusable=unusable, unreadable=unreadable, inputs=inputs)
    if unusable:
        rows.labels, rows.target = target, target.where(~rows.refused)
    if columns.group is not None:
        names = to_categories(table[columns.group])
        rows.group = np.where(names.isna(), rows.digests, bits_of(names))
    if WEIGHT in table:
        rows.weights = Weights(table[WEIGHT].to_numpy(np.float64), table[REQUEST].to_numpy(np.uint64))
    if columns.keep:
        rows.kept = pd.DataFrame({name: _kept(table[name]) for name in columns.keep})
    return rows


def _divided(converted: pd.DataFrame, columns: Columns) -> tuple[pd.DataFrame, pd.DataFrame | None]:
    """What the model gets, and what only derived features read."""
    if not columns.features.derived:
        return converted, None
    features = converted[list(columns.features.names)]
    others = converted.drop(columns=features.columns)
    return features, others if others.shape[1] else None


def concatenate(parts: Sequence[Rows]) -> Rows:
    """The rows of all parts, one after the other; there is at least one part."""
    first = parts[0]
    if len(parts) == 1:
        return first
    return Rows(
        first.columns,
        pd.concat([part.features for part in parts], ignore_index=True),
        pd.concat([part.target for part in parts], ignore_index=True),
        None if first.time is None else pd.concat([part.time for part in parts], ignore_index=True),
        group=None if first.group is None else np.concatenate([part.group for part in parts]),
        kept=None if first.kept is None else pd.concat([part.kept for part in parts], ignore_index=True),
        unusable=unusable_values.concatenate([(part.unusable, len(part)) for part in parts]),
        labels=_labels_of(parts),
        unreadable=unusable_values.concatenate([(part.unreadable, len(part)) for part in parts]),
        inputs=None if first.inputs is None else pd.concat([part.inputs for part in parts], ignore_index=True),
        weights=row_weights.concatenate([part.weights for part in parts]),
    )


def _labels_of(parts: Sequence[Rows]) -> "Series[Any] | None":
    if all(part.labels is None for part in parts):
        return None
    return pd.concat([part.target if part.labels is None else part.labels for part in parts], ignore_index=True)


def sort_by_time(rows: Rows) -> Rows:
    """Oldest first; rows of the same time, and all rows if there is no time column, keep their order.

    Rows without a time come first, so that they do not count as the newest.
    """
    if rows.time is None or rows.time.is_monotonic_increasing:
        return rows
    return rows.take(rows.time.sort_values(kind="stable", na_position="first").index.to_numpy())


def _kept(values: "Series[Any]") -> "Series[Any]":
    """Categories, or numbers where there are many and all are numbers."""
    categories = to_categories(values)
    if categories.nunique() <= MOST_KEPT_NAMES:
        return categories
    numbers, not_number = to_numbers(categories)
    return categories if not_number.any() else pd.Series(numbers)
