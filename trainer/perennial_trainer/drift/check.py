"""The story of a drift check: recent rows against what the live version was trained on."""

import logging
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING

import msgspec
from msgspec import UNSET, UnsetType

from perennial_trainer.artifacts import model_file as artifact
from perennial_trainer.contract import result
from perennial_trainer.contract.errors import RejectedTask, join_names
from perennial_trainer.contract.task import CheckTask
from perennial_trainer.data.schema import Columns
from perennial_trainer.drift.batch import Batch
from perennial_trainer.drift.histogram import Histogram, empty_histogram
from perennial_trainer.drift.recent import recent_batches
from perennial_trainer.drift.summary import DriftSummary, summarize
from perennial_trainer.metrics.sampling import EvenSample
from perennial_trainer.metrics.scored_rows import ScoredRows
from perennial_trainer.metrics.streaming import StreamedMetrics
from perennial_trainer.profiling.profile import Profile, parse_profile
from perennial_trainer.reporting import html
from perennial_trainer.storage import store
from perennial_trainer.storage.listing import display_uri

if TYPE_CHECKING:
    import pandas as pd
    from sklearn.pipeline import Pipeline

    from perennial_trainer.data.rows import Rows

    Model = Callable[[], Future[Pipeline]]

log = logging.getLogger(__name__)

UNLABELLED = 20_000  # rows without a target that are scored at most: only the distribution of the answers is asked for


@dataclass
class RecentCounts:
    """What has been counted of the recent rows so far."""

    features: dict[str, Histogram]
    target: Histogram
    prediction: Histogram
    unlabelled: EvenSample[Batch] | None  # None where nobody asks what the model would answer for them
    performance: StreamedMetrics = field(default_factory=StreamedMetrics)
    rows: int = 0
    labelled: int = 0
    start: "pd.Timestamp | None" = None
    end: "pd.Timestamp | None" = None

    def add(self, part: Batch, model: "Model") -> None:
        part.count(self.features)
        labelled = part.labelled
        if labelled.any():
            known = part.rows.take(labelled)
            scored = _score(model, known)
            self.target.add(known.target)
            self.performance.add(scored)
            self.prediction.add(scored.predicted_values)
        if self.unlabelled is not None and not labelled.all():
            self.unlabelled.add(part.take(~labelled) if labelled.any() else part)
        self.rows += len(part)
        self.labelled += int(labelled.sum())
        if part.time is not None and part.time.notna().any():
            self.start = min(part.time.min(), self.start or part.time.min())
            self.end = max(part.time.max(), self.end or part.time.max())

    def score_unlabelled(self, model: "Model") -> None:
        if self.unlabelled is not None and self.unlabelled.batches:
            from perennial_trainer.data.rows import concatenate

            answers = _score(model, concatenate([part.rows for part in self.unlabelled.batches])).predicted_values
            self.prediction.add(answers, weight=self.unlabelled.step)


def _score(model: "Model", rows: "Rows") -> ScoredRows:
    from perennial_trainer.models.pipeline import score

    return score(model().result(), rows)


def check_drift(task: CheckTask) -> result.CheckResult:
    """How recent rows differ, and how good the live version is on those that have a target; details are stored."""
    columns = Columns(task.model.features, task.model.target, task.model.task, task.data.time_column)
    reference = _reference(task)
    seen = RecentCounts(
        {name: empty_histogram(reference.features[name]) for name in task.model.features.names},
        empty_histogram(reference.target),
        empty_histogram(reference.prediction),
        EvenSample(UNLABELLED) if task.predictions else None,
    )
    with ThreadPoolExecutor(1) as pool:
        # Not at all where nobody asks: scikit-learn takes longer to import than a million rows to count.
        model = cache(lambda: pool.submit(artifact.load, task.live.uri, task.live.sha256))
        if task.predictions:
            model()  # while the rows are read
        for part in recent_batches(task.data, columns):
            seen.add(part, model)
        seen.score_unlabelled(model)
    if not seen.rows:
        return result.CheckResult(message=f"{display_uri(task.data.uri)} holds no row", samples=0, metrics=[])
    log.info("%s rows, %s of them with a target", seen.rows, seen.labelled)

    what = _found(reference, seen)
    answer = result.CheckResult(
        message=what.message,
        samples=seen.rows,
        window=_window(seen),
        metrics=what.ranked(),
        details=store.child_uri(task.storage, "report.html"),
    )
    store.write_files(task.storage, {"drift.json": _details(seen, what, answer), "report.html": _page(task, what)})
    return answer


def _window(seen: RecentCounts) -> result.Window | UnsetType:
    if not seen.start or not seen.end:
        return UNSET
    from perennial_trainer.data.window import iso_time

    return result.Window(start=iso_time(seen.start), end=iso_time(seen.end))


def _reference(task: CheckTask) -> Profile:
    """The profile beside the live model. Raises a RejectedTask: ArtifactMissing, UnreadableProfile, ProfileMismatch."""
    uri = store.sibling_uri(task.live.uri, "profile.json")
    try:
        found = parse_profile(uri, store.read_bytes(uri))
    except FileNotFoundError as error:
        raise RejectedTask(
            "ArtifactMissing", f"{uri} is not there, so version {task.live.name} is not whole"
        ) from error
    unknown = [name for name in task.model.features.names if name not in found.features]
    if unknown:
        raise RejectedTask(
            "ProfileMismatch", f"{uri} has no {join_names(unknown)}: {task.live.name} was trained without it"
        )
    return found


def _found(reference: Profile, seen: RecentCounts) -> DriftSummary:
    others = {name: each for name, each in (("prediction", seen.prediction), ("target", seen.target)) if each.rows}
    told = f"{seen.rows} rows, {seen.labelled} with a target"
    return summarize(seen.features, others, reference.rows, seen.performance.measurements(), told)


def _details(seen: RecentCounts, found: DriftSummary, answer: result.CheckResult) -> bytes:
    """Every metric, and the shares behind each stability index; no value of any row."""
    bins = {
        name: {"reference": each.reference.shares, "recent": (each.counts / each.rows).tolist()}
        for name, each in seen.features.items()
    }
    content = {"answer": answer, "features": found.features, "bins": bins}
    return msgspec.json.format(msgspec.json.encode(content), indent=2)


def _page(task: CheckTask, found: DriftSummary) -> bytes:
    names = ("psi", "ks", "wasserstein", "js", "chi2", "new_share", "missing_before", "missing_share")
    return html.render_page(
        f"{task.live.name}: drift check of {task.model_deployment}",
        found.message + ".",
        [
            html.Table(
                "Features, the one that moved most first",
                [
                    (feature, *(each.get(name) for name in names))
                    for feature, each in sorted(found.features.items(), key=lambda pair: -pair[1]["psi"])
                ],
                ("feature", *(name.replace("_", " ") for name in names)),
            ),
            html.Table(
                "Metrics of the live version on these rows",
                [(name, m.value, m.standard_error) for name, m in found.measures.items()],
                ("metric", "value", "standard error"),
            ),
        ],
    )
