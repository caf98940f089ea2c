"""How good a model is on rows: its metrics with their standard errors, and the metrics of resamples."""

import numpy as np

from perennial_trainer.contract.errors import RejectedTask
from perennial_trainer.metrics.computation import Measurement, of_all_rows
from perennial_trainer.metrics.registry import COMPUTATIONS, row_values
from perennial_trainer.metrics.scored_rows import Floats, Groups, ScoredRows
from perennial_trainer.metrics.streaming import StreamedMetrics


def measure_all(scored: ScoredRows) -> dict[str, Measurement]:
    """Every metric that is defined for these rows, the most informative first; none for no rows."""
    metrics = StreamedMetrics()
    metrics.add(scored)
    return metrics.measurements()


def require_metrics(scored: ScoredRows) -> dict[str, Measurement]:
    """`measure_all`, of which there is at least one; else a RejectedTask, MetricUndefined."""
    measurements = measure_all(scored)
    if not measurements:
        raise RejectedTask(
            "MetricUndefined",
            f"the model predicts no finite value for any of {len(scored)} rows: change the model",
        )
    return measurements


def metric_value(name: str, scored: ScoredRows) -> float:
    """One metric of the rows whose class training knew; NaN or infinite where it is undefined."""
    known = scored.has_known_class
    if not known.any():
        return np.nan
    if not known.all():
        scored = scored.take(known)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        return of_all_rows(COMPUTATIONS[name].resampled, scored)


def resampled_values(name: str, scored: ScoredRows, group: Groups, weights: Floats) -> Floats:
    """The metric in each resample, NaN where it is undefined there (r2 of equal values, roc_auc of one class)."""
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        return COMPUTATIONS[name].resampled(scored, group, weights)


def row_losses(scored: ScoredRows) -> Floats:
    """The loss of each row: squared error, log loss or, where the model gives no probabilities, 1 for a wrong class."""
    if scored.task == "regression":
        losses = row_values("mse", scored)
    elif scored.probability is not None:
        losses = row_values("log_loss", scored)
    else:
        losses = (scored.target != scored.prediction).astype(np.float64)
    assert losses is not None
    return losses
