"""Which features a model leans on: how much worse it is when a feature's values are dealt to other rows."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.inspection import permutation_importance
from sklearn.pipeline import Pipeline

from perennial_trainer.contract.metric_table import LOSSES
from perennial_trainer.data.rows import Rows
from perennial_trainer.metrics.evaluate import metric_value
from perennial_trainer.models.pipeline import score
from perennial_trainer.models.seed import SEED
from perennial_trainer.progress import Progress

MOST = 5_000  # rows, a seeded sample of more
REPEATS = 5


@dataclass(frozen=True)
class Importance:
    """How much worse the metric becomes on average, and the standard deviation of that over 5 permutations."""

    feature: str
    mean: float
    deviation: float


def importance(metric: str, pipeline: Pipeline, rows: Rows) -> list[Importance]:
    """Permutation importance (Breiman, Random Forests, Machine Learning 45, 2001) of each feature, greatest first.

    Nothing where the metric does not exist for these rows.
    """
    if len(rows) > MOST:
        rows = rows.take(np.sort(np.random.default_rng(SEED).choice(len(rows), MOST, replace=False)))
    names = list(rows.features)
    with Progress("importance, permutations", len(names) * REPEATS + 1) as progress:

        def goodness(fitted: Pipeline, features: Any, target: Any) -> float:
            progress.advance()
            value = metric_value(metric, score(fitted, Rows(rows.columns, features, target, None)))
            return -value if metric in LOSSES else value

        found = permutation_importance(
            pipeline, rows.features, rows.target, scoring=goodness, n_repeats=REPEATS, random_state=SEED
        )
    each = zip(names, found.importances_mean, found.importances_std, strict=True)
    ranked = [Importance(str(name), float(mean), float(std)) for name, mean, std in each if np.isfinite(mean)]
    return sorted(ranked, key=lambda one: -one.mean)
