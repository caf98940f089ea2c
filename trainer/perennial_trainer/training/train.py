"""Trains a version: from the data to the stored files."""

import logging
from dataclasses import replace

import msgspec
import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, clone
from sklearn.pipeline import Pipeline

from perennial_trainer.artifacts.adopted import check_fit, read_adopted
from perennial_trainer.contract import result
from perennial_trainer.contract.errors import Problems, RejectedTask
from perennial_trainer.contract.task import TrainTask
from perennial_trainer.data import load
from perennial_trainer.data.cleaning import Cleaned, clean, without_outliers
from perennial_trainer.data.holdout import HoldoutSplit, older_than, split_holdout, with_copies
from perennial_trainer.data.memory import memory_limit
from perennial_trainer.data.notes import Notes
from perennial_trainer.data.rows import Rows, concatenate
from perennial_trainer.data.schema import Columns
from perennial_trainer.data.tables.source import place_of
from perennial_trainer.data.window import WHOLE, Losses, Span, best_span, require_time_column
from perennial_trainer.metrics.computation import Measurement
from perennial_trainer.metrics.evaluate import require_metrics, row_losses
from perennial_trainer.metrics.scored_rows import ScoredRows
from perennial_trainer.models.estimators import build_estimator
from perennial_trainer.models.frameworks.framework import Framework
from perennial_trainer.models.frameworks.registry import framework_of
from perennial_trainer.models.pipeline import (
    build_pipeline,
    check_encoded_size,
    check_positive_class,
    check_target,
    fit,
)
from perennial_trainer.models.scoring import score
from perennial_trainer.profiling.novelty import require_new_rows
from perennial_trainer.profiling.quality import Findings, inspect_rows
from perennial_trainer.storage import store as storage
from perennial_trainer.storage.listing import files_digest
from perennial_trainer.training.baseline import measure_baseline, require_better
from perennial_trainer.training.blending.blend import Blend, blend_with, needs_whole, refit_blend, weigh_again
from perennial_trainer.training.blending.kept import Kept, NoBlend, kept_models
from perennial_trainer.training.publish import Training, store_training
from perennial_trainer.training.refit import Refitted, fit_recipe, refit_to_all
from perennial_trainer.training.row_sets import RowSets
from perennial_trainer.training.search import check_search, search_parameters
from perennial_trainer.training.version_folder import require_new_folder
from perennial_trainer.training.workers.engine import Workers, use_engine
from perennial_trainer.training.workers.spread_rows import check_spread

log = logging.getLogger(__name__)


def train_version(task: TrainTask) -> result.TrainResult:
    """The result of a training whose version is stored completely. After a RejectedTask, nothing is stored."""
    model = task.model
    framework = framework_of(model)
    require_new_folder(task)
    _check_calibration(task, framework)
    estimator = build_estimator(model)
    scoring = check_search(task.search, framework, estimator, model.task) if task.search else ""
    if task.engine:
        check_spread(estimator, task.search.space if task.search else {})
    require_time_column(task.data.window, task.data.time_column)
    adopted = read_adopted(task.adopt, task) if task.adopt else None
    notes, files = Notes(), files_digest(task.data.uri) if task.data.uri else None
    try:
        _require_other_files(task, files)
        storage.require_writable(task.storage)  # before a row is read: a training may take hours
        if adopted:
            return _adopt(task, adopted, estimator, notes)
        with use_engine(task.engine) as workers:
            return _train(task, estimator, scoring, notes, workers)
    except RejectedTask as refusal:
        # With rows of the future, the same files may be right later.
        refusal.files = None if notes.future_rows else files
        raise


def _require_other_files(task: TrainTask, files: str | None) -> None:
    """The files are not those that the task names; else a RejectedTask, FilesUnchanged."""
    if task.refused_files is not None and task.refused_files.sha256 == files:
        raise RejectedTask(
            "FilesUnchanged",
            f"{place_of(task.data)} has the files for which {task.refused_files.name} was refused, unchanged",
        )


def _train(
    task: TrainTask, estimator: BaseEstimator, scoring: str, notes: Notes, workers: Workers | None
) -> result.TrainResult:
    model, columns = task.model, _columns(task)
    unfitted = build_pipeline(estimator, model.features)
    kept = kept_models(task)
    rows = _load(task, columns, unfitted, notes, kept)
    known = kept if isinstance(kept, Kept) and rows.weighing is not None else None
    search, parameters, blend = None, model.parameters, None
    if known and task.blend == "weights":
        blend, pipeline = weigh_again(known, rows), None
    else:
        search = search_parameters(task.search, unfitted, rows.fitted, scoring, workers) if task.search else None
        parameters = model.parameters | (search.parameters if search else {})
        estimator = clone(estimator).set_params(**(search.parameters if search else {}))
        pipeline = _fitted(task, estimator, rows) if not known or needs_whole(known, task, rows) else None
        blend = blend_with(known, task, estimator, pipeline, rows) if known else None
    if blend:
        pipeline = blend.pipeline
    if known and blend and not blend.fits:
        search, parameters = None, known.how.parameters  # what a search has chosen made no model
    scored, measurements = _scored(pipeline, rows)
    baseline = measure_baseline(rows.fitted, rows.holdout)
    require_better(scored, measurements, baseline, model.estimator)
    refit = _refit(task, estimator, pipeline, blend, rows) if task.refit else None
    return store_training(
        Training(task, rows, search, parameters, pipeline, scored, measurements, baseline, notes, refit, blend)
    )


