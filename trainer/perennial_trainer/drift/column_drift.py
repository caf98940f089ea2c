"""How far one column has drifted, by every statistic that is defined for its kind."""

import numpy as np
from numpy.typing import NDArray

from perennial_trainer.drift.histogram import CategoricalHistogram, Histogram, NumericHistogram
from perennial_trainer.drift.statistics import chi_square, jensen_shannon, ks, ks_p_value, psi, wasserstein
from perennial_trainer.profiling.profile import NumericProfile

Floats = NDArray[np.float64]


def column_statistics(recent: Histogram, rows: int) -> dict[str, float]:
    """Each statistic that is defined, by name, of n > 0 recent values against `rows` values of the reference.

    psi and js compare the bins of the reference (deciles or categories, and one bin for missing values).
    """
    before, after = recent.reference.shares, recent.counts / recent.rows
    of_bins = {
        "psi": psi(before, after),
        "js": jensen_shannon(before, after),
        "missing_before": before[-1],
        "missing_share": float(after[-1]),
    }
    of_kind = _of_numbers(recent, rows) if isinstance(recent, NumericHistogram) else _of_categories(recent, rows)
    statistics = of_bins | of_kind
    return {name: value for name, value in statistics.items() if value is not None and np.isfinite(value)}


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
    weighted = _weighted_values(reference)
    deviation = _standard_deviation(weighted) if reference.deviation is None else reference.deviation
    present_rows = max(1, round(rows * (1 - reference.shares[-1])))
    return {
        "ks": distance,
        "ks_p": ks_p_value(distance, present_rows, recent.present),
        "wasserstein": wasserstein(weighted, recent.weighted_values(), deviation),
    }


def _of_categories(recent: CategoricalHistogram, rows: int) -> dict[str, float | None]:
    test = chi_square(np.rint(np.asarray(recent.reference.shares) * rows), recent.counts)
    statistic, p_value = test or (None, None)
    return {"new_share": recent.new_share, "chi2": statistic, "chi2_p": p_value}


def _weighted_values(reference: NumericProfile) -> tuple[Floats, Floats]:
    """Values and their weights; the values between two points are represented by the middle."""
    points = np.asarray(reference.points, dtype=np.float64)
    below, up_to = np.asarray(reference.below, dtype=np.float64), np.asarray(reference.upto, dtype=np.float64)
    values = np.concatenate([points, points[:-1] / 2 + points[1:] / 2])
    weights = np.concatenate([up_to - below, below[1:] - up_to[:-1]])
    return values[weights > 0], weights[weights > 0]


def _standard_deviation(weighted: tuple[Floats, Floats]) -> float:
    values, weights = weighted
    with np.errstate(over="ignore", invalid="ignore"):
        return float(np.sqrt(np.cov(values, aweights=weights, ddof=0)))
