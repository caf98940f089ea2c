"""One table of rows: the features as the model gets them, and beside them the target and the time of each row."""

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
from perennial_trainer.data import conversion
from perennial_trainer.data.schema import Columns

Series = pd.Series  # of float64 (numeric), `str` (categories) or datetime64[us, UTC] (times)
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Rows:
    """n rows; `time` is None where the task names no time column."""

    columns: Columns
    features: pd.DataFrame
    target: "Series[Any]"
    time: "Series[Any] | None"

    def __len__(self) -> int:
        return len(self.features)

    def take(self, which: "Mask | slice | NDArray[np.integer[Any]]") -> "Rows":
        """The rows at a mask, a slice or positions, in that order."""
        if isinstance(which, np.ndarray) and which.dtype == bool and which.all():
            return self  # nothing is left out, so nothing is copied: often all of ten million rows
        taken = Rows(
            self.columns,
            self.features.iloc[which].reset_index(drop=True),
            self.target.iloc[which].reset_index(drop=True),
            None if self.time is None else self.time.iloc[which].reset_index(drop=True),
        )
        if "digests" in self.__dict__:
            taken.__dict__["digests"] = self.digests[which]
        return taken

    @cached_property
    def digests(self) -> NDArray[np.uint64]:
        """One number for each row that depends on nothing but its values, by column name.

        The same in every version of a model: a float's bits, a text's SipHash and a time's microseconds, combined by
        `pandas.util.hash_pandas_object`. Equal rows have equal digests; 10 million different ones collide with a chance
        of three in a million.
        """
        numbers = pd.DataFrame({name: _bits(values) for name, values in sorted(self.table().items())})
        return np.asarray(pd.util.hash_pandas_object(numbers, index=False), dtype=np.uint64)

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
        """What each column is, by name: digests of rows compare only where the roles are the same."""
        kinds = {"f": "number", "M": "time"}
        return {str(name): kinds.get(values.dtype.kind, "category") for name, values in sorted(self.table().items())}


def convert_rows(table: pd.DataFrame, columns: Columns) -> Rows:
    """The rows of a table as read; a RejectedTask if a value is not what its column's role asks for."""
    return Rows(
        columns,
        conversion.feature_frame(table, columns.features),
        _target(columns.target, table[columns.target], columns.kind),
        None if columns.time is None else conversion.to_times(columns.time, table[columns.time]),
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
    """Oldest first; rows of the same time, and all rows where there is no time, keep their order.

    Rows whose time is missing come first: they must not pass for the newest.
    """
    if rows.time is None or rows.time.is_monotonic_increasing:
        return rows
    return rows.take(rows.time.sort_values(kind="stable", na_position="first").index.to_numpy())


def _bits(values: "Series[Any]") -> NDArray[np.uint64]:
    if values.dtype.kind == "f":
        return values.to_numpy().view(np.uint64)
    if values.dtype.kind == "M":
        return values.to_numpy(dtype="datetime64[us]").view(np.uint64)
    codes, uniques = pd.factorize(values)
    hashes = pd.util.hash_array(uniques.to_numpy(dtype=object), categorize=False)
    return np.append(hashes, np.uint64(0))[codes]  # code -1 is missing, and the last hash


def _target(name: str, values: "Series[Any]", kind: Kind) -> "Series[Any]":
    if kind == "classification":
        return conversion.to_categories(values)
    floats, bad = conversion.to_numbers(values)
    if bad.any():
        raise RejectedTask(
            "NonNumericTarget",
            f"{int(bad.sum())} of {len(floats)} values of the target {name} are no numbers, such as "
            f"{str(values[bad].iloc[0])[:40]!r}: clean them, or set model.task to classification",
        )
    return pd.Series(conversion.require_finite(name, floats))
