"""The drift statistics, computed from counts.

A p-value does not measure the size of a drift: with a hundred thousand rows, every difference is significant (Cohen,
American Psychologist 49, 1994). So limits are set on the statistics, and p-values are only reported. They are
implemented here and tested against SciPy, because to import `scipy.stats` takes longer than to count a million rows.
"""

import math
from collections.abc import Collection

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

FLOOR = 1e-4  # the least share: an empty bin would make the index infinite
OUTER_FLOOR = 1e-5  # in a bin that the reference leaves empty by construction: 3 % of rows beyond its range are seen
DRIFTED = 0.2  # the customary limit of the population stability index for "has shifted"
SIGNIFICANT = 0.05  # the false discovery rate
LARGE = 1000


def psi(reference: ArrayLike, recent: ArrayLike, floor: ArrayLike = FLOOR) -> float:
    """The population stability index: the sum over bins of (recent - reference) ln(recent / reference).

    Both are shares of the same bins; a share below `floor` counts as it. 0 if they are equal, never negative, and
    symmetric. It is the symmetric divergence of Jeffreys; as an index of shifted populations in Siddiqi, Credit Risk
    Scorecards, 2006, chapter 10.
    """
    return float(psi_of_draws(np.asarray(reference, dtype=np.float64), np.asarray(recent, dtype=np.float64), floor))


def psi_of_draws(reference: Floats, recent: Floats, floor: ArrayLike = FLOOR) -> Floats:
    """`psi` along the last axis."""
    before, after = np.maximum(reference, floor), np.maximum(recent, floor)
    index: Floats = np.sum((after - before) * np.log(after / before), axis=-1)
    return index


def jensen_shannon(reference: ArrayLike, recent: ArrayLike) -> float:
    """The Jensen-Shannon distance: the root of (KL(p, m) + KL(q, m)) / 2 with m = (p + q) / 2, in bits, 0 to 1.

    Both are shares of the same bins. Lin, IEEE Transactions on Information Theory 37 (1991); Endres and Schindelin,
    IEEE Transactions on Information Theory 49 (2003), prove that the root is a metric.
    """
    before, after = np.asarray(reference, dtype=np.float64), np.asarray(recent, dtype=np.float64)
    return float(jensen_shannon_of_draws(before, after))


def jensen_shannon_of_draws(reference: Floats, recent: Floats) -> Floats:
    """`jensen_shannon` along the last axis."""
    middle = (reference + recent) / 2
    divergence = np.zeros(middle.shape[:-1])
    for shares in (reference, recent):
        with np.errstate(divide="ignore", invalid="ignore"):
            divergence += np.where(shares > 0, shares * np.log2(shares / middle), 0.0).sum(axis=-1)
    distance: Floats = np.sqrt(np.maximum(divergence, 0.0) / 2)  # rounding may make it negative
    return distance


def ks(before: tuple[Floats, Floats], after: tuple[Floats, Floats]) -> float:
    """The Kolmogorov-Smirnov distance: the greatest difference between two distribution functions, 0 to 1.

    Both are the shares of values below, and up to, each of the same points. The distance is exact if the points are
    all values of one side; else it is never too great, and too small by at most the greatest share of values between
    two neighbouring points. Smirnov, Annals of Mathematical Statistics 19 (1948).
    """
    return float(max(np.abs(b - a).max() for b, a in zip(before, after, strict=True)))


def ks_p_value(distance: float, before: int, after: int) -> float:
    """The probability of at least this distance between samples of these sizes from one distribution.

    From the one-sample distribution at the effective size nm/(n + m), as in `scipy.stats.ks_2samp(method="asymp")`;
    above the effective size `LARGE`, where that takes seconds, from Kolmogorov's limit with the correction of Vrbik,
    Pioneer Journal of Theoretical and Applied Statistics 15 (2018). Ties make the p-value too great.
    """
    size = max(1, round(before * after / (before + after)))
    if size <= LARGE:
        from scipy import stats

        return float(stats.kstwo.sf(distance, size))
    scaled = distance * size**0.5
    return _kolmogorov(scaled + 1 / (6 * size**0.5) + (scaled - 1) / (4 * size))


