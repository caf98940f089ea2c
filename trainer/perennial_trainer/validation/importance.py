"""Permutation importance: how much worse a model is when a feature's values are shuffled among the rows."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.inspection import permutation_importance
from sklearn.pipeline import Pipeline

from perennial_trainer.contract.metric_table import LOSSES
from perennial_trainer.data.rows import Rows
from perennial_trainer.metrics.evaluate import metric_value
from perennial_trainer.models.scoring import score
from perennial_trainer.models.seed import SEED
from perennial_trainer.progress import Progress

MAX_ROWS = 5_000  # of more rows, a seeded sample
REPEATS = 5


@dataclass(frozen=True)
class Importance:
    """How much worse the metric becomes: the mean and the standard deviation over 5 permutations."""

    feature: str
    mean: float
    deviation: float


def permutation_importances(metric: str, pipeline: Pipeline, rows: Rows) -> list[Importance]:
    """Permutation importance (Breiman, Random Forests, Machine Learning 45, 2001) of each feature, greatest first.

    Empty if the metric is undefined for these rows.
    """
    if len(rows) > MAX_ROWS:
        rows = rows.take(np.sort(np.random.default_rng(SEED).choice(len(rows), MAX_ROWS, replace=False)))
    names = list(rows.features)
    with Progress("importance, permutations", len(names) * REPEATS + 1) as progress:

        def negative_loss(fitted: Pipeline, features: Any, target: Any) -> float:
            progress.advance()
            value = metric_value(
                metric, score(fitted, Rows(rows.columns, features, target, None, weights=rows.weights))
            )
            return -value if metric in LOSSES else value

        importances = permutation_importance(
            pipeline, rows.features, rows.target, scoring=negative_loss, n_repeats=REPEATS, random_state=SEED
        )
    each = zip(names, importances.importances_mean, importances.importances_std, strict=True)
    ranked = [Importance(str(name), float(mean), float(std)) for name, mean, std in each if np.isfinite(mean)]
    return sorted(ranked, key=lambda importance: -importance.mean)
