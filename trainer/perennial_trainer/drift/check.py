"""The drift check: compares recent rows with the reference profile of the live version, and scores the version."""

import logging
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING

import msgspec
from msgspec import UNSET

from perennial_trainer.artifacts.model_file import load_version
from perennial_trainer.contract.errors import RejectedTask, join_names
from perennial_trainer.contract.result import CheckResult, NotMeasured
from perennial_trainer.contract.task import CheckTask
from perennial_trainer.data.notes import Notes
from perennial_trainer.data.schema import Columns
from perennial_trainer.drift.histogram import Histogram, NumericHistogram, empty_histogram
from perennial_trainer.drift.recent_rows.batch import Batch
from perennial_trainer.drift.recent_rows.digest import RowsDigest
from perennial_trainer.drift.recent_rows.period import Period
from perennial_trainer.drift.recent_rows.selection import recent_batches
from perennial_trainer.drift.recent_rows.unreadable import UnreadableShare
from perennial_trainer.drift.summary import DriftSummary, summarize
from perennial_trainer.metrics.sampling import EvenSample
from perennial_trainer.metrics.scored_rows import ScoredRows
from perennial_trainer.metrics.streaming import StreamedMetrics
from perennial_trainer.profiling.profile import Profile, parse_profile
from perennial_trainer.reporting import html
from perennial_trainer.reporting.html import Table, render_page
from perennial_trainer.storage import store
from perennial_trainer.storage.listing import display_uri
from perennial_trainer.storage.version_files import read_version_file

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

    from perennial_trainer.data.rows import Rows

    Model = Callable[[], Future[Pipeline]]

log = logging.getLogger(__name__)

MAX_UNLABELLED = 20_000  # rows without a target that are scored: enough for the distribution of the predictions


@dataclass
class RecentCounts:
    """The counts of the recent rows added."""

    features: dict[str, Histogram]
    target: Histogram
    prediction: Histogram
    probabilities: dict[str, NumericHistogram]
    unlabelled: EvenSample[Batch] | None  # None if rows without a target are not to be scored
    performance: StreamedMetrics = field(default_factory=StreamedMetrics)
    rows: int = 0
    labelled: int = 0
    of_new_class: int = 0  # of the labelled rows
    odd_targets: UnreadableShare = field(default_factory=UnreadableShare)
    period: Period = field(default_factory=Period)
    notes: Notes = field(default_factory=Notes)
    digest: RowsDigest = field(default_factory=RowsDigest)

    def add(self, batch: Batch, model: "Model") -> None:
        """Counts the batch and scores its rows that have a target; a row that the server would refuse has no score."""
        batch.count_into(self.features, self.digest)
        for name, count in batch.unusable.items():
            self.notes.add_unusable(name, count)
        labelled = batch.labelled
        self.odd_targets.add(batch.unreadable_target, int(labelled.sum()))
        if labelled.any():
            rows = batch.rows.take(labelled)
            scored = _score(model, rows)
            self.of_new_class += int((~scored.has_known_class).sum())
            self.target.add(rows.target)
            self.digest.add_values(rows.target)
            self.performance.add(scored)
            self._add_predictions(scored)
        unlabelled = ~labelled & ~batch.refused
        if self.unlabelled is not None and unlabelled.any():
            self.unlabelled.add(batch if unlabelled.all() else batch.take(unlabelled))
        self.rows += len(batch)
        self.labelled += int(labelled.sum())
        self.period.add(batch.time)
        self.digest.add_times(batch.time)

    def score_unlabelled(self, model: "Model") -> None:
        """Counts the predictions for a sample of the rows without a target; call it once, after the last batch."""
        if self.unlabelled is not None and self.unlabelled.batches:
            from perennial_trainer.data.rows import concatenate

            rows = concatenate([batch.rows for batch in self.unlabelled.batches])
            self._add_predictions(_score(model, rows), self.unlabelled.step)

    def require_numbers(self) -> None:
        """Each numeric feature has a number, or no value at all; else a RejectedTask, NonNumericFeature."""
        for name, histogram in self.features.items():
            count = self.notes.unusable[name]
            if count and histogram.rows == histogram.missing:
                raise RejectedTask(
                    "NonNumericFeature",
                    f"none of {count} values of the numeric feature {name} is a finite number: fix what writes the "
                    "column, or say in data.csv how the file writes numbers",
                )

    def _add_predictions(self, scored: ScoredRows, weight: int = 1) -> None:
        self.prediction.add(scored.predicted_values, weight)
        for name, values in scored.class_probabilities.items():
            if name in self.probabilities:
                self.probabilities[name].add(values, weight)

    @property
    def others(self) -> dict[str, list[Histogram]]:
        """The histograms of the predictions, or of the probabilities if the model gives them, and of the target."""
        predictions: list[Histogram] = [each for each in self.probabilities.values() if each.rows]
        others = {"prediction": predictions or [self.prediction], "target": [self.target]}
        return {name: each for name, each in others.items() if each[0].rows}


