"""Counts recent values in the bins of their reference, batch by batch, in memory of a fixed size."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from perennial_trainer.drift.mark_index import MarkIndex
from perennial_trainer.profiling.profile import CategoricalProfile, ColumnProfile, NumericProfile

if TYPE_CHECKING:
    import pandas as pd

Floats = NDArray[np.float64]

BLOCK = 16_384  # values counted at once, so that the intermediate arrays stay in the CPU cache


class NumericHistogram:
    """Counts and sums of the added values by position: at each point or edge of the reference, and between two."""

    def __init__(self, reference: NumericProfile) -> None:
        self.reference = reference
        self.rows = self.missing = 0
        self._marks = np.union1d(reference.points, reference.edges).astype(np.float64)
        self._index = MarkIndex(self._marks)
        self._counts = np.zeros(2 * len(self._marks) + 1, dtype=np.int64)
        self._sums = np.zeros(len(self._counts))

    def add(self, values: ArrayLike, weight: int = 1) -> None:
        """Counts each value `weight` times; NaN is missing."""
        floats = np.asarray(values, dtype=np.float64)
        for start in range(0, len(floats), BLOCK):
            self._add_block(floats[start : start + BLOCK], weight)

    def _add_block(self, values: Floats, weight: int) -> None:
        present = values[~np.isnan(values)]
        positions = self._index.positions(present)
        self.rows += weight * len(values)
        self.missing += weight * (len(values) - len(present))
        self._counts += weight * np.bincount(positions, minlength=len(self._counts))
        with np.errstate(over="ignore", invalid="ignore"):
            self._sums += weight * np.bincount(positions, present, minlength=len(self._counts))

    @property
    def present(self) -> int:
        """The number of values that are not missing."""
        return self.rows - self.missing

    @property
    def counts(self) -> NDArray[np.int64]:
        """By bin of the reference; missing values last."""
        up_to_edges = self.counts_up_to(self.reference.edges)
        return np.append(np.diff(up_to_edges, prepend=0, append=self.present), self.missing)

    def counts_below(self, marks: list[float]) -> NDArray[np.int64]:
        """How many values are less than each of these points or edges of the reference."""
        mark = np.searchsorted(self._marks, marks)
        return np.cumsum(self._counts)[2 * mark]

    def counts_up_to(self, marks: list[float]) -> NDArray[np.int64]:
        """How many values are less than or equal to each of these points or edges of the reference."""
        mark = np.searchsorted(self._marks, marks)
        return np.cumsum(self._counts)[2 * mark + 1]

    def weighted_values(self) -> tuple[Floats, Floats]:
        """Values and their counts; the values between two marks are represented by their mean."""
        positions = np.flatnonzero(self._counts)
        counts = self._counts[positions]
        with np.errstate(over="ignore", invalid="ignore"):
            means = self._sums[positions] / counts
        # Rounding and overflow must not move a mean out of its position.
        marks = np.concatenate([[-np.inf], self._marks, [np.inf]])
        gap, is_at_mark = np.divmod(positions, 2)
        lower, upper = marks[gap + is_at_mark], marks[gap + 1]
        return np.clip(means, lower, upper), counts.astype(np.float64)


class CategoricalHistogram:
    """Counts of the added values by category of the reference, of all other categories, and of missing values."""

    def __init__(self, reference: CategoricalProfile) -> None:
        self.reference = reference
        self.rows = self.missing = self.new = 0
        self._counts = dict.fromkeys(reference.values, 0)
        self._known = {*reference.values, *(reference.others or [])}

    def add(self, values: "pd.Series[Any]", weight: int = 1) -> None:
        """Counts each value `weight` times."""
        self.add_counts({str(name): count for name, count in values.value_counts().items()}, len(values), weight)

    def add_counts(self, counts: Mapping[str, int], rows: int, weight: int = 1) -> None:
        """Counts each category of a batch of `rows` rows `weight` times; rows without a category are missing."""
        self.rows += weight * rows
        self.missing += weight * (rows - sum(counts.values()))
        for name, count in counts.items():
            if name in self._counts:
                self._counts[name] += weight * count
            elif name not in self._known:
                self.new += weight * count

    @property
    def counts(self) -> NDArray[np.int64]:
        """By category of the reference, then all others, then missing values."""
        counts = np.array(list(self._counts.values()), dtype=np.int64)
        return np.append(counts, [self.rows - self.missing - counts.sum(), self.missing])

    @property
    def new_share(self) -> float | None:
        """The share of values that the reference does not have; None if the reference lists only some of its values."""
        if self.reference.others is None and self.reference.shares[-2] > 0:
            return None
        return self.new / self.rows


Histogram = NumericHistogram | CategoricalHistogram


def empty_histogram(reference: ColumnProfile) -> Histogram:
    """A histogram with the bins of the reference."""
    return NumericHistogram(reference) if isinstance(reference, NumericProfile) else CategoricalHistogram(reference)
