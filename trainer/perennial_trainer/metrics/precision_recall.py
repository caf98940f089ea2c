"""Precision and recall: of the positive class, or the mean over more than two, as f1."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from perennial_trainer.metrics.computation import of_confusion, of_positive_class
from perennial_trainer.metrics.scored_rows import Floats, Groups, ScoredRows


def _precision(scored: ScoredRows, group: Groups, weights: Floats) -> Floats:
    """Tp / (tp + fp)."""
    return of_positive_class(scored, lambda each: _share_of_hits(scored, each, scored.prediction, group, weights))


def _recall(scored: ScoredRows, group: Groups, weights: Floats) -> Floats:
    """Tp / (tp + fn)."""
    return of_positive_class(scored, lambda each: _share_of_hits(scored, each, scored.target, group, weights))


def _share_of_hits(scored: ScoredRows, position: int, among: NDArray[Any], group: Groups, weights: Floats) -> Floats:
    """The true positives of the class, as a share of the rows `among` which it is.

    0 where the class occurs elsewhere only, as in scikit-learn; NaN where it does not occur.
    """
    actual, predicted = scored.target == position, scored.prediction == position
    hits, occurring, counted = (
        scored.sums(rows, group, weights) for rows in (actual & predicted, actual | predicted, among == position)
    )
    share: Floats = hits / np.where(counted > 0, counted, 1.0)
    return np.where(occurring > 0, share, np.nan)


PRECISION = of_confusion(_precision)
RECALL = of_confusion(_recall)
