"""Validates a candidate: the candidate and the live version on the same rows, on which neither was trained."""

import io
import logging
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
import pyarrow as pa
from msgspec import UNSET

from perennial_trainer.artifacts import metadata
from perennial_trainer.artifacts.model_file import load_version
from perennial_trainer.artifacts.own_columns import incomparable, rows_for
from perennial_trainer.artifacts.unseen_rows import unseen_mask
from perennial_trainer.contract import result
from perennial_trainer.contract.errors import RejectedTask, join_names
from perennial_trainer.contract.metric_table import OF_POSITIVE_CLASS, quality_metrics
from perennial_trainer.contract.task import ValidateTask, Version
from perennial_trainer.data.categories import NO_CLASS, to_categories
from perennial_trainer.data.holdout import MIN_ROWS
from perennial_trainer.data.privacy import common_names
from perennial_trainer.data.rows import COPY, GROUP, Rows, convert_rows
from perennial_trainer.data.schema import Columns
from perennial_trainer.metrics.computation import Measurement
from perennial_trainer.metrics.evaluate import measure_all, require_metrics
from perennial_trainer.metrics.scored_rows import ScoredRows
from perennial_trainer.models.scoring import classes_of, score
from perennial_trainer.storage import store
from perennial_trainer.storage.digest import read_verified
from perennial_trainer.validation.bootstrap import estimate_worsening
from perennial_trainer.validation.details import Details
from perennial_trainer.validation.publish import validation_files
from perennial_trainer.validation.refit import measure_refit
from perennial_trainer.validation.slices import worst_groups

log = logging.getLogger(__name__)


def validate_candidate(task: ValidateTask) -> result.ValidateResult:
    """The metrics of both versions and how much worse the candidate is; the gate decides. Details are stored."""
    validation, details = score_candidate(task)
    store.write_files(task.storage, validation_files(task, validation, details()))
    log.info("stored validation.json and validation.html in %s", task.storage)
    return validation


def score_candidate(task: ValidateTask) -> tuple[result.ValidateResult, Callable[[], Details]]:
    """The result of the validation, and what computes the details, which take longer. Nothing is stored."""
    _check_metrics(task)
    holdout = _load_holdout(task)
    rows, rows_for_live = _rows_new_to(task.live, holdout) if task.live else (holdout, None)
    log.info("%s of %s held-out rows are new to both versions", len(rows), len(holdout))
    pipeline = load_version(task.candidate)
    live = load_version(task.live) if task.live else None
    candidate_scored = score(pipeline, rows, classes_of(live))
    live_scored = score(live, rows_for_live, classes_of(pipeline)) if rows_for_live is not None else None
    known = candidate_scored.has_known_class
    if not known.all():
        rows, candidate_scored = rows.take(known), candidate_scored.take(known)
        live_scored = live_scored.take(known) if live_scored is not None else None
    _check_positive_class(task, candidate_scored)

    candidate = require_metrics(candidate_scored)
    against = measure_all(live_scored) if live_scored is not None else {}
    worse: result.Worsening | None = None
    if task.against and live_scored is not None:
        worse = estimate_worsening(
            task.against.metric, candidate_scored, live_scored, task.against.confidence, group_of=rows.alike
        )
    validation = result.ValidateResult(
        message=_message(task, len(holdout), len(rows), candidate, against),
        holdout_rows=len(rows),
        metrics=result.Metrics(candidate=_values(candidate), live=_values(against) or UNSET),
        standard_errors=_standard_errors(candidate) or UNSET,
        worsening=worse or UNSET,
        slices=worst_groups(task.slices, rows, candidate_scored, live_scored) if task.slices and live_scored else UNSET,
        refit=measure_refit(task.refit, rows, candidate_scored, live_scored, task.slices) if task.refit else UNSET,
    )
    metric = _main_metric(task, candidate)
    return validation, lambda: Details.of_rows(metric, rows, pipeline, candidate_scored, live_scored)


def _check_metrics(task: ValidateTask) -> None:
    valid = quality_metrics(task.model.task)
    requested = [("against.metric", task.against.metric)] if task.against else []
    for field, metric in [*requested, *(("slices.metric", each.metric) for each in task.slices)]:
        if metric not in valid:
            raise RejectedTask(
                "UnknownMetric",
                f"validation.{field} {metric} is not a metric of {task.model.task}: choose one of {join_names(valid)}",
            )


