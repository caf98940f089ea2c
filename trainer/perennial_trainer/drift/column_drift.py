"""How far one column has drifted, by every statistic that is defined for its kind."""

import numpy as np
from numpy.typing import NDArray

from perennial_trainer.drift.histogram import CategoricalHistogram, Histogram, NumericHistogram
from perennial_trainer.drift.statistics import (
    FLOOR,
    OUTER_FLOOR,
    chi_square,
    jensen_shannon,
    ks,
    ks_p_value,
    psi,
    wasserstein,
)
from perennial_trainer.profiling.profile import NumericProfile

Floats = NDArray[np.float64]


def column_statistics(recent: Histogram, rows: int) -> dict[str, float]:
    """Each statistic that is defined, by name, of n > 0 recent values against `rows` values of the reference.

    psi and js compare the bins of the reference (deciles or categories, and one bin for missing values).
    """
    before, after = recent.shares_before, recent.counts / recent.rows
    of_bins = {
        "psi": psi(before, after, psi_floor(recent)),
        "js": jensen_shannon(before, after),
        "missing_before": float(before[-1]),
        "missing_share": float(after[-1]),
        "missing_increase": float(after[-1] - before[-1]),
    }
    of_kind = _of_numbers(recent, rows) if isinstance(recent, NumericHistogram) else _of_categories(recent, rows)
    statistics = of_bins | of_kind
    return {name: value for name, value in statistics.items() if value is not None and np.isfinite(value)}


def psi_floor(recent: Histogram) -> Floats:
    """The least share that each bin counts with in psi."""
    floor = np.full(len(recent.shares_before), FLOOR)
    if isinstance(recent, NumericHistogram) and recent.reference.outer_bins:
        floor[[0, -2]] = OUTER_FLOOR
    return floor


def reference_counts(recent: Histogram, rows: int) -> NDArray[np.int64]:
    """How many rows of the reference are in each bin; it has `rows` rows if its profile does not say."""
    counts: NDArray[np.int64] = np.rint(recent.shares_before * (recent.reference.rows or rows)).astype(np.int64)
    return counts


def reference_present(recent: NumericHistogram, rows: int) -> int:
    """How many rows of the reference are not missing; it has `rows` rows if its profile does not say."""
    return max(1, round((recent.reference.rows or rows) * (1 - recent.reference.shares[-1])))


def _of_numbers(recent: NumericHistogram, rows: int) -> dict[str, float | None]:
    reference = recent.reference
    if not reference.points or not recent.present:
        return {}
    before = (np.asarray(reference.below) / reference.size, np.asarray(reference.upto) / reference.size)
    after = (
        recent.counts_below(reference.points) / recent.present,
        recent.counts_up_to(reference.points) / recent.present,
    )
    distance = ks(before, after)
    return {
        "ks": distance,
        "ks_p": ks_p_value(distance, reference_present(recent, rows), recent.present),
        "wasserstein": wasserstein(weighted_values(reference), recent.weighted_values(), standard_deviation(reference)),
    }


def _of_categories(recent: CategoricalHistogram, rows: int) -> dict[str, float | None]:
    test = chi_square(reference_counts(recent, rows), recent.counts)
    statistic, p_value = test or (None, None)
    return {"new_share": recent.new_share, "chi2": statistic, "chi2_p": p_value}


def weighted_values(reference: NumericProfile) -> tuple[Floats, Floats]:
    """Values and their weights; the values between two points are represented by the middle."""
    points = np.asarray(reference.points, dtype=np.float64)
    below, up_to = np.asarray(reference.below, dtype=np.float64), np.asarray(reference.upto, dtype=np.float64)
    values = np.concatenate([points, points[:-1] / 2 + points[1:] / 2])
    weights = np.concatenate([up_to - below, below[1:] - up_to[:-1]])
    return values[weights > 0], weights[weights > 0]


def standard_deviation(reference: NumericProfile) -> float:
    """The standard deviation of the reference, or that of its points if the profile does not say it."""
    if reference.deviation is not None:
        return reference.deviation
    values, weights = weighted_values(reference)
    with np.errstate(over="ignore", invalid="ignore"):
        return float(np.sqrt(np.cov(values, aweights=weights, ddof=0)))
