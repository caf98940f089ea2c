"""How a metric is computed: on rows, on resamples of them, and from the totals of batches.

Every metric but `roc_auc` is a function of sums over rows, so a resample needs only other weights of the sums.
scikit-learn's metrics, with which the tests compare these, would take hours for a bootstrap of a million rows.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from perennial_trainer.data.categories import NO_CLASS
from perennial_trainer.data.values.weights import Weights
from perennial_trainer.metrics.scored_rows import Floats, Groups, ScoredRows
from perennial_trainer.metrics.totals import Moments, Totals

Resampled = Callable[[ScoredRows, Groups, Floats], Floats]


@dataclass(frozen=True)
class Measurement:
    """A metric's value and, where it is known, its standard error."""

    value: float
    standard_error: float | None = None


@dataclass(frozen=True)
class Computation:
    """The computation of one metric; a value is NaN where the metric is undefined.

    `resampled(rows, group, weights)` is the metric in each resample: `group` (n) is the group of each row, `weights`
    (resamples x groups) is how often each group is drawn. `from_totals` is the metric of all rows of all batches.
    `row_values` is there where the metric is a mean: the value of each row, or None where the model gives none.
    """

    resampled: Resampled
    from_totals: Callable[[Totals], Measurement]
    row_values: Callable[[ScoredRows], Floats | None] | None = None


def mean_of_rows(name: str, row_values: Callable[[ScoredRows], Floats | None]) -> Computation:
    """The computation of a metric that is the mean of a value of each row; its standard error is sd/sqrt(n)."""

    def resampled(scored: ScoredRows, group: Groups, weights: Floats) -> Floats:
        values = row_values(scored)
        if values is None:
            return np.full(len(weights), np.nan)
        return scored.sums(values, group, weights) / scored.sums(np.ones(len(scored)), group, weights)

    def from_totals(totals: Totals) -> Measurement:
        moments = totals.row_values.get(name)
        return Measurement(np.nan) if moments is None else Measurement(moments.mean, moments.standard_error)

    return Computation(resampled, from_totals, row_values)


def of_confusion(resampled: Resampled) -> Computation:
    """The computation of a metric that depends on the target and the predicted class of each row alone."""

    def from_totals(totals: Totals) -> Measurement:
        pairs, counts = totals.confusion()
        return Measurement(float(resampled(pairs, np.arange(len(pairs)), counts[None, :])[0]))

    return Computation(resampled, from_totals)


def of_sample(resampled: Resampled) -> Computation:
    """The computation of a metric that does not add up: of very many rows it is that of an even sample."""

    def from_totals(totals: Totals) -> Measurement:
        return Measurement(of_all_rows(resampled, totals.sampled_rows()))

    return Computation(resampled, from_totals)


def of_all_rows(resampled: Resampled, scored: ScoredRows) -> float:
    """The metric in the resample that draws each row once."""
    return float(resampled(scored, np.zeros(len(scored), dtype=np.intp), np.ones((1, 1)))[0])


def mean_of(values: Floats, weights: Weights | None) -> float:
    """The mean of n > 0 values, each with its weight."""
    return Moments.of(values, weights).mean


def standard_error_of_mean(values: Floats, weights: Weights | None = None) -> float | None:
    """sd/sqrt(n); None below two values, or two requests."""
    return Moments().merged(values, weights).standard_error


def of_positive_class(scored: ScoredRows, of_class: Callable[[int], Floats]) -> Floats:
    """The metric of the positive class, or the mean over the classes for which it is defined (macro).

    NaN if no class is positive.
    """
    if scored.positive == NO_CLASS:
        return np.full_like(of_class(0), np.nan)
    if scored.positive is not None:
        return of_class(scored.positive)
    positions = [1] if len(scored.classes) == 2 else range(len(scored.classes))
    values = np.array([of_class(position) for position in positions])
    defined = np.isfinite(values)
    mean: Floats = np.where(defined, values, 0.0).sum(axis=0) / defined.sum(axis=0)
    return mean
