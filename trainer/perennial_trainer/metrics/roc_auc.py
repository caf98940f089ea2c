"""The area under the ROC curve."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from perennial_trainer.metrics.computation import of_positive_class, of_sample
from perennial_trainer.metrics.scored_rows import Floats, Groups, ScoredRows


def _roc_auc(scored: ScoredRows, group: Groups, weights: Floats) -> Floats:
    """The chance that a row of the class has a higher probability than one of another class (ties count half).

    Each class is compared with the rest. Mann and Whitney, Annals of Mathematical Statistics 18 (1947).
    """
    probability = scored.probability
    if probability is None:
        return np.full(len(weights), np.nan)
    if len(scored.classes) == 2:  # the same for either class
        scored = replace(scored, positive=1)
    own = np.ones(len(scored)) if scored.weights is None else scored.weights.weight
    return of_positive_class(
        scored, lambda position: _area(scored.target == position, probability[:, position], group, weights, own)
    )


def _area(of_class: NDArray[np.bool_], score: Floats, group: Groups, weights: Floats, own: Floats) -> Floats:
    _, rank = np.unique(score, return_inverse=True)
    area = np.empty(len(weights))
    for resample, group_weights in enumerate(weights):  # one at a time: n numbers in memory, not resamples x n
        row_weights = group_weights[group] * own
        positive, negative = np.bincount(rank, row_weights * of_class), np.bincount(rank, row_weights * ~of_class)
        ranked_below = np.cumsum(negative) - negative / 2
        area[resample] = (positive @ ranked_below) / (positive.sum() * negative.sum())
    return area


ROC_AUC = of_sample(_roc_auc)
