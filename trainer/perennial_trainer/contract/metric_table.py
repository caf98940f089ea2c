"""Every metric with a fixed meaning: the operator and the trainer have identical copies of this file.

A drift report may carry other names too: of those, nothing is assumed. The copies are
operator/perennial_operator/core/api/metric_table.py and trainer/perennial_trainer/contract/metric_table.py; a test
compares them with each other and with the contract's schemas.
"""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class MetricEntry:
    """What is known of a metric; a bound of None is infinite."""

    name: str
    kind: Literal["quality", "drift", "data"]
    better: Literal["lower", "higher"]  # of a drift statistic or a share of the data: the value without drift
    minimum: float | None
    maximum: float | None
    task: Literal["regression", "classification"] | None = None  # of a quality metric
    standard_error: bool = False  # whether the trainer's own computation has one


METRIC_TABLE = (
    # Quality: of a model on rows whose target is known. The first of each task is the default of `validation.against`.
    MetricEntry("mse", "quality", "lower", 0.0, None, "regression", standard_error=True),
    MetricEntry("rmse", "quality", "lower", 0.0, None, "regression", standard_error=True),
    MetricEntry("mae", "quality", "lower", 0.0, None, "regression", standard_error=True),
    MetricEntry("r2", "quality", "higher", None, 1.0, "regression"),
    MetricEntry("accuracy", "quality", "higher", 0.0, 1.0, "classification", standard_error=True),
    MetricEntry("f1", "quality", "higher", 0.0, 1.0, "classification"),
    MetricEntry("log_loss", "quality", "lower", 0.0, None, "classification", standard_error=True),
    MetricEntry("roc_auc", "quality", "higher", 0.0, 1.0, "classification"),
    MetricEntry("precision", "quality", "higher", 0.0, 1.0, "classification"),
    MetricEntry("recall", "quality", "higher", 0.0, 1.0, "classification"),
    # Of all features together, or of the target and the predictions.
    MetricEntry("regret", "drift", "lower", None, 1.0, standard_error=True),  # a share of the loss
    MetricEntry("weights_regret", "drift", "lower", None, 1.0, standard_error=True),  # a share of the loss
    MetricEntry("excess_loss", "drift", "lower", None, 1.0, standard_error=True),  # a share of the loss
    MetricEntry("drifted_share", "drift", "lower", 0.0, 1.0),
    MetricEntry("significant_share", "drift", "lower", 0.0, 1.0),
    MetricEntry("prediction_psi", "drift", "lower", 0.0, None),
    MetricEntry("target_psi", "drift", "lower", 0.0, None),
    MetricEntry("new_class_share", "data", "lower", 0.0, 1.0),  # of rows with a class that training did not know
    # Of one feature, in the order in which a check reports them: where space is short, the last are left out first.
    MetricEntry("psi", "drift", "lower", 0.0, None),
    MetricEntry("missing_share", "data", "lower", 0.0, 1.0),
    MetricEntry("missing_increase", "data", "lower", -1.0, 1.0),
    MetricEntry("new_share", "data", "lower", 0.0, 1.0),
    MetricEntry("ks", "drift", "lower", 0.0, 1.0),
    MetricEntry("wasserstein", "drift", "lower", 0.0, None),
    MetricEntry("js", "drift", "lower", 0.0, 1.0),
    MetricEntry("chi2", "drift", "lower", 0.0, None),
    MetricEntry("ks_p", "drift", "higher", 0.0, 1.0),
    MetricEntry("chi2_p", "drift", "higher", 0.0, 1.0),
)
OF_POSITIVE_CLASS = ("f1", "precision", "recall")
"""Metrics of one of two classes: of two texts only if model.positiveClass names it. roc_auc is the same for either."""

REGRET = "regret"
"""How much of its loss the live version would save, were it the challenger."""

WEIGHTS_REGRET = "weights_regret"
"""How much of its loss the live version would save, were its models weighed by rows like the recent ones."""

EXCESS_LOSS = "excess_loss"
"""How much of its loss a version would save, were it the one that it replaces, on the rows that it answered."""

CHANCE_LEVEL = 0.005
"""A drift statistic breaches its limit only where its corrected chance is at most this."""

METRICS_BY_NAME = {entry.name: entry for entry in METRIC_TABLE}
LOSSES = tuple(entry.name for entry in METRIC_TABLE if entry.kind == "quality" and entry.better == "lower")
SCORES = tuple(entry.name for entry in METRIC_TABLE if entry.kind == "quality" and entry.better == "higher")
SLICE_METRICS = tuple(entry.name for entry in METRIC_TABLE if entry.kind == "quality" and entry.minimum == 0)
"""Metrics whose values have a ratio, because they are never negative."""


def quality_metrics(task: str) -> tuple[str, ...]:
    """The quality metrics of `regression` or `classification`, the most informative first."""
    return tuple(entry.name for entry in METRIC_TABLE if entry.task == task)
