"""The drift check: compares recent rows with the reference profile of the live version, and scores the version."""

import logging
from concurrent.futures import Executor, ThreadPoolExecutor
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING

import msgspec
from msgspec import UNSET

from perennial_trainer.artifacts.model_file import load_scorer, load_version
from perennial_trainer.contract.errors import RejectedTask, join_names
from perennial_trainer.contract.metric_table import EXCESS_LOSS, REGRET
from perennial_trainer.contract.result import CheckResult, NotMeasured
from perennial_trainer.contract.task import CheckTask
from perennial_trainer.data.notes import Notes
from perennial_trainer.data.schema import Columns
from perennial_trainer.data.tables.source import place_of
from perennial_trainer.drift.histogram import NumericHistogram, empty_histogram
from perennial_trainer.drift.judged import metric_of
from perennial_trainer.drift.paired.same_rows import Compared, Saved
from perennial_trainer.drift.recent_counts import MAX_COMPARED, MAX_UNLABELLED, RecentCounts, most_rows
from perennial_trainer.drift.recent_rows.selection import recent_batches
from perennial_trainer.drift.summary import DriftSummary, summarize
from perennial_trainer.metrics.sampling import EvenSample
from perennial_trainer.profiling.profile import Profile, parse_profile
from perennial_trainer.storage import store
from perennial_trainer.storage.version_files import read_version_file

if TYPE_CHECKING:
    from perennial_trainer.drift.recent_counts import Model

log = logging.getLogger(__name__)


def check_drift(task: CheckTask) -> CheckResult:
    """The drift of recent rows, and the performance of the live version on rows with a target; details are stored."""
    reference = _load_profile(task)
    with ThreadPoolExecutor(3) as pool:
        page_module = pool.submit(import_module, "perennial_trainer.drift.page.report_page")  # while rows are read
        # Loaded only if needed: to import scikit-learn takes longer than to count a million rows.
        model = cache(lambda: pool.submit(load_scorer, task.live))
        pipeline = cache(lambda: pool.submit(load_version, task.live))
        recent = _count(task, reference, model, pool)
        if not recent.rows:
            return _no_rows(task, recent.notes)
        recent.require_numbers()
        log.info("%s rows, %s of them with a target", recent.rows, recent.labelled)
        if recent.labelled < recent.rows:
            _add_late_rows(task, recent, model)
        compared = _compared(task, recent, pipeline)
    summary = _summary(task, reference, recent, compared.saved)
    not_measured = [each for each in summary.judged.not_measured if each.metric not in (REGRET, EXCESS_LOSS)]
    not_measured += [compared.saved] if isinstance(compared.saved, NotMeasured) else []
    waiting = recent.rows - recent.labelled if task.data.captured and task.data.captured.labels else None
    result = CheckResult(
        message=summary.message + _waiting_text(task, waiting) + recent.notes.suffix(),
        samples=recent.labelled if task.against else recent.rows,
        rows_digest=recent.digest.hex(),
        window=recent.period.window(),
        metrics=summary.ranked(),
        not_measured=not_measured or UNSET,
        future_rows=recent.notes.future_rows or UNSET,
        waiting=UNSET if waiting is None else waiting,
        against=[metric_of(name, each) for name, each in compared.of_other.items()] or UNSET,
        details=store.child_uri(task.storage, "report.html"),
    )
    page = page_module.result().drift_page(task, reference, recent, summary, result)
    files = {"drift.json": _details(recent, summary, result), "report.html": page}
    store.write_files(task.storage, files)
    return result


def _waiting_text(task: CheckTask, waiting: int | None) -> str:
    if not waiting or not task.data.captured or not task.data.captured.labels:
        return ""
    return f"; {waiting} rows wait for their label, which counts after {task.data.captured.labels.mature}"


def _no_rows(task: CheckTask, notes: Notes) -> CheckResult:
    missing = [NotMeasured(metric=each.metric, reason="there is no row") for each in task.thresholds]
    return CheckResult(
        message=f"{place_of(task.data)} holds no row" + notes.suffix(),
        samples=0,
        metrics=[],
        not_measured=missing or UNSET,
        future_rows=notes.future_rows or UNSET,
    )


def _summary(task: CheckTask, reference: Profile, recent: RecentCounts, saved: Saved | None) -> DriftSummary:
    return summarize(
        recent.features,
        recent.others,
        reference.rows,
        recent.performance.measurements() | (saved if isinstance(saved, dict) else {}),
        recent.counts,
        task.thresholds,
        recent.labelled or len(recent.late or ()),
        recent.of_new_class / recent.labelled if recent.labelled and task.model.task == "classification" else None,
    )


def _load_profile(task: CheckTask) -> Profile:
    """The profile beside the live model.

    Raises a RejectedTask: ArtifactMissing, DigestMismatch, UnreadableProfile, ProfileMismatch.
    """
    uri = store.sibling_uri(task.live.uri, "profile.json")
    try:
        profile = parse_profile(uri, read_version_file(task.live, "profile.json"))
    except FileNotFoundError as error:
        raise RejectedTask(
            "ArtifactMissing", f"{uri} does not exist, so version {task.live.name} is not complete: train it again"
        ) from error
    unknown = [name for name in task.model.features.measured if name not in profile.features]
    if unknown:
        raise RejectedTask(
            "ProfileMismatch",
            f"{uri} has no column {join_names(unknown)}: {task.live.name} was trained without it; train a new version",
        )
    return profile


def _count(task: CheckTask, reference: Profile, model: "Model", pool: Executor) -> RecentCounts:
    """The counts of all recent rows; the model is loaded while the first rows are read."""
    data = task.data
    columns = Columns(
        task.model.features,
        task.model.target,
        task.model.task,
        data.time_column,
        task.model.positive_class,
        time_format=data.time_format,
        csv=data.csv,
    )
    recent = RecentCounts(
        pool,
        {name: empty_histogram(reference.features[name]) for name in task.model.features.measured},
        empty_histogram(reference.target),
        empty_histogram(reference.prediction),
        {name: NumericHistogram(each) for name, each in reference.probabilities.items()},
        EvenSample(MAX_UNLABELLED) if task.predictions else None,
        EvenSample(most_rows(MAX_COMPARED, task.model.features)) if task.challenger or task.against else None,
    )
    if task.predictions:
        model()
    for batch in recent_batches(data, columns, task.now, recent.notes):
        recent.add(batch, model)
    recent.odd_targets.require_few(columns.target, recent.notes)
    recent.score_unlabelled(model)
    return recent


def _add_late_rows(task: CheckTask, recent: RecentCounts, model: "Model") -> None:
    from perennial_trainer.drift.earlier_rows import add_late_rows

    add_late_rows(task, recent, model)


def _compared(task: CheckTask, recent: RecentCounts, model: "Model") -> Compared:
    """The version beside a challenger, or beside the version that it replaces."""
    if task.against is not None:
        from perennial_trainer.drift.paired.excess_loss import measure_excess

        return measure_excess(task.against, recent, model)
    if task.challenger is None:
        return Compared()
    from perennial_trainer.drift.challenger import measure_regret

    return Compared(measure_regret(task, recent, model))


def _details(recent: RecentCounts, summary: DriftSummary, result: CheckResult) -> bytes:
    """Every statistic, and the shares behind each psi; no value of any row."""
    bins = {
        name: {"reference": each.shares_before.tolist(), "recent": (each.counts / each.rows).tolist()}
        for name, each in recent.features.items()
    }
    content = {"answer": result, "features": summary.features, "bins": bins}
    return msgspec.json.format(msgspec.json.encode(content), indent=2)
