"""The story of a drift check: recent rows against what the live version was trained on."""

import logging
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import msgspec
import pandas as pd
from msgspec import UNSET

from perennial_trainer import artifact, report, result, storage
from perennial_trainer.counted import Counted, counted
from perennial_trainer.files import shown
from perennial_trainer.found import Found, found
from perennial_trainer.metrics import Scored
from perennial_trainer.performance import Performance
from perennial_trainer.profile import Profile, parse
from perennial_trainer.recent import recent
from perennial_trainer.refusal import Refusal, listed
from perennial_trainer.rows import Columns, Rows, joined
from perennial_trainer.task import CheckTask
from perennial_trainer.thinned import Thinned
from perennial_trainer.window import iso

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

log = logging.getLogger(__name__)

UNLABELLED = 20_000  # rows without a target that are scored at most: only the distribution of the answers is asked for


@dataclass
class Seen:
    """What has been counted of the recent rows so far."""

    features: dict[str, Counted]
    target: Counted
    prediction: Counted
    performance: Performance = field(default_factory=Performance)
    unlabelled: Thinned[Rows] = field(default_factory=lambda: Thinned(UNLABELLED))
    rows: int = 0
    labelled: int = 0
    start: pd.Timestamp | None = None
    end: pd.Timestamp | None = None

    def add(self, rows: Rows, pipeline: "Future[Pipeline]") -> None:
        for name, values in rows.features.items():
            self.features[str(name)].add(values)
        labelled = rows.target.notna().to_numpy()
        if labelled.any():
            known = rows.take(labelled)
            scored = _score(pipeline.result(), known)
            self.target.add(known.target)
            self.performance.add(scored)
            self.prediction.add(scored.answers)
        if not labelled.all():
            self.unlabelled.add(rows.take(~labelled))
        self.rows += len(rows)
        self.labelled += int(labelled.sum())
        if rows.time is not None and rows.time.notna().any():
            self.start = min(rows.time.min(), self.start or rows.time.min())
            self.end = max(rows.time.max(), self.end or rows.time.max())

    def score_unlabelled(self, pipeline: "Pipeline") -> None:
        if self.rows > self.labelled:
            answers = _score(pipeline, joined(self.unlabelled.parts)).answers
            self.prediction.add(answers, weight=self.unlabelled.every)


def _score(pipeline: "Pipeline", rows: Rows) -> Scored:
    from perennial_trainer.pipeline import score

    return score(pipeline, rows)


def check(task: CheckTask) -> result.Checked:
    """How recent rows differ, and how good the live version is on those that have a target; details are stored."""
    model = task.model
    columns = Columns(model.features, model.target, model.task, task.data.time_column)
    reference = _reference(task)
    seen = Seen(
        {name: counted(reference.features[name]) for name in model.features.names},
        counted(reference.target),
        counted(reference.prediction),
    )
    with ThreadPoolExecutor(1) as pool:  # scikit-learn takes longer to import than a million rows to read
        pipeline = pool.submit(artifact.load, task.live.uri, task.live.sha256)
        for rows in recent(task.data, columns):
            seen.add(rows, pipeline)
        seen.score_unlabelled(pipeline.result())
    if not seen.rows:
        return result.Checked(message=f"{shown(task.data.uri)} holds no row", samples=0, metrics=[])
    log.info("%s rows, %s of them with a target", seen.rows, seen.labelled)

    what = _found(reference, seen)
    answer = result.Checked(
        message=what.message,
        samples=seen.rows,
        window=result.Window(start=iso(seen.start), end=iso(seen.end)) if seen.start and seen.end else UNSET,
        metrics=what.ranked(),
        details=storage.within(task.storage, "report.html"),
    )
    storage.write(task.storage, {"drift.json": _details(seen, what, answer), "report.html": _page(task, what)})
    return answer


def _reference(task: CheckTask) -> Profile:
    """The profile beside the live model. Raises a Refusal: ArtifactMissing, UnreadableProfile, ProfileMismatch."""
    uri = storage.beside(task.live.uri, "profile.json")
    try:
        found = parse(uri, storage.read(uri))
    except FileNotFoundError as error:
        raise Refusal("ArtifactMissing", f"{uri} is not there, so version {task.live.name} is not whole") from error
    unknown = [name for name in task.model.features.names if name not in found.features]
    if unknown:
        raise Refusal("ProfileMismatch", f"{uri} has no {listed(unknown)}: {task.live.name} was trained without it")
    return found


def _found(reference: Profile, seen: Seen) -> Found:
    others = {"prediction": seen.prediction, **({"target": seen.target} if seen.labelled else {})}
    told = f"{seen.rows} rows, {seen.labelled} with a target"
    return found(seen.features, others, reference.rows, seen.performance.measures(), told)


def _details(seen: Seen, found: Found, answer: result.Checked) -> bytes:
    """Every metric, and the shares behind each stability index; no value of any row."""
    bins = {
        name: {"reference": each.reference.shares, "recent": (each.counts / each.rows).tolist()}
        for name, each in seen.features.items()
    }
    content = {"answer": answer, "features": found.features, "bins": bins}
    return msgspec.json.format(msgspec.json.encode(content), indent=2)


def _page(task: CheckTask, found: Found) -> bytes:
    names = ("psi", "ks", "wasserstein", "js", "chi2", "new_share", "missing_before", "missing_share")
    return report.page(
        f"{task.live.name}: drift check of {task.model_deployment}",
        found.message + ".",
        [
            report.Table(
                "Features, the one that moved most first",
                [
                    (feature, *(each.get(name) for name in names))
                    for feature, each in sorted(found.features.items(), key=lambda pair: -pair[1]["psi"])
                ],
                ("feature", *(name.replace("_", " ") for name in names)),
            ),
            report.Table(
                "Metrics of the live version on these rows",
                [(name, m.value, m.standard_error) for name, m in found.measures.items()],
                ("metric", "value", "standard error"),
            ),
        ],
    )