def wasserstein(before: tuple[Floats, Floats], after: tuple[Floats, Floats], deviation: float) -> float | None:
    """The area between two distribution functions, in standard deviations of the reference; None if that is 0.

    Both are values and their weights. It is the mean distance that values must be moved to turn one distribution into
    the other (the earth mover's distance). From a profile, the error is at most the mean width of the gaps between the
    points around a value: about a thousandth with a thousand points. Vallender, Theory of Probability and its
    Applications 18 (1974).
    """
    if not 0 < deviation < np.inf or not len(before[0]) or not len(after[0]):
        return None
    values = np.concatenate([before[0], after[0]])
    order = np.argsort(values, kind="stable")
    weights = np.concatenate([before[1] / before[1].sum(), -after[1] / after[1].sum()])[order]
    with np.errstate(over="ignore", invalid="ignore"):
        area = float((np.abs(np.cumsum(weights)[:-1]) * np.diff(values[order])).sum()) / deviation
    return area if np.isfinite(area) else None


def chi_square(before: ArrayLike, after: ArrayLike) -> tuple[float, float] | None:
    """Pearson's chi-square statistic and p-value for counts of the same bins; None if only one bin is not empty.

    The sum of (count - expected)^2 / expected over a table of two rows, without Yates's correction; bins that are
    empty in both are ignored. Pearson, Philosophical Magazine 50 (1900).
    """
    first, second = np.asarray(before, dtype=np.float64), np.asarray(after, dtype=np.float64)
    bins = int(((first + second) > 0).sum())
    if bins < 2:
        return None
    statistic = float(chi_square_of_draws(first, second))
    return statistic, _chi_square_above(statistic, bins - 1)


def chi_square_of_draws(before: Floats, after: Floats) -> Floats:
    """The statistic of `chi_square` along the last axis."""
    pooled = before + after
    total = pooled.sum(axis=-1, keepdims=True)
    statistic = np.zeros(pooled.shape[:-1])
    for counts in (before, after):
        expected = pooled * counts.sum(axis=-1, keepdims=True) / total
        with np.errstate(divide="ignore", invalid="ignore"):
            statistic += np.where(expected > 0, (counts - expected) ** 2 / expected, 0.0).sum(axis=-1)
    return statistic


def significant_share(p_values: Collection[float]) -> float:
    """The share of tests that are significant at a false discovery rate of 5 %.

    The procedure of Benjamini and Hochberg, Journal of the Royal Statistical Society B 57 (1995); 0 without tests.
    """
    if not p_values:
        return 0.0
    size = len(p_values)
    significant = np.sort(list(p_values)) <= SIGNIFICANT * np.arange(1, size + 1) / size
    return float(max(np.flatnonzero(significant) + 1, default=0) / size)


def _kolmogorov(x: float) -> float:
    """The probability that Kolmogorov's limit distribution exceeds x: twice the sum of (-1)^(k - 1) exp(-2 k^2 x^2)."""
    k = np.arange(1, 21)
    return float(-2 * np.sum((-1.0) ** k * np.exp(-2 * (k * x) ** 2))) if x > 0.2 else 1.0  # to twelve digits


def _chi_square_above(x: float, freedom: int) -> float:
    """The probability that a chi-square variable exceeds x: the finite sum for whole degrees of freedom.

    Abramowitz and Stegun, Handbook of Mathematical Functions (1964), 26.4.4 and 26.4.5.
    """
    if x <= 0:
        return 1.0
    powers = np.arange(freedom % 2 / 2, freedom / 2)
    terms = (math.exp(power * math.log(x / 2) - x / 2 - math.lgamma(power + 1)) for power in powers.tolist())
    return min(1.0, math.fsum(terms) + (math.erfc(math.sqrt(x / 2)) if freedom % 2 else 0.0))
