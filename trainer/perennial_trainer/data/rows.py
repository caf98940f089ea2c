"""A table of converted rows: the features as the model gets them, the target, and the time of each row."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from perennial_trainer.contract.errors import RejectedTask
from perennial_trainer.contract.task import Kind
from perennial_trainer.data.conversion import feature_frame, require_finite, to_categories, to_numbers, to_times
from perennial_trainer.data.schema import Columns

Series = pd.Series  # of float64 (numeric), `str` (categories) or datetime64[us, UTC] (times)
Mask = NDArray[np.bool_]


@dataclass
class Rows:
    """n rows; `time` is None where the task names no time column."""

    columns: Columns
    features: pd.DataFrame
    target: "Series[Any]"
    time: "Series[Any] | None"
    known_digests: NDArray[np.uint64] | None = None  # None until they are needed

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
        )

    @property
    def digests(self) -> NDArray[np.uint64]:
        """One number for each row that depends only on its values, by column name; computed once.

        The same in every version of a model: a float's bits, a text's SipHash and a time's microseconds, combined by
        `pandas.util.hash_pandas_object`. Equal rows have equal digests; the chance that two of 10 million different
        rows have the same digest is three in a million.
        """
        if self.known_digests is None:
            numbers = pd.DataFrame({name: _bits(values) for name, values in sorted(self.table().items())})
            self.known_digests = np.asarray(pd.util.hash_pandas_object(numbers, index=False), dtype=np.uint64)
        return self.known_digests

    def table(self) -> pd.DataFrame:
        """One column for each name in `columns`."""
        table = self.features.assign(**{self.columns.target: self.target})
        if self.time is None or self.columns.time in table:
            return table
        return table.assign(**{str(self.columns.time): self.time})

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
    """The rows of a table as read, each column converted by its role; a RejectedTask if a value cannot be converted."""
    return Rows(
        columns,
        feature_frame(table, columns.features),
        _target(columns.target, table[columns.target], columns.kind),
        None if columns.time is None else to_times(columns.time, table[columns.time]),
    )


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
    )


def sort_by_time(rows: Rows) -> Rows:
    """Oldest first; rows of the same time, and all rows if there is no time column, keep their order.

    Rows without a time come first, so that they do not count as the newest.
    """
    if rows.time is None or rows.time.is_monotonic_increasing:
        return rows
    return rows.take(rows.time.sort_values(kind="stable", na_position="first").index.to_numpy())


def _bits(values: "Series[Any]") -> NDArray[np.uint64]:
    """Each value as 64 bits: equal values have equal bits."""
    if values.dtype.kind == "f":
        return values.to_numpy().view(np.uint64)
    if values.dtype.kind == "M":
        return values.to_numpy(dtype="datetime64[us]").view(np.uint64)
    codes, uniques = pd.factorize(values)
    hashes = pd.util.hash_array(uniques.to_numpy(dtype=object), categorize=False)
    return np.append(hashes, np.uint64(0))[codes]  # code -1, a missing value, takes the last hash


def _target(name: str, values: "Series[Any]", kind: Kind) -> "Series[Any]":
    if kind == "classification":
        return to_categories(values)
    floats, not_number = to_numbers(values)
    if not_number.any():
        raise RejectedTask(
            "NonNumericTarget",
            f"{int(not_number.sum())} of {len(floats)} values of the target {name} are not numbers, such as "
            f"{str(values[not_number].iloc[0])[:40]!r}: correct them, or set model.task to classification",
        )
    return pd.Series(require_finite(name, floats))
