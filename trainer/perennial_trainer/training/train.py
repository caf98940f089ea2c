"""The story of a training: from the data to a stored version."""

import logging

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.pipeline import Pipeline

from perennial_trainer.contract import result
from perennial_trainer.contract.errors import RejectedTask
from perennial_trainer.contract.task import TrainTask
from perennial_trainer.data import load
from perennial_trainer.data.cleaning import clean, without_outliers
from perennial_trainer.data.holdout import split_holdout
from perennial_trainer.data.rows import Rows, concatenate
from perennial_trainer.data.schema import Columns
from perennial_trainer.data.window import Losses, Span, best_span, rows_in_window
from perennial_trainer.metrics.evaluate import require_metrics, row_losses
from perennial_trainer.models.calibration import calibrated
from perennial_trainer.models.estimators import build_estimator
from perennial_trainer.models.frameworks.framework import Framework
from perennial_trainer.models.frameworks.registry import framework_of
from perennial_trainer.models.pipeline import build, check_target, fit, score
from perennial_trainer.profiling.novelty import require_new_rows
from perennial_trainer.profiling.quality import inspect_rows
from perennial_trainer.training import publish as stored
from perennial_trainer.training import search
from perennial_trainer.training.baseline import baseline, check_better
from perennial_trainer.training.publish import Parts, Training

log = logging.getLogger(__name__)


def train(task: TrainTask) -> result.TrainResult:
    """The version is stored whole, and summed up; or a RejectedTask, and nothing is stored."""
    model = task.model
    framework = framework_of(model)
    _check_calibration(task, framework)
    estimator = build_estimator(model)
    scoring = search.check_search(task.search, framework, estimator, model.task) if task.search else ""
    columns = Columns(model.features, model.target, model.task, task.data.time_column)
    unfitted = build(estimator, model.features)
    parts = _parts(task, rows_in_window(load.load_rows(task.data.uri, columns), task.data.window), unfitted)

    found = search.best(task.search, unfitted, parts.fitted, scoring, task.engine) if task.search else None
    parameters = model.parameters | (found.parameters if found else {})
    log.info("fitting %s to %s rows of %s features", model.estimator, len(parts.fitted), len(model.features.names))
    chosen = clone(estimator).set_params(**parameters)
    if task.calibration:
        chosen = calibrated(chosen, task.calibration, parts.fitted)
    pipeline = fit(build(chosen, model.features), parts.fitted)
    log.info("fitted %s to %s rows", model.estimator, len(parts.fitted))

    scored = score(pipeline, parts.holdout)
    measures = require_metrics(scored)
    log.info("holdout of %s rows: %s", len(scored), ", ".join(f"{name} {m.value:.6g}" for name, m in measures.items()))
    base = baseline(parts.fitted, parts.holdout)
    check_better(scored, measures, base, model.estimator)
    return stored.store(Training(task, parts, found, parameters, pipeline, scored, measures, base))


def _parts(task: TrainTask, rows: Rows, unfitted: Pipeline) -> Parts:
    """The rows that were read, by what they are for."""
    cleaned = clean(rows, task.data)
    require_new_rows(cleaned.rows, task)
    held = split_holdout(cleaned.rows, task.data.holdout)
    in_holdout = held.mask(cleaned.rows)
    training, holdout = cleaned.rows.take(~in_holdout), cleaned.rows.take(in_holdout)
    check_target(training)
    findings = inspect_rows(cleaned.rows, task.live)
    span = Span(str(task.data.window), None)
    if task.data.window == "auto":
        least = task.data.min_rows * (1 - task.data.holdout)
        span = best_span(training, task.data.holdout, least, _losses(task, unfitted))
    fitted, outliers = without_outliers(span.select(training), task.data.cleaning)
    incomplete = cleaned.incomplete.take(~held.mask(cleaned.incomplete))
    reference = concatenate([span.select(training), span.select(incomplete)])
    log.info("%s rows to fit, %s held out", len(fitted), len(holdout))
    return Parts(cleaned, findings, training, holdout, span, reference, fitted, outliers)


def _check_calibration(task: TrainTask, framework: Framework) -> None:
    if task.calibration and not framework.CAN_BE_CALIBRATED:
        raise RejectedTask(
            "InvalidTask", f"calibration {task.calibration} is not for framework {task.model.framework}: leave it out"
        )


def _losses(task: TrainTask, unfitted: Pipeline) -> Losses:
    """The losses on late rows of a model fitted to early rows, by which a span is judged."""

    def losses(early: Rows, late: Rows) -> NDArray[np.float64]:
        fitted = fit(clone(unfitted), without_outliers(early, task.data.cleaning)[0])
        return row_losses(score(fitted, late))

    return losses
