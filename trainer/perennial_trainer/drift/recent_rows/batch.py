"""A batch of rows as read from a file: counted without conversion, and converted only where the model needs them."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from perennial_trainer.data.categories import category_name
from perennial_trainer.data.files.readers import naming_file, place_of_row
from perennial_trainer.data.schema import REQUEST, WEIGHT, Columns
from perennial_trainer.data.values.numbers import too_large
from perennial_trainer.data.values.weights import Weights
from perennial_trainer.drift.histogram import Histogram, NumericHistogram
from perennial_trainer.drift.recent_rows.digest import RowsDigest

if TYPE_CHECKING:
    import pandas as pd

    from perennial_trainer.data.rows import Rows
    from perennial_trainer.data.values.unusable import Unusable


@dataclass(frozen=True)
class Batch:
    """At least one row. The first use of a value that cannot be converted raises what `convert_rows` raises.

    `first_row` is the place of the first row in its file, for messages.
    """

    columns: Columns
    table: Any
    file: str
    first_row: int = 0

    def __len__(self) -> int:
        return int(self.table.num_rows)

    def take(self, which: "NDArray[np.bool_] | NDArray[np.intp]") -> "Batch":
        """The rows at a mask or at positions, in that order."""
        chosen = pa.array(which)
        return replace(self, table=self.table.filter(chosen) if which.dtype == bool else self.table.take(chosen))

    @cached_property
    def equal(self) -> NDArray[np.bool_]:
        """Which rows are counted, so that each stands for as many; all where each stands for itself."""
        if WEIGHT not in self.table.column_names:
            return np.ones(len(self), dtype=bool)
        return Weights(self.table[WEIGHT].to_numpy(), self.table[REQUEST].to_numpy()).equal

    @cached_property
    def rows(self) -> "Rows":
        """The rows as the model gets them."""
        from perennial_trainer.data.conversion import to_frame
        from perennial_trainer.data.rows import convert_rows

        with naming_file(self.file):
            rows = convert_rows(to_frame(self.table, self.columns), self.columns)
        rows.locate(self._place_of_row)
        return rows

    def _place_of_row(self, row: int) -> str:
        return place_of_row(self.file, self.first_row + row)

    @cached_property
    def labelled(self) -> NDArray[np.bool_]:
        """Which rows have a target; a row that the server would refuse has none."""
        if self.table[self.columns.target].null_count == len(self):
            return np.zeros(len(self), dtype=bool)
        return self.rows.target.notna().to_numpy()

    @cached_property
    def unusable(self) -> dict[str, int]:
        """How many values are present but not finite numbers, or times, by input; they count as missing."""
        for name in self.columns.features.numbers:
            if name not in self._is_finite:
                self._finite_values(name)
        if all(self._is_finite.values()) and not self.columns.features.times:
            return {}
        return {name: each.count for name, each in self.rows.unusable.items()}

    @property
    def refused(self) -> NDArray[np.bool_]:
        """Which rows the server would refuse because of such a value."""
        return self.rows.refused if self.unusable else np.zeros(len(self), dtype=bool)

    @property
    def time(self) -> "pd.Series[Any] | None":
        """The time of each row; None where the task names no time column."""
        return self._times[0]

    @property
    def unreadable_time(self) -> "Unusable | None":
        """Which times are present and not readable, if any."""
        return self._times[1]

    @cached_property
    def _times(self) -> "tuple[pd.Series[Any] | None, Unusable | None]":
        name = self.columns.time
        if name is None:
            return None, None
        from perennial_trainer.data.values.times import readable_times

        times, unreadable = readable_times(name, self.table[name].to_pandas(), self.columns.time_format)
        return times, unreadable and unreadable.located(self._place_of_row)

    @property
    def unreadable_target(self) -> "Unusable | None":
        """Which targets are present and not of the task's kind, if any."""
        if self.table[self.columns.target].null_count == len(self):
            return None
        return self.rows.unreadable.get(self.columns.target)

    def count_into(self, histograms: Mapping[str, Histogram], digest: RowsDigest | None = None) -> None:
        """Adds every value to the histogram of its feature, and to the digest."""
        for name, histogram in histograms.items():
            if isinstance(histogram, NumericHistogram):
                values = self.numeric_values(name)
                histogram.add(values)
                if digest:
                    digest.add_numbers(values)
            else:
                counts = self.category_counts(name)
                histogram.add_counts(counts, len(self))
                if digest:
                    digest.add_counts(counts)

    def numeric_values(self, name: str) -> NDArray[np.float64]:
        """The values of a numeric feature; NaN is missing."""
        floats = self._finite_values(name) if name in self._names else None
        return self.rows.measured[name].to_numpy() if floats is None else floats

    def _finite_values(self, name: str) -> NDArray[np.float64] | None:
        """The values if they are numbers, none of them too large, and so need no conversion; else None."""
        column, floats = self.table[name], None
        if pa.types.is_null(column.type):
            floats = np.full(len(self), np.nan)
        elif pa.types.is_floating(column.type) or pa.types.is_integer(column.type):
            floats = np.concatenate([_to_floats(chunk) for chunk in column.chunks])
            if too_large(floats).any():
                floats = None
        self._is_finite[name] = floats is not None
        return floats

    @cached_property
    def _names(self) -> frozenset[str]:
        """The names of the columns, of which Arrow makes a new list each time."""
        return frozenset(self.table.column_names)

    @cached_property
    def _is_finite(self) -> dict[str, bool]:
        """By feature, as far as its values have been read; the values of all features may need much memory."""
        return {}

    def category_counts(self, name: str) -> Counter[str]:
        """How often each category of a feature occurs."""
        column = self.table[name] if name in self._names else None
        if column is None or not (pa.types.is_dictionary(column.type) or pa.types.is_integer(column.type)):
            return Counter(self.rows.measured[name].dropna().tolist())
        total: Counter[str] = Counter()
        for values, counts in map(_value_counts, column.chunks):
            for value, count in zip(values, counts.tolist(), strict=True):
                category = category_name(value) if count else None
                if isinstance(category, str):  # NaN for empty text, which is missing
                    total[category] += count
        return total


