"""What a model that looks at no feature achieves: who is not better than that has learned nothing."""

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
from perennial_trainer.models.pipeline import STEP, fit, score

MEANS = [name for name, computation in COMPUTATIONS.items() if computation.row_values]
"""Metrics that are compared with the baseline: the others are functions of these, or undefined for a constant."""


def baseline(fitted: Rows, holdout: Rows) -> dict[str, Measurement]:
    """The metrics on the holdout of the mean, or of the classes' frequencies and the most frequent of them."""
    dummy = DummyClassifier(strategy="prior") if fitted.columns.kind == "classification" else DummyRegressor()
    return measure_all(score(fit(Pipeline([(STEP, dummy)]), fitted), holdout))


def check_better(scored: ScoredRows, measures: dict[str, Measurement], base: dict[str, Measurement], name: str) -> None:
    """The candidate is better than the baseline in a metric, or tells classes apart; else WorseThanBaseline.

    One metric is enough: a model for the median may have the greater squared error, one that weighs classes equally
    the lower accuracy.
    """
    compared = [metric for metric in MEANS if metric in measures and metric in base]
    if any(_gain(metric, measures, base) > 0 for metric in compared) or _tells_apart(scored):
        return
    figures = ", ".join(f"{each} {measures[each].value:.6g} against {base[each].value:.6g}" for each in compared)
    constant = "the classes' frequencies in" if scored.classes else "the mean of"
    raise RejectedTask(
        "WorseThanBaseline",
        f"{name} is no better on {len(scored)} held-out rows than {constant} its training rows ({figures}): "
        "check features and target, give other parameters, or a data.window whose rows are like the newest",
    )


def _gain(metric: str, measures: dict[str, Measurement], base: dict[str, Measurement]) -> float:
    difference = measures[metric].value - base[metric].value
    return -difference if metric in LOSSES else difference


def _tells_apart(scored: ScoredRows) -> bool:
    """roc_auc (of answers, where there are no probabilities) is above chance by more than a standard error of chance.

    That of one class is sqrt((n + 1) / (12 n1 n0)): Mann and Whitney, Annals of Mathematical Statistics 18 (1947). The
    mean over classes has at most the mean of theirs.
    """
    if not scored.classes:
        return False
    certain = np.eye(len(scored.classes))[scored.prediction] if scored.probability is None else scored.probability
    area = metric_value("roc_auc", ScoredRows(scored.target, scored.prediction, scored.classes, certain))
    n, of_class = len(scored), np.bincount(scored.target, minlength=len(scored.classes))
    both = of_class[(of_class > 0) & (of_class < n)]
    return len(both) > 0 and area - 0.5 > float(np.sqrt((n + 1) / (12.0 * both * (n - both))).mean())
