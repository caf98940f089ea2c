"""How likely a statistic of one column is by chance alone, if its recent rows are like those of the reference."""

import math
from collections.abc import Iterable

import numpy as np

from perennial_trainer.drift.chances.redistribution import (
    Counts,
    Floats,
    Pair,
    RareValues,
    Statistic,
    chance_of,
    redistributed,
    redistributed_categories,
    redistributed_numbers,
    tail_share,
)
from perennial_trainer.drift.chances.wasserstein import chance_of_distance
from perennial_trainer.drift.column_drift import (
    psi_floor,
    reference_counts,
    reference_present,
)
from perennial_trainer.drift.histogram import CategoricalHistogram, Histogram, NumericHistogram
from perennial_trainer.drift.statistics import (
    chi_square_of_draws,
    jensen_shannon_of_draws,
    ks_p_value,
    psi_of_draws,
)

SLOPES = np.linspace(0, 3, 61)[1:]  # relative, among which the best bound on the share of new values is searched


def chance_of_value(metric: str, value: float, recent: Histogram, rows: int, level: float) -> float | None:
    """The chance of so great a value of a metric (of a p-value: so small a one); None where the profile cannot tell.

    `rows` is the number of rows of the reference where its profile does not say it. The chance is the more precise, the
    nearer it is to `level`, at or below which the value is beyond chance.
    """
    if recent.reference.rows is None and not rows:
        return None
    if metric == "ks_p":
        return value
    if metric == "ks":
        assert isinstance(recent, NumericHistogram)
        return ks_p_value(value, reference_present(recent, rows), _effective(recent, recent.present))
    if metric == "wasserstein":
        assert isinstance(recent, NumericHistogram)
        return chance_of_distance(recent, reference_present(recent, rows), _effective(recent, recent.present), level)
    before, after = reference_counts(recent, rows), _scaled(recent, recent.counts)
    if metric == "new_share":
        assert isinstance(recent, CategoricalHistogram)
        return _new_share_chance(value, recent, before, after, rows, level)
    if metric == "missing_share":
        return _missing_chance(int(before[-1]), int(after[-1]), int(before.sum()), int(after.sum()))
    statistic = _psi(recent) if metric == "psi" else _STATISTICS[metric]
    return chance_of(statistic, before, after, _redistributed(recent, before, after, rows), level)


def _psi(recent: Histogram) -> Statistic:
    floor = psi_floor(recent)
    return lambda before, after: psi_of_draws(_shares(before), _shares(after), floor)


def _jensen_shannon(before: Counts, after: Counts) -> Floats:
    return jensen_shannon_of_draws(_shares(before), _shares(after))


def _chi_square(before: Counts, after: Counts) -> Floats:
    return chi_square_of_draws(before.astype(np.float64), after.astype(np.float64))


def _new_share(_: Counts, after: Counts) -> Floats:
    return _shares(after)[:, -2]


_STATISTICS: dict[str, Statistic] = {
    "js": _jensen_shannon,
    "chi2": _chi_square,
    "chi2_p": _chi_square,  # the smaller the p-value, the greater the statistic
}


def _new_share_chance(
    value: float, recent: CategoricalHistogram, before: Counts, after: Counts, rows: int, level: float
) -> float:
    """The drawn share, or Chernoff's bound where that is less.

    So few draws have new values that no tail can be fitted to them. That one value is new makes it less likely that
    another one is (Joag-Dev and Proschan, Annals of Statistics 11, 1983), so the bound for independent values holds.
    """
    drawn = (_new_share(*pair) for pair in _redistributed(recent, before, after, rows))
    return min(tail_share(value, drawn, level, fitted=False), _new_share_bound(value, recent, before, after, rows))


def _new_share_bound(value: float, recent: CategoricalHistogram, before: Counts, after: Counts, rows: int) -> float:
    total, dealt = int(before.sum() + after.sum()), int(after.sum())
    if not 0 < dealt < total:
        return 1.0
    named_before, named_after = _named(recent, rows)
    named, rare = (named_before + named_after)[:-3], _rare(recent)
    count = np.concatenate([named, rare.count])
    how_many = np.concatenate([np.ones(len(named)), rare.how_many])
    weight = np.concatenate([named, rare.count / rare.sampled])
    possible = (count > 0) & (count <= dealt)
    count, how_many, weight = count[possible], how_many[possible], weight[possible]
    log_new = _log_falling(dealt, count) - _log_falling(total, count)  # all rows of the value are recent ones
    log_old = np.log1p(-np.exp(log_new))
    slopes = SLOPES[:, None] * np.log(total / dealt)
    log_moments = (how_many * np.logaddexp(log_old, log_new + slopes * weight)).sum(axis=1)
    bound = float((log_moments - slopes[:, 0] * value * dealt).min())
    return max(math.exp(min(0.0, bound)), np.finfo(np.float64).tiny)


def _log_falling(total: int, count: Counts) -> Floats:
    """The logarithm of total (total - 1) … (total - count + 1)."""
    from scipy.special import gammaln

    falling: Floats = gammaln(total + 1) - gammaln(total - count + 1)
    return falling


def _rare(recent: CategoricalHistogram) -> RareValues:
    count, how_many = np.unique(np.asarray(recent.rare_counts, dtype=np.int64), return_counts=True)
    return RareValues(count, how_many.astype(np.int64), recent.sampled)


def _missing_chance(before: int, after: int, rows_before: int, rows_after: int) -> float:
    """The chance that at least so many of the pooled missing values are among the recent rows."""
    from scipy import stats

    return float(stats.hypergeom(rows_before + rows_after, before + after, rows_after).sf(after - 1))


def _shares(counts: Counts) -> Floats:
    shares: Floats = counts / counts.sum(axis=1, keepdims=True)
    return shares


def _redistributed(recent: Histogram, before: Counts, after: Counts, rows: int) -> Iterable[Pair]:
    if isinstance(recent, CategoricalHistogram):
        named = _named(recent, rows) if recent.reference.knows_new_values else (before, after)
        return redistributed_categories(*named, _rare(recent), len(recent.reference.values))
    if recent.reference.outer_bins:
        edges = recent.reference.edges
        single_valued = edges[1] == np.nextafter(edges[0], np.inf), edges[-2] == np.nextafter(edges[-1], -np.inf)
        return redistributed_numbers(before, after, single_valued)
    return redistributed(before, after)


def _named(recent: CategoricalHistogram, rows: int) -> Pair:
    """Counts of each value that the profile has a count of, then of other known ones, new ones, and the missing."""
    before, after = reference_counts(recent, rows), _scaled(recent, recent.named_counts)
    values, others = len(recent.reference.values), recent.reference.other_counts
    if others is None:  # the profile of an earlier trainer
        return before, np.concatenate([after[:values], [after[values:-2].sum()], after[-2:]])
    rest = max(0, int(before[values]) - sum(others))
    return np.concatenate([before[:values], others, [rest, 0], before[-1:]]).astype(np.int64), after


def _effective(recent: Histogram, count: int) -> int:
    """So many rows, or, where a row stands for several, as many as are worth the same (Kish, Survey Sampling, 1965)."""
    return max(1, round(count * recent.rows / recent.squared_weights))


def _scaled(recent: Histogram, counts: Counts) -> Counts:
    if recent.squared_weights == recent.rows:
        return counts
    scaled: Counts = np.rint(counts * (recent.rows / recent.squared_weights)).astype(np.int64)
    return scaled