def _check_positive_class(task: ValidateTask, scored: ScoredRows) -> None:
    """A metric of the positive class is compared only if there is one."""
    if scored.positive != NO_CLASS:
        return
    counts = {name[:40]: int((scored.target == place).sum()) for place, name in enumerate(scored.classes)}
    requested = [("against.metric", task.against.metric)] if task.against and task.live else []
    for field, metric in [*requested, *(("slices.metric", each.metric) for each in task.slices)]:
        if metric in OF_POSITIVE_CLASS:
            raise RejectedTask(
                "PositiveClassNeeded",
                f"validation.{field} {metric} of the target {task.model.target} is that of one of two classes, "
                f"{common_names(counts, 2)}: name it in model.positiveClass",
            )


def _load_holdout(task: ValidateTask) -> Rows:
    """The candidate's holdout, whose digest was checked."""
    model, holdout = task.model, task.holdout
    source = metadata.load_metadata(task.candidate).source
    sliceable = (*model.features.measured, *source.keep)
    unknown = [each.column for each in task.slices if each.column not in sliceable]
    if unknown:
        raise RejectedTask(
            "InvalidTask",
            f"validation.slices names {join_names(unknown)}, which is not a feature: the holdout has only features and "
            "the columns of data.keep; add it to data.keep",
        )
    try:
        content = read_verified(holdout.uri, holdout.sha256)
        table = pd.read_parquet(io.BytesIO(content))
    except FileNotFoundError as error:
        raise RejectedTask("ArtifactMissing", f"{holdout.uri} does not exist: train a new version") from error
    except pa.ArrowInvalid as error:
        raise RejectedTask("UnreadableFile", f"{holdout.uri} is not a valid parquet file") from error
    columns = Columns(
        model.features,
        model.target,
        model.task,
        source.time_column,
        model.positive_class,
        time_format=source.time_format,
    )
    rows = _with_others(convert_rows(table, columns), table, source.keep)
    return replace(rows, columns=replace(columns, group=source.group_column))


def _with_others(rows: Rows, holdout: pd.DataFrame, keep: Sequence[str]) -> Rows:
    """The rows of a holdout file with its kept columns, groups and numbers of equal rows."""
    kept = {name: holdout[name] for name in keep if name in holdout}
    converted = {name: values if values.dtype.kind == "f" else to_categories(values) for name, values in kept.items()}
    group = holdout[GROUP].to_numpy(dtype=np.uint64) if GROUP in holdout else None
    copies = holdout[COPY].to_numpy(dtype=np.uint64) if COPY in holdout else None
    return replace(rows, group=group, kept=pd.DataFrame(converted) if converted else None, copies=copies)


def _rows_new_to(live: Version, holdout: Rows) -> tuple[Rows, Rows]:
    """The holdout rows on which the live version was not trained, with the candidate's features and with its own.

    Raises a RejectedTask: LiveCannotBeScored, HoldoutTooSmall, and those of `unseen_mask`.
    """
    how = metadata.load_metadata(live)
    if why := incomparable(how, holdout.columns):
        raise RejectedTask("LiveCannotBeScored", f"{why}; remove validation.against or start a new ModelDeployment")
    rows = holdout.take(unseen_mask(holdout, live, how))
    if len(rows) < MIN_ROWS:
        raise RejectedTask(
            "HoldoutTooSmall",
            f"{len(rows)} of {len(holdout)} held-out rows are left after those that {live.name} was trained on, at "
            f"least {MIN_ROWS} are needed: train again when there are more new rows",
        )
    try:
        return rows, rows_for(how, rows)
    except RejectedTask as error:
        raise RejectedTask(
            "LiveCannotBeScored", f"{live.name} cannot be scored on the candidate's holdout: {error.message}"
        ) from error


def _message(
    task: ValidateTask, all_rows: int, rows: int, candidate: dict[str, Measurement], live: dict[str, Measurement]
) -> str:
    name = _main_metric(task, candidate)
    figures = f"{name} {candidate[name].value:.6g}"
    if task.live and name in live:
        figures += f", {task.live.name} {live[name].value:.6g}"
    return f"scored on {rows} of {all_rows} held-out rows: {figures}"


def _main_metric(task: ValidateTask, candidate: dict[str, Measurement]) -> str:
    """The metric of message and details: the one that the gate compares, or the most informative one."""
    return task.against.metric if task.against and task.against.metric in candidate else next(iter(candidate))


def _standard_errors(measures: dict[str, Measurement]) -> dict[str, float]:
    return {name: measure.standard_error for name, measure in measures.items() if measure.standard_error is not None}


def _values(measures: dict[str, Measurement]) -> dict[str, float]:
    return {name: measure.value for name, measure in measures.items()}
