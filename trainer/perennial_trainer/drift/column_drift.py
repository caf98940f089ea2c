"""How far one column has moved, by every statistic that its kind has."""

import numpy as np
from numpy.typing import NDArray

from perennial_trainer.drift.histogram import CategoricalHistogram, Histogram, NumericHistogram
from perennial_trainer.drift.statistics import chi_square, jensen_shannon, ks, ks_p_value, psi, wasserstein
from perennial_trainer.profiling.profile import NumericProfile

Floats = NDArray[np.float64]


def column_statistics(recent: Histogram, rows: int) -> dict[str, float]:
    """Each statistic that is defined, by name; n > 0 recent values were counted, of `rows` in the reference.

    psi and js are of the bins of the reference, the missing being one: deciles, or categories.
    """
    before, after = recent.reference.shares, recent.counts / recent.rows
    found = {
        "psi": psi(before, after),
        "js": jensen_shannon(before, after),
        "missing_before": before[-1],
        "missing_share": float(after[-1]),
    }
    more = _of_numbers(recent, rows) if isinstance(recent, NumericHistogram) else _of_categories(recent, rows)
    return {name: value for name, value in (found | more).items() if value is not None and np.isfinite(value)}


def _of_numbers(recent: NumericHistogram, rows: int) -> dict[str, float | None]:
    reference = recent.reference
    if not reference.points or not recent.present:
        return {}
    below, upto = (np.asarray(counts) / reference.size for counts in (reference.below, reference.upto))
    recent_below, recent_upto = (counts / recent.present for counts in recent.around_points())
    found = ks((below, upto), (recent_below, recent_upto))
    masses = _masses(reference)
    deviation = _deviation(masses) if reference.deviation is None else reference.deviation
    return {
        "ks": found,
        "ks_p": ks_p_value(found, max(1, round(rows * (1 - reference.shares[-1]))), recent.present),
        "wasserstein": wasserstein(masses, recent.masses(), deviation),
    }


def _of_categories(recent: CategoricalHistogram, rows: int) -> dict[str, float | None]:
    test = chi_square(np.rint(np.asarray(recent.reference.shares) * rows), recent.counts)
    statistic, p = test or (None, None)
    return {"new_share": recent.new_share, "chi2": statistic, "chi2_p": p}


def _masses(reference: NumericProfile) -> tuple[Floats, Floats]:
    """Values and their weights: what lies between two points is taken to lie in the middle."""
    points, below, upto = (
        np.asarray(each, dtype=np.float64) for each in (reference.points, reference.below, reference.upto)
    )
    values = np.concatenate([points, points[:-1] / 2 + points[1:] / 2])
    weights = np.concatenate([upto - below, below[1:] - upto[:-1]])
    return values[weights > 0], weights[weights > 0]


def _deviation(masses: tuple[Floats, Floats]) -> float:
    values, weights = masses
    with np.errstate(over="ignore", invalid="ignore"):
        return float(np.sqrt(np.cov(values, aweights=weights, ddof=0)))
