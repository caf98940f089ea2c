"""Some rows as they lie in their file: counted as they are, and made the rows of a model where one is to be asked."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from perennial_trainer.data import readers
from perennial_trainer.data.categories import category_name
from perennial_trainer.data.schema import Columns
from perennial_trainer.drift.histogram import Histogram, NumericHistogram

if TYPE_CHECKING:
    import pandas as pd

    from perennial_trainer.data.rows import Rows


@dataclass(frozen=True)
class Batch:
    """n > 0 rows. Whatever is asked of them raises what `rows_of` does, as soon as it finds it."""

    columns: Columns
    table: Any
    file: str

    def __len__(self) -> int:
        return int(self.table.num_rows)

    def take(self, which: "NDArray[np.bool_] | NDArray[np.intp]") -> "Batch":
        """The rows at a mask or at positions, in that order."""
        chosen = pa.array(which)
        return replace(self, table=self.table.filter(chosen) if which.dtype == bool else self.table.take(chosen))

    @cached_property
    def rows(self) -> "Rows":
        """As a model gets them."""
        from perennial_trainer.data.rows import convert_rows

        with readers.naming_file(self.file):
            return convert_rows(self.table.to_pandas(), self.columns)

    @cached_property
    def labelled(self) -> NDArray[np.bool_]:
        """Which rows have a target."""
        if self.table[self.columns.target].null_count == len(self):
            return np.zeros(len(self), dtype=bool)
        return self.rows.target.notna().to_numpy()

    @cached_property
    def time(self) -> "pd.Series[Any] | None":
        name = self.columns.time
        if name is None:
            return None
        from perennial_trainer.data import conversion

        with readers.naming_file(self.file):
            return conversion.to_times(name, self.table[name].to_pandas())

    def count(self, features: Mapping[str, Histogram]) -> None:
        """Every value of these features has been counted."""
        for name, counted in features.items():
            if isinstance(counted, NumericHistogram):
                counted.add(self.numbers(name))
            else:
                counted.tally(self.tally(name), len(self))

    def numbers(self, name: str) -> NDArray[np.float64]:
        """The values of a numeric feature, NaN where they are missing."""
        values = self.table[name]
        if pa.types.is_floating(values.type) or pa.types.is_integer(values.type):
            held = (_held(chunk) for chunk in values.chunks)
            found = np.concatenate([np.where(known, each, np.nan) for each, known in held]).astype(np.float64)
            if not np.isinf(found).any():
                return found
        return self.rows.features[name].to_numpy()

    def tally(self, name: str) -> Counter[str]:
        """How often each category of a feature occurs."""
        column = self.table[name]
        if not (pa.types.is_dictionary(column.type) or pa.types.is_integer(column.type)):
            return Counter(self.rows.features[name].dropna().tolist())
        found: Counter[str] = Counter()
        for values, counts in map(_counts, column.chunks):
            for value, count in zip(values, counts.tolist(), strict=True):
                if count and isinstance(text := category_name(value), str):
                    found[text] += count
        return found


def _counts(values: Any) -> tuple[list[Any], NDArray[np.intp]]:
    """Each value of an array of Arrow, of a dictionary's codes or of integers, and how often it is there."""
    if pa.types.is_dictionary(values.type):
        codes, known = _held(values.indices)
        return values.dictionary.to_pylist(), np.bincount(codes[known], minlength=len(values.dictionary))
    numbers, known = _held(values)
    found, counts = np.unique(numbers[known], return_counts=True)
    return found.tolist(), counts


def _held(values: Any) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """The numbers that an array of Arrow holds, and which of them are not missing.

    Arrow's own ways to NumPy import pandas, which takes longer than to count a million rows.
    """
    known, content = values.buffers()
    size, offset = len(values), values.offset
    numbers = np.from_dlpack(pa.Array.from_buffers(values.type, size, [None, content], offset=offset))
    if not values.null_count:
        return numbers, np.ones(size, dtype=bool)
    bits = np.unpackbits(np.frombuffer(known, dtype=np.uint8), count=offset + size, bitorder="little")
    return numbers, bits[offset:].view(bool)