def _adopt(task: TrainTask, pipeline: Pipeline, estimator: BaseEstimator, notes: Notes) -> result.TrainResult:
    """The existing model becomes the version, scored on the holdout. The gate alone judges it."""
    unfitted = build_pipeline(estimator, task.model.features)
    rows = _load(task, _columns(task), unfitted, notes, NoBlend("the task adopts a model"))
    check_fit(task, pipeline, rows.fitted, rows.holdout)
    scored, measurements = _scored(pipeline, rows)
    baseline = measure_baseline(rows.fitted, rows.holdout)
    return store_training(Training(task, rows, None, {}, pipeline, scored, measurements, baseline, notes))


def _fitted(task: TrainTask, estimator: BaseEstimator, rows: RowSets) -> Pipeline:
    names = task.model.features.names
    log.info("fitting %s to %s rows of %s features", task.model.estimator, len(rows.fitted), len(names))
    pipeline = fit_recipe(task, estimator, rows.fitted)
    log.info("fitted %s to %s rows", task.model.estimator, len(rows.fitted))
    return pipeline


def _scored(pipeline: Pipeline, rows: RowSets) -> tuple[ScoredRows, dict[str, Measurement]]:
    scored = score(pipeline, rows.holdout)
    measurements = require_metrics(scored)
    metrics = ", ".join(f"{name} {each.value:.6g}" for name, each in measurements.items())
    log.info("holdout of %s rows: %s", len(scored), metrics)
    return scored, measurements


def _refit(task: TrainTask, estimator: BaseEstimator, proven: Pipeline, blend: Blend | None, rows: RowSets) -> Refitted:
    return refit_blend(task, estimator, blend, rows) if blend else refit_to_all(task, estimator, proven, rows)


def _columns(task: TrainTask) -> Columns:
    model, data = task.model, task.data
    return Columns(
        model.features,
        model.target,
        model.task,
        data.time_column,
        model.positive_class,
        data.group_column,
        data.keep,
        data.time_format,
        data.csv,
    )


def _load(task: TrainTask, columns: Columns, unfitted: Pipeline, notes: Notes, kept: Kept | NoBlend) -> RowSets:
    """The rows by their use. Raises one RejectedTask that lists all problems of the data."""
    problems = Problems()
    rows = load.load_rows(task.data, columns, task.now, notes, problems, task.data.window)
    cleaned = clean(rows, task.data, problems)
    cleaned = replace(cleaned, rows=with_copies(cleaned.rows))
    counted = cleaned.rows
    if not problems:
        require_new_rows(counted, task)
    if not len(counted):
        problems.raise_all()
    findings = inspect_rows(counted, task.live, task.data.allow_leaks, problems)
    split = None
    with problems.collecting():
        split = split_holdout(counted, task.data.holdout_share(len(counted)))
    side = counted.take(split.training_mask(counted)) if split else counted
    to_fit = cleaned.to_fit(side)
    for check in (check_target, check_positive_class):
        with problems.collecting():
            check(to_fit if len(to_fit) else side)  # without a complete row there is a problem already
    problems.raise_all()
    assert split is not None  # else there is a problem
    findings = msgspec.structs.replace(findings, cleaning=cleaned.findings)
    return _row_sets(task, cleaned, findings, split, to_fit, unfitted, kept)


def _row_sets(
    task: TrainTask,
    cleaned: Cleaned,
    findings: Findings,
    split: HoldoutSplit,
    to_fit: Rows,
    unfitted: Pipeline,
    kept: Kept | NoBlend,
) -> RowSets:
    check_target(to_fit)
    check_encoded_size(to_fit, unfitted[-1], memory_limit(), whole=bool(task.search or task.calibration))
    counted = cleaned.rows
    training, holdout = counted.take(split.training_mask(counted)), counted.take(split.mask(counted))
    held_out, weighing = len(holdout), None
    span = Span(str(task.data.window), None)
    divided = kept if isinstance(kept, NoBlend) else kept.divided(to_fit, holdout)
    if not isinstance(divided, NoBlend):
        weighing, holdout = divided
        training = older_than(counted, holdout)
        span = Span(WHOLE, None)
    elif task.data.window == "auto" and task.adopt:
        span = Span(WHOLE, None)  # nothing is fitted, by which a span could be judged
    elif task.data.window == "auto":
        share = task.data.holdout_share(len(counted))
        min_rows = task.data.min_rows * (1 - task.data.holdout)
        span = best_span(to_fit, share, min_rows, _losses(task, unfitted))
    fitted, outliers = without_outliers(span.select(to_fit), task.data.cleaning)
    waiting = cleaned.waiting.take(split.training_mask(cleaned.waiting))
    reference = concatenate([span.select(training), span.select(waiting)])
    log.info("%s rows to fit, %s in the holdout", len(fitted), len(holdout))
    used = training, holdout, span, reference, fitted, outliers
    no_blend = divided.reason if isinstance(divided, NoBlend) else ""
    return RowSets(cleaned, findings, *used, to_fit, held_out, weighing, no_blend)


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
