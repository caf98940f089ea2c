"""Fits the proven recipe again, to all rows of the window: the model that serves if its guards pass.

Only rows are added, those of the holdout: parameters, span and the number of iterations are those of the proven model.
"""

import logging
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, clone
from sklearn.pipeline import Pipeline

from perennial_trainer.contract.errors import RejectedTask
from perennial_trainer.contract.result import Increase
from perennial_trainer.contract.task import TrainTask
from perennial_trainer.data.cleaning import without_outliers
from perennial_trainer.data.memory import memory_limit
from perennial_trainer.data.rows import Rows, Series, concatenate
from perennial_trainer.models.calibration import calibrate
from perennial_trainer.models.frameworks.framework import STEP
from perennial_trainer.models.frameworks.registry import framework_of
from perennial_trainer.models.pipeline import build_pipeline, check_encoded_size, fit
from perennial_trainer.models.scoring import score
from perennial_trainer.storage.version_files import REFIT_GROUPS, REFIT_ROWS
from perennial_trainer.training.row_sets import RowSets

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Refitted:
    """The second model and the number of its rows; or no model, and `message` says why.

    `quality` is how much worse the holdout rows are than the training rows, in the worst feature of each kind.
    """

    message: str
    pipeline: Pipeline | None = None
    rows: int = 0
    quality: tuple[Increase, ...] = ()

    @property
    def facts(self) -> dict[str, Any]:
        return {"message": self.message, "rows": self.rows, "quality": self.quality}


def fit_recipe(task: TrainTask, estimator: BaseEstimator, rows: Rows) -> Pipeline:
    """The estimator, calibrated if the task says so, fitted to the rows behind its preprocessing."""
    if task.calibration:
        estimator = calibrate(estimator, task.calibration, rows)
    return fit(build_pipeline(estimator, task.model.features), rows)


def refit_to_all(task: TrainTask, estimator: BaseEstimator, proven: Pipeline, rows: RowSets) -> Refitted:
    """The recipe fitted to the training rows and the holdout. What cannot be fitted again fails no training."""
    if rows.training.time is None:
        return Refitted("without data.timeColumn the same rows stay in the holdout of every version")
    fixed = framework_of(task.model).fixed_iterations(estimator_of(proven))
    if fixed is None:
        return Refitted(
            f"the iterations of {task.model.estimator} are chosen by a part of its rows and cannot be fixed"
        )
    all_rows, _ = without_outliers(rows.span.select(rows.cleaned.to_fit(rows.cleaned.rows)), task.data.cleaning)
    log.info("refit: fitting %s to %s rows", task.model.estimator, len(all_rows))
    try:
        check_encoded_size(all_rows, estimator, memory_limit(), whole=bool(task.calibration))
        pipeline = fit_recipe(task, clone(estimator).set_params(**fixed), all_rows)
        score(pipeline, rows.holdout)  # it can predict
    except RejectedTask as rejected:
        log.warning("no refit: %s", rejected.message)
        return Refitted(f"the refit failed: {rejected.message}")
    return Refitted(
        f"fitted again to {len(all_rows)} rows, the holdout included", pipeline, len(all_rows), quality_of_holdout(rows)
    )


def reference_rows(rows: RowSets) -> Rows:
    """All rows of the window as they come, the holdout and those without a target included."""
    return concatenate([rows.span.select(rows.cleaned.rows), rows.span.select(rows.cleaned.waiting)])


def added_digests(rows: RowSets) -> dict[str, NDArray[np.uint64]]:
    """By file, the digests of the rows and groups outside of the training rows: the refit has learned these, too."""
    counted, training = rows.cleaned.rows, rows.training
    digests = {REFIT_ROWS: np.setdiff1d(counted.units, training.units)}
    if counted.group is not None and training.group is not None:
        digests[REFIT_GROUPS] = np.setdiff1d(counted.group, training.group)
    return digests


def estimator_of(pipeline: Pipeline) -> Any:
    """The fitted estimator, which a calibration has fitted to all rows."""
    estimator = pipeline.named_steps[STEP]
    calibrated = getattr(estimator, "calibrated_classifiers_", None)
    return calibrated[0].estimator if calibrated else estimator


def quality_of_holdout(rows: RowSets) -> tuple[Increase, ...]:
    """By the metrics of a drift check: how many values are missing beyond the share of the training rows, or new."""
    training, holdout = rows.span.select(rows.training).measured, rows.holdout.measured
    worst = []
    for metric in ("missing_increase", "new_share"):
        shares = {
            str(name): _share(metric, training[name], values)
            for name, values in holdout.items()
            if metric == "missing_increase" or values.dtype.kind != "f"
        }
        if shares:
            feature = max(shares, key=lambda name: shares[name])
            worst.append(Increase(name=metric, feature=feature, value=shares[feature]))
    return tuple(worst)


def _share(metric: str, before: "Series[Any]", after: "Series[Any]") -> float:
    if metric == "missing_increase":
        return float(after.isna().mean() - before.isna().mean())
    return float(np.mean(after.notna() & ~after.isin(before.dropna().unique())))