def _score(model: "Model", rows: "Rows") -> ScoredRows:
    from perennial_trainer.models.pipeline import score

    return score(model().result(), rows)


def check_drift(task: CheckTask) -> CheckResult:
    """The drift of recent rows, and the performance of the live version on rows with a target; details are stored."""
    reference = _load_profile(task)
    recent = _count(task, reference)
    if not recent.rows:
        missing = [NotMeasured(metric=each.metric, reason="there is no row") for each in task.thresholds]
        message = f"{display_uri(task.data.uri)} holds no row" + recent.notes.suffix()
        return CheckResult(
            message=message,
            samples=0,
            metrics=[],
            not_measured=missing or UNSET,
            future_rows=recent.notes.future_rows or UNSET,
        )
    recent.require_numbers()
    log.info("%s rows, %s of them with a target", recent.rows, recent.labelled)
    summary = summarize(
        recent.features,
        recent.others,
        reference.rows,
        recent.performance.measurements(),
        f"{recent.rows} rows, {recent.labelled} with a target",
        task.thresholds,
        recent.labelled,
        recent.of_new_class / recent.labelled if recent.labelled and task.model.task == "classification" else None,
    )
    result = CheckResult(
        message=summary.message + recent.notes.suffix(),
        samples=recent.rows,
        rows_digest=recent.digest.hex(),
        window=recent.period.window(),
        metrics=summary.ranked(),
        not_measured=summary.judged.not_measured or UNSET,
        future_rows=recent.notes.future_rows or UNSET,
        details=store.child_uri(task.storage, "report.html"),
    )
    files = {"drift.json": _details(recent, summary, result), "report.html": _report_page(task, summary, recent.notes)}
    store.write_files(task.storage, files)
    return result


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
    unknown = [name for name in task.model.features.names if name not in profile.features]
    if unknown:
        raise RejectedTask(
            "ProfileMismatch",
            f"{uri} has no column {join_names(unknown)}: {task.live.name} was trained without it; train a new version",
        )
    return profile


def _count(task: CheckTask, reference: Profile) -> RecentCounts:
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
        {name: empty_histogram(reference.features[name]) for name in task.model.features.names},
        empty_histogram(reference.target),
        empty_histogram(reference.prediction),
        {name: NumericHistogram(each) for name, each in reference.probabilities.items()},
        EvenSample(MAX_UNLABELLED) if task.predictions else None,
    )
    with ThreadPoolExecutor(1) as pool:
        # Loaded only if needed: to import scikit-learn takes longer than to count a million rows.
        model = cache(lambda: pool.submit(load_version, task.live))
        if task.predictions:
            model()
        for batch in recent_batches(data, columns, task.now, recent.notes):
            recent.add(batch, model)
        recent.odd_targets.require_few(columns.target, recent.notes)
        recent.score_unlabelled(model)
    return recent


def _details(recent: RecentCounts, summary: DriftSummary, result: CheckResult) -> bytes:
    """Every statistic, and the shares behind each psi; no value of any row."""
    bins = {
        name: {"reference": each.shares_before.tolist(), "recent": (each.counts / each.rows).tolist()}
        for name, each in recent.features.items()
    }
    content = {"answer": result, "features": summary.features, "bins": bins}
    return msgspec.json.format(msgspec.json.encode(content), indent=2)


def _report_page(task: CheckTask, summary: DriftSummary, notes: Notes) -> bytes:
    names = ("psi", "ks", "wasserstein", "js", "chi2", "new_share", "missing_before", "missing_share")
    most_drifted_first = sorted(summary.features.items(), key=lambda pair: -pair[1]["psi"])
    return render_page(
        f"{task.live.name}: drift check of {task.model_deployment}",
        summary.message + ".",
        [
            Table(
                "Features, the greatest drift first",
                [(feature, *(statistics.get(name) for name in names)) for feature, statistics in most_drifted_first],
                ("feature", *(name.replace("_", " ") for name in names)),
            ),
            Table(
                "Metrics of the live version on these rows",
                [(name, each.value, each.standard_error) for name, each in summary.performance.items()],
                ("metric", "value", "standard error"),
            ),
            html.Notes("How the rows were read", notes.sentences()),
        ],
    )
