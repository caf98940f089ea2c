"""The baseline: a constant model, which reads no feature. A candidate must be better than it."""

import numpy as np
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.pipeline import Pipeline

from perennial_trainer.contract.errors import RejectedTask
from perennial_trainer.contract.metric_table import LOSSES
from perennial_trainer.data.rows import Rows
from perennial_trainer.metrics.computation import Measurement
from perennial_trainer.metrics.evaluate import measure_all, metric_value
from perennial_trainer.metrics.registry import COMPUTATIONS
from perennial_trainer.metrics.scored_rows import ScoredRows
from perennial_trainer.models.frameworks.framework import STEP
from perennial_trainer.models.pipeline import fit
from perennial_trainer.models.scoring import score

MEANS = [name for name, computation in COMPUTATIONS.items() if computation.row_values]
"""Metrics that are compared with the baseline: the others are functions of these, or undefined for a constant."""


def measure_baseline(fitted: Rows, holdout: Rows) -> dict[str, Measurement]:
    """The metrics on the holdout of the mean, or of the class frequencies and the most frequent class."""
    dummy = DummyClassifier(strategy="prior") if fitted.columns.kind == "classification" else DummyRegressor()
    return measure_all(score(fit(Pipeline([(STEP, dummy)]), fitted), holdout))


def require_better(
    scored: ScoredRows, measurements: dict[str, Measurement], baseline: dict[str, Measurement], name: str
) -> None:
    """The candidate is better than the baseline in a metric, or ranks rows by class; else WorseThanBaseline.

    One metric is enough: a model of the median may have a greater squared error, one with equal class weights a lower
    accuracy.
    """
    scored = scored.take(scored.has_known_class)
    compared = [metric for metric in MEANS if metric in measurements and metric in baseline]
    if any(_gain(metric, measurements, baseline) > 0 for metric in compared) or _ranks_classes(scored):
        return
    values = ", ".join(f"{each} {measurements[each].value:.6g} against {baseline[each].value:.6g}" for each in compared)
    constant = "the class frequencies in" if scored.classes else "the mean of"
    raise RejectedTask(
        "WorseThanBaseline",
        f"{name} is no better on {len(scored)} rows of the holdout than {constant} its training rows ({values}): "
        "check features and target, give other parameters, or a data.window whose rows are like the newest",
    )


def _gain(metric: str, measurements: dict[str, Measurement], baseline: dict[str, Measurement]) -> float:
    difference = measurements[metric].value - baseline[metric].value
    return -difference if metric in LOSSES else difference


def _ranks_classes(scored: ScoredRows) -> bool:
    """roc_auc (of predictions if there are no probabilities) exceeds that of chance by more than its standard error.

    That of one class is sqrt((n + 1) / (12 n1 n0)): Mann and Whitney, Annals of Mathematical Statistics 18 (1947). The
    mean over classes has at most the mean of theirs.
    """
    if not scored.classes:
        return False
    probability = np.eye(len(scored.classes))[scored.prediction] if scored.probability is None else scored.probability
    area = metric_value("roc_auc", ScoredRows(scored.target, scored.prediction, scored.classes, probability))
    n, of_class = len(scored), np.bincount(scored.target, minlength=len(scored.classes))
    both = of_class[(of_class > 0) & (of_class < n)]
    return len(both) > 0 and area - 0.5 > float(np.sqrt((n + 1) / (12.0 * both * (n - both))).mean())
