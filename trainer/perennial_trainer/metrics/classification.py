"""Metrics of predicted classes and of the probability of the true one: accuracy, f1 and log_loss."""

import numpy as np

from perennial_trainer.metrics.computation import mean_of_rows, of_confusion, of_positive_class
from perennial_trainer.metrics.scored_rows import Floats, Groups, ScoredRows


def _hits(scored: ScoredRows) -> Floats:
    hits: Floats = (scored.target == scored.prediction).astype(np.float64)
    return hits


def _log_losses(scored: ScoredRows) -> Floats | None:
    if scored.probability is None:
        return None
    of_target = np.where(scored.has_known_class, scored.probability[np.arange(len(scored)), scored.target], 0.0)
    # As scikit-learn's log_loss: no probability beyond the resolution of a float.
    losses: Floats = -np.log(np.clip(of_target, np.finfo(np.float64).eps, 1.0))
    return losses


def _f1(scored: ScoredRows, group: Groups, weights: Floats) -> Floats:
    """2 tp / (2 tp + fp + fn)."""

    def of_class(position: int) -> Floats:
        actual, predicted = scored.target == position, scored.prediction == position
        true_positives = scored.sums(actual & predicted, group, weights)
        return 2 * true_positives / (scored.sums(actual, group, weights) + scored.sums(predicted, group, weights))

    return of_positive_class(scored, of_class)


ACCURACY = mean_of_rows("accuracy", _hits)
LOG_LOSS = mean_of_rows("log_loss", _log_losses)
F1 = of_confusion(_f1)
