"""Recent values, counted where their reference has its bins and points: batch by batch, in memory of fixed size."""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from perennial_trainer.profile import CategoricalProfile, ColumnProfile, NumericProfile, in_bins

Floats = NDArray[np.float64]


class Numbers:
    """Of the values added: how many lie in each bin and at each point, and the sum of those between two points."""

    def __init__(self, reference: NumericProfile) -> None:
        self.reference = reference
        self.rows = self.missing = 0
        self._points = np.asarray(reference.points, dtype=np.float64)
        self._bins = np.zeros(len(reference.edges) + 1, dtype=np.int64)
        self.below = np.zeros(len(self._points), dtype=np.int64)
        self.upto = np.zeros(len(self._points), dtype=np.int64)
        self._sums = np.zeros(len(self._points) + 1)

    def add(self, values: "pd.Series[Any]", weight: int = 1) -> None:
        """Each value is counted `weight` times."""
        ordered = np.sort(values.to_numpy(dtype=np.float64))  # one sort, then few searches: faster than n searches
        present = ordered[: np.searchsorted(ordered, np.nan)]  # the missing come last
        left = np.searchsorted(present, self._points, side="left")
        right = np.searchsorted(present, self._points, side="right")
        with np.errstate(over="ignore", invalid="ignore"):
            upto = np.concatenate([[0.0], np.cumsum(present)])
            self._sums += weight * (upto[np.append(left, len(present))] - upto[np.insert(right, 0, 0)])
        self.rows += weight * len(ordered)
        self.missing += weight * (len(ordered) - len(present))
        self._bins += weight * in_bins(present, self.reference.edges)
        self.below += weight * left
        self.upto += weight * right

    @property
    def counts(self) -> NDArray[np.int64]:
        """By bin, the missing last."""
        return np.append(self._bins, self.missing)

    @property
    def present(self) -> int:
        return self.rows - self.missing

    def masses(self) -> tuple[Floats, Floats]:
        """Values and how often each is taken: those between two points are taken for their mean, which lies there."""
        between = np.append(self.below, self.present) - np.insert(self.upto, 0, 0)
        some = between > 0
        with np.errstate(over="ignore", invalid="ignore"):
            means = np.clip(
                self._sums[some] / between[some],
                np.insert(self._points, 0, -np.inf)[some],
                np.append(self._points, np.inf)[some],
            )
        at = self.upto > self.below
        return (
            np.concatenate([self._points[at], means]),
            np.concatenate([(self.upto - self.below)[at], between[some]]).astype(np.float64),
        )


class Categories:
    """Of the values added: how many are each of the reference's categories, another, or missing."""

    def __init__(self, reference: CategoricalProfile) -> None:
        self.reference = reference
        self.rows = self.missing = self.unknown = 0
        self._counts = dict.fromkeys(reference.values, 0)
        self._known = {*reference.values, *(reference.others or [])}

    def add(self, values: "pd.Series[Any]", weight: int = 1) -> None:
        """Each value is counted `weight` times."""
        found = values.value_counts()
        present = int(found.sum())
        self.rows += weight * len(values)
        self.missing += weight * (len(values) - present)
        for name, count in zip(found.index.tolist(), found.tolist(), strict=True):
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


Counted = Numbers | Categories


def counted(reference: ColumnProfile) -> Counted:
    """Nothing counted yet."""
    return Numbers(reference) if isinstance(reference, NumericProfile) else Categories(reference)
