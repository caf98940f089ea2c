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
from perennial_trainer.data.values.plain_rows import PlainRows
from perennial_trainer.data.values.weights import Weights
from perennial_trainer.drift.histogram import Histogram, NumericHistogram
from perennial_trainer.drift.recent_rows.arrow_values import coded, has_codes, to_floats, value_counts
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
        weights = self._weights
        return np.ones(len(self), dtype=bool) if weights is None else weights.equal

    @cached_property
    def _weights(self) -> Weights | None:
        if WEIGHT not in self._names:
            return None
        return Weights(self.table[WEIGHT].to_numpy(), self.table[REQUEST].to_numpy())

    @cached_property
    def rows(self) -> "Rows":
        """The rows as the model gets them."""
        from perennial_trainer.data.conversion import to_frame
        from perennial_trainer.data.rows import convert_rows

        with naming_file(self.file):
            rows = convert_rows(to_frame(self.table, self.columns), self.columns)
        rows.locate(self._place_of_row)
        return rows

    @cached_property
    def plain(self) -> PlainRows | None:
        """The rows as a compiled model gets them; None if a value needs a conversion. They have what `rows` has."""
        features, target = self.columns.features, self.columns.target
        if features.derived or features.text:
            return None
        arrays = np.empty((len(features.numeric), len(self)))  # at once: malloc gives back, and clears, each small one
        kept = {name: self._finite_values(name, array) for name, array in zip(features.numeric, arrays, strict=True)}
        self._kept.update(kept)
        read: dict[str, Any] = kept | {name: coded(self.table[name]) for name in features.categorical}
        is_number = self.columns.kind == "regression"
        values = self._finite_values(target) if is_number else coded(self.table[target])
        if values is None or any(each is None for each in read.values()):
            return None
        return PlainRows(self.columns, read, values, self._weights)

    def _place_of_row(self, row: int) -> str:
        return place_of_row(self.file, self.first_row + row)

    @cached_property
    def labelled(self) -> NDArray[np.bool_]:
        """Which rows have a target; a row that the server would refuse has none."""
        if self.table[self.columns.target].null_count == len(self):
            return np.zeros(len(self), dtype=bool)
        return self.plain.labelled if self.plain else self.rows.target.notna().to_numpy()

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
        if self.plain or self.table[self.columns.target].null_count == len(self):
            return None
        return self.rows.unreadable.get(self.columns.target)

    def count_into(self, histograms: Mapping[str, Histogram], digest: RowsDigest | None = None) -> None:
        """Adds every value to the histogram of its feature, and to the digest."""
        array = np.empty(len(self))  # for one column after the other, so that it stays in the CPU's cache
        for name, histogram in histograms.items():
            if isinstance(histogram, NumericHistogram):
                values = self.numeric_values(name, array)
                histogram.add(values)
                if digest:
                    digest.add_numbers(values)
            else:
                counts = self.category_counts(name)
                histogram.add_counts(counts, len(self))
                if digest:
                    digest.add_counts(counts)

    def numeric_values(self, name: str, into: NDArray[np.float64] | None = None) -> NDArray[np.float64]:
        """The values of a numeric feature, perhaps in the given array; NaN is missing."""
        floats = self._finite_values(name, into) if name in self._names else None
        return self.rows.measured[name].to_numpy() if floats is None else floats

    def _finite_values(self, name: str, into: NDArray[np.float64] | None = None) -> NDArray[np.float64] | None:
        """The values if they are numbers, none of them too large, and so need no conversion; else None."""
        if name in self._kept:
            return self._kept[name]
        floats = np.empty(len(self)) if into is None else into
        self._is_finite[name] = to_floats(self.table[name], floats) and not too_large(floats).any()
        return floats if self._is_finite[name] else None

    @cached_property
    def _names(self) -> frozenset[str]:
        """The names of the columns, of which Arrow makes a new list each time."""
        return frozenset(self.table.column_names)

    @cached_property
    def _kept(self) -> dict[str, NDArray[np.float64] | None]:
        """The values of the features where the model is asked about the rows; of all, since it needs them at once."""
        return {}

    @cached_property
    def _is_finite(self) -> dict[str, bool]:
        """By feature, as far as its values have been read; the values of all features may need much memory."""
        return {}

    def category_counts(self, name: str) -> Counter[str]:
        """How often each category of a feature occurs."""
        column = self.table[name] if name in self._names else None
        if column is None or not has_codes(column):
            return Counter(self.rows.measured[name].dropna().tolist())
        total: Counter[str] = Counter()
        for values, counts in map(value_counts, column.chunks):
            for value, count in zip(values, counts.tolist(), strict=True):
                category = category_name(value) if count else None
                if isinstance(category, str):  # NaN for empty text, which is missing
                    total[category] += count
        return total
