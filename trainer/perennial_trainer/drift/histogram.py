"""Counts recent values in the bins of their reference, batch by batch, in memory of a fixed size."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from perennial_trainer.data.values.plain_rows import counts_of
from perennial_trainer.drift.mark_index import MarkIndex
from perennial_trainer.profiling.columns import name_hash, sample_by_hash
from perennial_trainer.profiling.profile import CategoricalProfile, ColumnProfile, NumericProfile

Floats = NDArray[np.float64]

MOST_NEW = 20_000  # names in memory
BLOCK = 16_384  # values counted at once, so that the intermediate arrays stay in the CPU cache


class NumericHistogram:
    """Counts and sums of the added values by position: at each point or edge of the reference, and between two."""

    def __init__(self, reference: NumericProfile) -> None:
        self.reference = reference
        self.rows = self.missing = self.squared_weights = 0
        self._marks = np.array(sorted({*reference.points, *reference.edges}), dtype=np.float64)
        self._index = MarkIndex(self._marks)
        self._counts = np.zeros(2 * len(self._marks) + 1, dtype=np.int64)
        self._sums = np.zeros(len(self._counts))

    def add(self, values: Any, weight: int = 1) -> None:
        """Counts each value `weight` times; NaN is missing."""
        floats = np.asarray(values, dtype=np.float64)
        for start in range(0, len(floats), BLOCK):
            self._add_block(floats[start : start + BLOCK], weight)

    def _add_block(self, values: Floats, weight: int) -> None:
        present = values[~np.isnan(values)]
        positions = self._index.positions(present)
        self.rows += weight * len(values)
        self.squared_weights += weight**2 * len(values)
        self.missing += weight * (len(values) - len(present))
        self._counts += weight * np.bincount(positions, minlength=len(self._counts))
        with np.errstate(over="ignore", invalid="ignore"):
            self._sums += weight * np.bincount(positions, present, minlength=len(self._counts))

    @property
    def shares_before(self) -> Floats:
        """The share of each bin in the reference."""
        return np.asarray(self.reference.shares, dtype=np.float64)

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
    """Counts of the added values by category of the reference, of other known categories, new ones, and missing values.

    New categories and rare ones are counted by name; if there are too many, only those whose hash is below `sampled`.
    """

    def __init__(self, reference: CategoricalProfile) -> None:
        self.reference = reference
        self.rows = self.missing = self.squared_weights = 0
        self.sampled = reference.sampled
        self._counts = dict.fromkeys((*reference.values, *(reference.others or [])), 0)
        self._rare = dict.fromkeys(reference.rare, 0)
        self._new: dict[str, int] = {}

    def add(self, values: Any, weight: int = 1) -> None:
        """Counts each value of a column, coded or of pandas, `weight` times."""
        self.add_counts(counts_of(values), len(values), weight)

    def add_counts(self, counts: Mapping[str, int], rows: int, weight: int = 1) -> None:
        """Counts each category of a batch of `rows` rows `weight` times; rows without a category are missing."""
        self.rows += weight * rows
        self.squared_weights += weight**2 * rows
        self.missing += weight * (rows - sum(counts.values()))
        for name, count in counts.items():
            if name in self._counts:
                self._counts[name] += weight * count
            elif name in self._rare:
                self._rare[name] += weight * count
            elif self.sampled == 1 or name_hash(name) < self.sampled:
                self._new[name] = self._new.get(name, 0) + weight * count
        if len(self._new) > MOST_NEW:
            self._new, self.sampled = sample_by_hash(self._new, MOST_NEW, self.sampled)

    @property
    def counts(self) -> NDArray[np.int64]:
        """By category with a bin of its own, then other known ones, new ones, and the missing."""
        named = len(self.reference.values)
        return np.concatenate([self.named_counts[:named], [self.named_counts[named:-2].sum()], self.named_counts[-2:]])

    @property
    def named_counts(self) -> NDArray[np.int64]:
        """By category that the reference counts by name, then other known ones, new ones, and the missing."""
        named = np.array(list(self._counts.values()), dtype=np.int64)
        others = self.rows - self.missing - int(named.sum())
        new = min(round(sum(self._new.values()) / self.sampled), others) if self.reference.knows_new_values else 0
        return np.append(named, [others - new, new, self.missing])

    @property
    def shares_before(self) -> Floats:
        """The share of each bin of `counts` in the reference, where nothing was new."""
        return np.insert(np.asarray(self.reference.shares, dtype=np.float64), -1, 0.0)

    @property
    def new_share(self) -> float | None:
        """The share of values that the reference has never seen; None where it cannot tell."""
        return float(self.named_counts[-2]) / self.rows if self.reference.knows_new_values else None

    @property
    def rare_counts(self) -> list[int]:
        """How often each value occurs, in the reference and here together, that is followed beyond those with names."""
        followed = self._new | {
            name: self.reference.rare[name] + count
            for name, count in self._rare.items()
            if self.sampled == self.reference.sampled or name_hash(name) < self.sampled
        }
        return list(followed.values())


Histogram = NumericHistogram | CategoricalHistogram


def empty_histogram(reference: ColumnProfile) -> Histogram:
    """A histogram with the bins of the reference."""
    return NumericHistogram(reference) if isinstance(reference, NumericProfile) else CategoricalHistogram(reference)