# The buffers of Arrow arrays are read directly: Arrow's `to_numpy` imports pandas, and `cast` and `drop_null` import
# `pyarrow.compute`, which takes longer than to count 100,000 rows.


def _to_floats(values: Any) -> NDArray[np.float64]:
    """An Arrow array of numbers as float64; NaN is missing."""
    floats = _stored(values).astype(np.float64)
    if values.null_count:
        floats[~_present(values)] = np.nan
    return floats


def _value_counts(values: Any) -> tuple[list[Any], NDArray[np.intp]]:
    """Each present value of an Arrow array, a dictionary or integers, and how often it occurs."""
    numbers = values.indices if pa.types.is_dictionary(values.type) else values
    stored = _stored(numbers)[_present(numbers)] if numbers.null_count else _stored(numbers)
    if numbers is not values:
        return values.dictionary.to_pylist(), np.bincount(stored, minlength=len(values.dictionary))
    distinct, counts = np.unique(stored, return_counts=True)
    return distinct.tolist(), counts


def _stored(values: Any) -> NDArray[Any]:
    """The numbers of an Arrow array as they are stored, without a copy; any number where one is missing."""
    dtype = np.dtype(values.type.to_pandas_dtype())
    if not len(values):
        return np.empty(0, dtype)
    return np.frombuffer(values.buffers()[1], dtype, len(values), values.offset * dtype.itemsize)


def _present(values: Any) -> NDArray[np.bool_]:
    """Which values of an Arrow array with missing ones are present."""
    first, skipped = divmod(values.offset, 8)
    octets = np.frombuffer(values.buffers()[0], np.uint8, (skipped + len(values) + 7) // 8, first)
    return np.unpackbits(octets, count=skipped + len(values), bitorder="little")[skipped:].view(np.bool_)
