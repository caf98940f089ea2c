"""The columns of `bench_alarms`: profiles of a reference, and recent rows drawn as counts.

How many of n rows lie at and between the marks of a profile is a multinomial sample, so that a million checks need no
million files. The rows themselves are drawn only where a check needs them, and then within the counts: they have the
same distribution as rows that were drawn first and counted afterwards.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from perennial_trainer.drift.column_drift import psi_floor
from perennial_trainer.drift.histogram import CategoricalHistogram, Histogram, NumericHistogram, empty_histogram
from perennial_trainer.drift.statistics import (
    LARGE,
    chi_square_of_draws,
    jensen_shannon_of_draws,
    ks_p_value,
    psi_of_draws,
)
from perennial_trainer.profiling.columns import profile_categories, profile_numbers
from perennial_trainer.profiling.profile import CategoricalProfile, NumericProfile

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]
NOT_SMALL = 0.06  # p-values above it are not computed exactly: they make no feature significant


class Drawn(Protocol):
    """Several samples of recent rows of one feature, all against the same reference."""

    statistics: Mapping[str, Floats]
    """By name, of each sample; the greater, the more drift. Near enough to find the features that have drifted most."""
    p_values: Floats
    """Of the classic test, exact where it is small, else 1."""

    def histogram(self, sample: int) -> Histogram:
        """The sample as a check counts it."""


class Kind(Protocol):
    def drawn(self, generator: np.random.Generator, reference: int, rows: int, samples: int, shift: float) -> Drawn:
        """So many samples of recent rows, and a new reference."""


@dataclass(frozen=True)
class Numbers:
    """Rows of a distribution of SciPy; a shift is in its standard deviations."""

    distribution: Any

    def drawn(self, generator: np.random.Generator, reference: int, rows: int, samples: int, shift: float) -> Drawn:
        values = np.asarray(self.distribution.rvs(size=reference, random_state=generator), dtype=np.float64)
        moved = shift * float(self.distribution.std())
        return DrawnNumbers(generator, profile_numbers(values, 1000), self.distribution, moved, rows, samples)


class DrawnNumbers:
    def __init__(
        self,
        generator: np.random.Generator,
        profile: NumericProfile,
        distribution: Any,
        moved: float,
        rows: int,
        samples: int,
    ) -> None:
        self._generator, self._profile = generator, profile
        self._distribution, self._moved = distribution, moved
        marks = np.union1d(profile.points, profile.edges)
        ends = np.column_stack([np.nextafter(marks, -np.inf), marks]).ravel() - moved
        self._cumulative = np.concatenate([[0.0], distribution.cdf(ends), [1.0]])
        shares = np.maximum(np.diff(self._cumulative), 0)
        self._counts = generator.multinomial(rows, shares / shares.sum(), size=samples)
        upto = np.cumsum(self._counts, axis=1)
        self.statistics = {**self._of_bins(marks, upto, rows), **self._of_points(marks, upto, rows)}
        self.p_values = _small_p_values(self.statistics["ks"], profile.size, rows)

    def _of_bins(self, marks: Floats, upto: Counts, rows: int) -> dict[str, Floats]:
        edges = upto[:, 2 * np.searchsorted(marks, self._profile.edges) + 1]
        of_bins = np.diff(edges, axis=1, prepend=0, append=rows) / rows
        before, floor = np.asarray(self._profile.shares)[:-1], psi_floor(NumericHistogram(self._profile))[:-1]
        return {"psi": psi_of_draws(before, of_bins, floor), "js": jensen_shannon_of_draws(before, of_bins)}

    def _of_points(self, marks: Floats, upto: Counts, rows: int) -> dict[str, Floats]:
        at = 2 * np.searchsorted(marks, self._profile.points)
        below = np.abs(upto[:, at] / rows - np.asarray(self._profile.below) / self._profile.size)
        above = np.abs(upto[:, at + 1] / rows - np.asarray(self._profile.upto) / self._profile.size)
        area = above[:, :-1] @ np.diff(self._profile.points) / (self._profile.deviation or 1)
        return {"ks": np.maximum(below.max(axis=1), above.max(axis=1)), "ks_p": above.max(axis=1), "wasserstein": area}

    def histogram(self, sample: int) -> Histogram:
        recent = empty_histogram(self._profile)
        counts = self._counts[sample]
        low, high = np.repeat(self._cumulative[:-1], counts), np.repeat(self._cumulative[1:], counts)
        values = self._distribution.ppf(self._generator.uniform(low, high)) + self._moved
        assert isinstance(recent, NumericHistogram)
        recent.add(values)
        return recent


@dataclass(frozen=True)
class Categories:
    """So many categories with frequencies as 1, 1/2, 1/3 …; a shift moves half as many rows to the rarer half."""

    number: int

    def shares(self, shift: float) -> Floats:
        weights = 1 / np.arange(1, self.number + 1)
        rarer = np.where(np.arange(self.number) >= self.number // 2, weights, 0)
        shares: Floats = (1 - shift / 2) * weights / weights.sum() + shift / 2 * rarer / rarer.sum()
        return shares

    def drawn(self, generator: np.random.Generator, reference: int, rows: int, samples: int, shift: float) -> Drawn:
        before = generator.multinomial(reference, self.shares(0.0))
        profile = profile_categories({f"c{i}": int(count) for i, count in enumerate(before) if count}, reference)
        return DrawnCategories(profile, before, generator.multinomial(rows, self.shares(shift), size=samples))


class DrawnCategories:
    def __init__(self, profile: CategoricalProfile, before: Counts, after: Counts) -> None:
        self._profile, self._after = profile, after
        named = np.array([int(name[1:]) for name in profile.values])
        new = before == 0
        binned_before, binned_after = (
            np.concatenate([counts[:, named], others[:, None], counts[:, new].sum(axis=1)[:, None]], axis=1)
            for counts in (before[None], after)
            for others in [counts[:, ~new].sum(axis=1) - counts[:, named].sum(axis=1)]
        )
        shares_before, shares_after = (each / each.sum(axis=1, keepdims=True) for each in (binned_before, binned_after))
        freedom = ((binned_before + binned_after) > 0).sum(axis=1) - 1
        chi2 = chi_square_of_draws(np.broadcast_to(binned_before, binned_after.shape), binned_after)
        p_values = stats.chi2.sf(chi2, freedom)
        self.statistics = {
            "psi": psi_of_draws(shares_before, shares_after),
            "js": jensen_shannon_of_draws(shares_before, shares_after),
            "chi2_p": 1 - p_values,
            "new_share": shares_after[:, -1],
        }
        self.p_values = np.where(p_values < NOT_SMALL, p_values, 1.0)

    def histogram(self, sample: int) -> Histogram:
        recent = empty_histogram(self._profile)
        assert isinstance(recent, CategoricalHistogram)
        counts = self._after[sample]
        recent.add_counts({f"c{i}": int(count) for i, count in enumerate(counts) if count}, int(counts.sum()))
        return recent


def _small_p_values(distances: Floats, before: int, after: int) -> Floats:
    size = before * after / (before + after)
    small = 2 * np.exp(-2 * size * distances**2) < 2 * NOT_SMALL if size <= LARGE else np.full(len(distances), True)
    p_values = np.ones(len(distances))
    p_values[small] = [ks_p_value(float(each), before, after) for each in distances[small]]
    return p_values
