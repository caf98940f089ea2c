"""Two models predict the same rows, so that what is hard about the rows themselves cancels out."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from perennial_trainer.contract.result import NotMeasured
from perennial_trainer.drift.earlier_rows import FEWEST
from perennial_trainer.metrics.computation import Measurement, mean_of, standard_error_of_mean

if TYPE_CHECKING:
    from perennial_trainer.data.rows import Rows
    from perennial_trainer.metrics.scored_rows import Floats, ScoredRows


Saved = dict[str, Measurement] | NotMeasured


@dataclass(frozen=True)
class Compared:
    """What the model of a check would save of its loss by being another one, and how good that one is."""

    saved: Saved | None = None
    of_other: Mapping[str, Measurement] = field(default_factory=dict)


def compare_models(metric: str, model: Any, other: Any, rows: "Rows", rows_of_other: "Rows | None" = None) -> Compared:
    """The share of the loss of `model` that `other` would save on the rows, with its standard error, as the metric.

    `rows_of_other` are the same rows with the features of the other one, where these are others. Rows of one request
    count as one draw.
    """
    from perennial_trainer.metrics.evaluate import measure_all
    from perennial_trainer.models.scoring import classes_of, score

    scored = score(model, rows, classes_of(other))
    of_other = score(other, rows if rows_of_other is None else rows_of_other, classes_of(model))
    known = scored.has_known_class & of_other.has_known_class
    if known.sum() < FEWEST:
        return Compared(
            NotMeasured(
                metric=metric, reason=f"{known.sum()} rows of classes that both models know are fewer than {FEWEST}"
            )
        )
    saved = _saved(scored.take(known), of_other.take(known))
    if saved is None:
        return Compared(
            NotMeasured(metric=metric, reason="a prediction is not a finite number, or all rows are of one request")
        )
    return Compared({metric: saved}, measure_all(of_other.take(known)))


def _saved(scored: "ScoredRows", other: "ScoredRows") -> Measurement | None:
    """The mean difference of the losses as a share of their mean; None if a loss is not finite, or without an error."""
    chances = scored.probability is not None and other.probability is not None
    losses, weights = _losses(scored, chances), scored.weights
    gains = losses - _losses(other, chances)
    loss, error = mean_of(losses, weights), standard_error_of_mean(gains, weights)
    if error is None or not np.isfinite(loss):
        return None
    if not loss:
        return Measurement(0.0, 0.0)  # no model can be better
    return Measurement(mean_of(gains, weights) / loss, error / loss)


def _losses(scored: "ScoredRows", chances: bool) -> "Floats":
    """The squared error of each row: of the prediction, or of the probabilities, halved (Brier, 1950).

    Where one of two models has no `chances`, the classes alone are compared: its loss of a row is 0 or 1.
    """
    if scored.task == "regression":
        return np.asarray((scored.target - scored.prediction) ** 2)
    if scored.probability is None or not chances:
        return np.asarray(scored.target != scored.prediction, dtype=np.float64)
    missed = scored.probability.copy()
    missed[np.arange(len(missed)), scored.target] -= 1
    return np.asarray((missed**2).sum(axis=1) / 2)
