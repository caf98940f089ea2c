"""How much worse a candidate is than the live version, with a bootstrap bound."""

import numpy as np
from numpy.typing import NDArray

from perennial_trainer.contract.errors import RejectedTask
from perennial_trainer.contract.metric_table import LOSSES
from perennial_trainer.contract.result import Worsening
from perennial_trainer.metrics.evaluate import resampled_values
from perennial_trainer.metrics.scored_rows import Floats, Groups, ScoredRows
from perennial_trainer.progress import Progress

RESAMPLES = 2000
MAX_GROUPS = 4096  # more rows are resampled in so many random groups of equal size
BATCH = 250  # resamples in memory


def estimate_worsening(
    metric: str,
    candidate: ScoredRows,
    live: ScoredRows,
    confidence: float,
    seed: int = 0,
    group_of: NDArray[np.uint64] | None = None,
) -> Worsening:
    """The candidate's worsening against the live version on the same rows, in the same order.

    With `group_of` each row, groups are drawn instead of rows: rows of one group are alike.

    `upper` is the one-sided percentile bound of a paired bootstrap over the rows: each resample scores both versions on
    the same rows (Efron and Tibshirani, An Introduction to the Bootstrap, 1993, chapters 13 and 15). Raises a
    RejectedTask, MetricUndefined, if the metric is undefined on these rows.
    """
    n = len(candidate)
    generator = np.random.default_rng(seed)
    units = np.arange(n) if group_of is None else np.unique(group_of, return_inverse=True)[1]
    size = int(units.max()) + 1
    groups = min(size, MAX_GROUPS)
    group = (generator.permutation(size) % groups)[units]
    parts = []
    with Progress("bootstrap, resamples", RESAMPLES) as progress:
        for _ in range(RESAMPLES // BATCH):
            drawn = generator.integers(0, groups, (BATCH, groups)) + np.arange(BATCH)[:, None] * groups
            weights = np.bincount(drawn.ravel(), minlength=BATCH * groups).reshape(BATCH, groups)
            parts.append(_difference(metric, candidate, live, group, weights.astype(np.float64)))
            progress.advance(BATCH)
    resamples = np.concatenate(parts)
    estimate = float(_difference(metric, candidate, live, group, np.ones((1, groups)))[0])
    defined = resamples[~np.isnan(resamples)]
    upper = float(np.quantile(defined, confidence, method="higher")) if len(defined) >= RESAMPLES / 2 else np.nan
    if not np.isfinite([estimate, upper]).all():
        raise RejectedTask(
            "MetricUndefined",
            f"validation.against.metric {metric} cannot be compared on these {n} rows (a {metric} of 0, one class "
            "only, or no probabilities): choose another metric, or collect more rows",
        )
    return Worsening(metric=metric, estimate=estimate, upper=upper, confidence=confidence)


def _difference(metric: str, candidate: ScoredRows, live: ScoredRows, group: Groups, weights: Floats) -> Floats:
    of_candidate = resampled_values(metric, candidate, group, weights)
    of_live = resampled_values(metric, live, group, weights)
    if metric not in LOSSES:
        return of_live - of_candidate
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(of_candidate == of_live, 0.0, of_candidate / of_live - 1)
