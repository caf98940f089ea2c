"""How far recent values lie from those a version was trained on: each statistic, of counts alone.

A p-value is none of how much has moved: of a hundred thousand rows, everything is significant (Cohen, American
Psychologist 49, 1994). So what is too much is asked of the statistics, and the p-values are there to be looked at.
They are written out, and tested against SciPy: to import `scipy.stats` takes longer than a million rows do.
"""

import math
from collections.abc import Collection

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

FLOOR = 1e-4  # a share below it counts as it: an empty bin would make the index infinite
DRIFTED = 0.2  # the customary limit of the population stability index for "has shifted"
SIGNIFICANT = 0.05  # the false discovery rate
LARGE = 1000


def psi(reference: ArrayLike, recent: ArrayLike) -> float:
    """The population stability index: the sum over bins of (recent - reference) ln(recent / reference).

    Both are shares of the same bins. 0 if they are the same, never negative, and the same either way round. It is
    the symmetric divergence of Jeffreys; as an index of shifted populations in Siddiqi, Credit Risk Scorecards, 2006,
    chapter 10.
    """
    before = np.maximum(np.asarray(reference, dtype=np.float64), FLOOR)
    after = np.maximum(np.asarray(recent, dtype=np.float64), FLOOR)
    return float(np.sum((after - before) * np.log(after / before)))


def jensen_shannon(reference: ArrayLike, recent: ArrayLike) -> float:
    """The Jensen-Shannon distance: the root of (KL(p, m) + KL(q, m)) / 2 with m = (p + q) / 2, in bits, 0 to 1.

    Both are shares of the same bins. Lin, IEEE Transactions on Information Theory 37 (1991); that its root is a metric:
    Endres and Schindelin, the same 49 (2003).
    """
    before, after = np.asarray(reference, dtype=np.float64), np.asarray(recent, dtype=np.float64)
    middle = (before + after) / 2
    apart = sum(float((p[p > 0] * np.log2(p[p > 0] / middle[p > 0])).sum()) for p in (before, after))
    return float(np.sqrt(max(apart, 0.0) / 2))  # rounding may leave it below zero


def ks(before: tuple[Floats, Floats], after: tuple[Floats, Floats]) -> float:
    """The Kolmogorov-Smirnov distance: the greatest difference between two distribution functions, 0 to 1.

    Both are the shares of values below, and of those up to, each of the same points. The distance is exact where the
    points are all values of one side; else never too great, and too small by at most the greatest share of it that
    lies between two neighbouring points. Smirnov, Annals of Mathematical Statistics 19 (1948).
    """
    return float(max(np.abs(b - a).max() for b, a in zip(before, after, strict=True)))


def ks_p_value(found: float, before: int, after: int) -> float:
    """The chance of a distance of at least `found` between samples of these sizes from one distribution.

    By the one-sample distribution at the effective size nm/(n + m), as `scipy.stats.ks_2samp(method="asymp")` has it;
    above `LARGE`, where that takes seconds, by Kolmogorov's limit with the correction of Vrbik, Pioneer Journal of
    Theoretical and Applied Statistics 15 (2018). Ties make it too great.
    """
    size = max(1, round(before * after / (before + after)))
    if size <= LARGE:
        from scipy import stats

        return float(stats.kstwo.sf(found, size))
    scaled = found * size**0.5
    return _kolmogorov(scaled + 1 / (6 * size**0.5) + (scaled - 1) / (4 * size))


def wasserstein(before: tuple[Floats, Floats], after: tuple[Floats, Floats], deviation: float) -> float | None:
    """The area between two distribution functions, in standard deviations of the reference; None if it has none.

    Both are values and their weights. It is how far a value must be moved on average to make the one the other (the
    earth mover's distance). Of a profile it is off by at most the mean width of the gap between two points that a value
    lies in: about a thousandth where there are a thousand points. Vallender, Theory of Probability and its
    Applications 18 (1974).
    """
    if not 0 < deviation < np.inf or not len(before[0]) or not len(after[0]):
        return None
    values = np.concatenate([before[0], after[0]])
    order = np.argsort(values, kind="stable")
    more = np.concatenate([before[1] / before[1].sum(), -after[1] / after[1].sum()])[order]
    with np.errstate(over="ignore", invalid="ignore"):
        found = float((np.abs(np.cumsum(more)[:-1]) * np.diff(values[order])).sum()) / deviation
    return found if np.isfinite(found) else None


def chi_square(before: ArrayLike, after: ArrayLike) -> tuple[float, float] | None:
    """The statistic of Pearson's test that both counts are of one distribution, and its p-value; None for one bin.

    The sum of (count - expected)^2 / expected over a table of two rows, without Yates's correction; bins that both
    leave empty say nothing. Pearson, Philosophical Magazine 50 (1900).
    """
    table = np.array([before, after], dtype=np.float64)
    table = table[:, table.sum(axis=0) > 0]
    if table.shape[1] < 2:
        return None
    expected = np.outer(table.sum(axis=1), table.sum(axis=0)) / table.sum()
    statistic = float(((table - expected) ** 2 / expected).sum())
    return statistic, _chi_square_above(statistic, table.shape[1] - 1)


def significant_share(p_values: Collection[float]) -> float:
    """The share of tests that are significant when at most one in twenty of those found may be found by chance.

    By Benjamini and Hochberg, Journal of the Royal Statistical Society B 57 (1995); 0 for no test.
    """
    if not p_values:
        return 0.0
    size = len(p_values)
    passed = np.sort(list(p_values)) <= SIGNIFICANT * np.arange(1, size + 1) / size
    return float(max(np.flatnonzero(passed) + 1, default=0) / size)


def _kolmogorov(x: float) -> float:
    """The chance that Kolmogorov's limit lies above x: twice the sum of (-1)^(k - 1) exp(-2 k^2 x^2)."""
    k = np.arange(1, 21)
    return float(-2 * np.sum((-1.0) ** k * np.exp(-2 * (k * x) ** 2))) if x > 0.2 else 1.0  # to twelve digits


def _chi_square_above(x: float, freedom: int) -> float:
    """The chance that a chi-square lies above x: the finite sum for whole degrees of freedom.

    Abramowitz and Stegun, Handbook of Mathematical Functions (1964), 26.4.4 and 26.4.5.
    """
    if x <= 0:
        return 1.0
    powers = np.arange(freedom % 2 / 2, freedom / 2)
    terms = (math.exp(power * math.log(x / 2) - x / 2 - math.lgamma(power + 1)) for power in powers.tolist())
    return min(1.0, math.fsum(terms) + (math.erfc(math.sqrt(x / 2)) if freedom % 2 else 0.0))
