"""The columns of rows as the numbers that an estimator gets: imputed, scaled, and one-hot encoded."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import count
from typing import Any

import numpy as np
from numpy.typing import NDArray

from perennial_trainer.data.categories import category_name

Floats = NDArray[np.float64]
Codes = NDArray[np.int64]

UNKNOWN = -1
"""In place of a category's column in the matrix."""
NUMBERS = 2**22
"""That a matrix has at most: it is dense, also where the pipeline's is sparse."""
CACHED = 2**15
"""Numbers whose intermediate arrays stay in the CPU's cache; with more at once a sum takes twice as long."""


@dataclass(frozen=True)
class Table:
    """n rows: numbers by feature, NaN where one is missing, and names of categories, no text where one is missing."""

    rows: int
    numbers: Mapping[str, Floats]
    names: Mapping[str, Any]

    @classmethod
    def of_values(cls, rows: int, numbers: Mapping[str, Any], categories: Mapping[str, Any]) -> "Table":
        """Of the values of a request, or of any other rows."""
        return cls(
            rows,
            {name: np.asarray(values, dtype=np.float64) for name, values in numbers.items()},
            {name: [category_name(value) for value in values] for name, values in categories.items()},
        )


@dataclass(frozen=True)
class Encoder:
    """What the preprocessing of a pipeline has learned, for k numeric features and each categorical one."""

    numeric: tuple[str, ...]
    medians: Floats
    """Of shape [k]; for a missing number."""
    means: Floats
    scales: Floats
    categorical: tuple[str, ...]
    categories: tuple[tuple[str, ...], ...]
    modes: tuple[str, ...]
    """The category that a missing one is taken for."""

    @cached_property
    def _codes(self) -> list[dict[str, int]]:
        columns = count(len(self.numeric))
        return [dict(zip(names, columns)) for names in self.categories]  # noqa: B905 - columns have no end

    @property
    def width(self) -> int:
        return len(self.numeric) + sum(map(len, self.categories))

    def blocks(self, table: Table) -> Iterator[tuple[slice, Floats]]:
        """The imputed and scaled numbers of a few rows at a time, of shape [rows, k]."""
        step = max(CACHED // max(len(self.numeric), 1), 1)
        columns = [table.numbers[name] for name in self.numeric]
        for first in range(0, table.rows, step):
            rows = slice(first, min(first + step, table.rows))
            # By rows in memory, so that sums over a row have one order.
            values = np.empty((rows.stop - first, len(columns)))
            for place, column in enumerate(columns):
                values[:, place] = column[rows]
            missing = np.isnan(values)
            if np.count_nonzero(missing):  # faster than `any` for a request
                np.copyto(values, self.medians, where=missing)
            values -= self.means
            values /= self.scales
            yield rows, values

    def codes(self, table: Table) -> list[Codes]:
        """The column of each category in the matrix, by feature; UNKNOWN for one that no training row had."""
        return [
            _codes_of(table.names[name], codes, mode)
            for name, codes, mode in zip(self.categorical, self._codes, self.modes, strict=True)
        ]

    def matrices(self, table: Table) -> Iterator[Floats]:
        """All numbers, then a column of 0 and 1 for each category, of shape [n, width]: in parts of n rows."""
        numbers, codes = np.empty((table.rows, len(self.numeric))), self.codes(table)
        for rows, block in self.blocks(table):
            numbers[rows] = block
        step = max(NUMBERS // self.width, 1)
        for first in range(0, table.rows, step):
            yield self._matrix(numbers[first : first + step], [each[first : first + step] for each in codes])

    def _matrix(self, numbers: Floats, codes: list[Codes]) -> Floats:
        matrix = np.zeros((len(numbers), self.width))
        matrix[:, : len(self.numeric)] = numbers
        for each in codes:
            known = np.flatnonzero(each != UNKNOWN)
            matrix[known, each[known]] = 1
        return matrix


def _codes_of(names: Any, codes: Mapping[str, int], mode: str) -> Codes:
    """The code of each name, or of the mode where it is missing; a column of pandas has few different names."""
    if not hasattr(names, "factorize"):
        known = [codes.get(name if isinstance(name, str) else mode, UNKNOWN) for name in names]
        return np.array(known, dtype=np.int64)
    positions, different = names.factorize()
    known = [codes.get(name, UNKNOWN) for name in different] + [codes.get(mode, UNKNOWN)]  # -1 is missing: the last
    return np.asarray(np.array(known, dtype=np.int64)[positions])
