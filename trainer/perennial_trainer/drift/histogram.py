"""Recent values, counted where their reference has its bins and points: batch by batch, in memory of fixed size."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from perennial_trainer.drift.mark_index import MarkIndex
from perennial_trainer.profiling.profile import CategoricalProfile, ColumnProfile, NumericProfile

if TYPE_CHECKING:
    import pandas as pd

Floats = NDArray[np.float64]

BLOCK = 16_384  # values that are counted at once: what is made of them stays in the cache


class NumericHistogram:
    """Of the values added: how many lie at each point and edge and between each two of them, and their sums."""

    def __init__(self, reference: NumericProfile) -> None:
        self.reference = reference
        self.rows = self.missing = 0
        self._marks = np.union1d(reference.points, reference.edges).astype(np.float64)
        self._places = MarkIndex(self._marks)
        self._counts = np.zeros(2 * len(self._marks) + 1, dtype=np.int64)
        self._sums = np.zeros(len(self._counts))

    def add(self, values: ArrayLike, weight: int = 1) -> None:
        """Each value is counted `weight` times."""
        floats = np.asarray(values, dtype=np.float64)
        for start in range(0, len(floats), BLOCK):
            self._add(floats[start : start + BLOCK], weight)

    def _add(self, values: Floats, weight: int) -> None:
        present = values[~np.isnan(values)]
        places = self._places.of(present)
        self.rows += weight * len(values)
        self.missing += weight * (len(values) - len(present))
        self._counts += weight * np.bincount(places, minlength=len(self._counts))
        with np.errstate(over="ignore", invalid="ignore"):
            self._sums += weight * np.bincount(places, present, minlength=len(self._counts))

    @property
    def counts(self) -> NDArray[np.int64]:
        """By bin, the missing last."""
        _, upto = self._around(self.reference.edges)
        return np.append(np.diff(upto, prepend=0, append=self.present), self.missing)

    @property
    def present(self) -> int:
        return self.rows - self.missing

    def around_points(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """How many present values lie below, and how many up to, each point."""
        return self._around(self.reference.points)

    def _around(self, some: list[float]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        upto, place = np.cumsum(self._counts), 2 * np.searchsorted(self._marks, some)
        return upto[place], upto[place + 1]

    def masses(self) -> tuple[Floats, Floats]:
        """Values and how often each is taken: those between two marks are taken for their mean, which lies there."""
        some = self._counts > 0
        lowest, highest = np.insert(self._marks, 0, -np.inf), np.append(self._marks, np.inf)
        with np.errstate(over="ignore", invalid="ignore"):
            means = self._sums[some] / self._counts[some]
        return (
            np.clip(means, np.repeat(lowest, 2)[1:][some], np.repeat(highest, 2)[:-1][some]),
            self._counts[some].astype(np.float64),
        )


class CategoricalHistogram:
    """Of the values added: how many are each of the reference's categories, another, or missing."""

    def __init__(self, reference: CategoricalProfile) -> None:
        self.reference = reference
        self.rows = self.missing = self.unknown = 0
        self._counts = dict.fromkeys(reference.values, 0)
        self._known = {*reference.values, *(reference.others or [])}

    def add(self, values: "pd.Series[Any]", weight: int = 1) -> None:
        """Each value is counted `weight` times."""
        self.tally({str(name): count for name, count in values.value_counts().items()}, len(values), weight)

    def tally(self, found: Mapping[str, int], rows: int, weight: int = 1) -> None:
        """Each of the categories in so many rows is counted `weight` times as often as it was found."""
        self.rows += weight * rows
        self.missing += weight * (rows - sum(found.values()))
        for name, count in found.items():
            if name in self._counts:
                self._counts[name] += weight * count
            elif name not in self._known:
                self.unknown += weight * count

    @property
    def counts(self) -> NDArray[np.int64]:
        """By category, then all others, then the missing."""
        counts = np.array(list(self._counts.values()), dtype=np.int64)
        return np.append(counts, [self.rows - self.missing - counts.sum(), self.missing])

    @property
    def new_share(self) -> float | None:
        """The share of values that the reference has never seen; None where it does not know all that it has."""
        if self.reference.others is None and self.reference.shares[-2] > 0:
            return None
        return self.unknown / self.rows


Histogram = NumericHistogram | CategoricalHistogram


def empty_histogram(reference: ColumnProfile) -> Histogram:
    """Nothing counted yet."""
    return NumericHistogram(reference) if isinstance(reference, NumericProfile) else CategoricalHistogram(reference)
