"""What a model that looks at no feature achieves: who is not better than that has learned nothing."""

import numpy as np
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.pipeline import Pipeline

from perennial_trainer.contract.errors import Refusal
from perennial_trainer.data.rows import Rows
from perennial_trainer.metrics.measures import Measure, Scored, measure, single
from perennial_trainer.models.pipeline import STEP, fit, score

LOWER, HIGHER = ("mse", "mae", "log_loss"), ("accuracy",)


def baseline(fitted: Rows, holdout: Rows) -> dict[str, Measure]:
    """The metrics on the holdout of the mean, or of the classes' frequencies and the most frequent of them."""
    dummy = DummyClassifier(strategy="prior") if fitted.columns.kind == "classification" else DummyRegressor()
    return measure(score(fit(Pipeline([(STEP, dummy)]), fitted), holdout))


def check_better(scored: Scored, measures: dict[str, Measure], base: dict[str, Measure], name: str) -> None:
    """The candidate is better than the baseline in a metric, or tells classes apart; else a Refusal, WorseThanBaseline.

    One metric is enough: a model for the median may have the greater squared error, one that weighs classes equally
    the lower accuracy.
    """
    compared = [metric for metric in (*LOWER, *HIGHER) if metric in measures and metric in base]
    if any(_gain(metric, measures, base) > 0 for metric in compared) or _tells_apart(scored):
        return
    figures = ", ".join(f"{each} {measures[each].value:.6g} against {base[each].value:.6g}" for each in compared)
    constant = "the classes' frequencies in" if scored.classes else "the mean of"
    raise Refusal(
        "WorseThanBaseline",
        f"{name} is no better on {len(scored)} held-out rows than {constant} its training rows ({figures}): "
        "check features and target, give other parameters, or a data.window whose rows are like the newest",
    )


def _gain(metric: str, measures: dict[str, Measure], base: dict[str, Measure]) -> float:
    lower = measures[metric].value - base[metric].value
    return -lower if metric in LOWER else lower


def _tells_apart(scored: Scored) -> bool:
    """roc_auc (of answers, where there are no probabilities) is above chance by more than a standard error of chance.

    That of one class is sqrt((n + 1) / (12 n1 n0)): Mann and Whitney, Annals of Mathematical Statistics 18 (1947). The
    mean over classes has at most the mean of theirs.
    """
    if not scored.classes:
        return False
    certain = np.eye(len(scored.classes))[scored.answer] if scored.probability is None else scored.probability
    area = single("roc_auc", Scored(scored.truth, scored.answer, scored.classes, certain))
    n, of_class = len(scored), np.bincount(scored.truth, minlength=len(scored.classes))
    both = of_class[(of_class > 0) & (of_class < n)]
    return len(both) > 0 and area - 0.5 > float(np.sqrt((n + 1) / (12.0 * both * (n - both))).mean())
