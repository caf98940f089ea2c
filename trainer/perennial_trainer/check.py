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
from perennial_trainer.drift import DRIFTED, significant_share
from perennial_trainer.files import shown
from perennial_trainer.metrics import Measure, Scored
from perennial_trainer.moved import statistics
from perennial_trainer.performance import Performance
from perennial_trainer.profile import Profile, parse
from perennial_trainer.recent import recent
from perennial_trainer.refusal import Refusal, listed
from perennial_trainer.result import DriftMetric
from perennial_trainer.rows import Columns, Rows, joined
from perennial_trainer.task import CheckTask
from perennial_trainer.thinned import Thinned
from perennial_trainer.window import iso

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

log = logging.getLogger(__name__)

CHANGED = 0.001  # a change of the share missing that is worth a line
UNLABELLED = 20_000  # rows without a target that are scored at most: only the distribution of the answers is asked for

Statistics = dict[str, float]


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


@dataclass(frozen=True)
class Found:
    """What has moved, by feature and as a whole, and how good the live version still is."""

    features: dict[str, Statistics]
    whole: dict[str, float]
    measures: dict[str, Measure]
    message: str


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

    found = _found(reference, seen)
    answer = result.Checked(
        message=found.message,
        samples=seen.rows,
        window=result.Window(start=iso(seen.start), end=iso(seen.end)) if seen.start and seen.end else UNSET,
        metrics=_ranked(found),
        details=storage.within(task.storage, "report.html"),
    )
    storage.write(task.storage, {"drift.json": _details(seen, found, answer), "report.html": _page(task, found)})
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
    features = {name: statistics(each, reference.rows) for name, each in seen.features.items()}
    psi = {name: each["psi"] for name, each in features.items()}
    drifted = [name for name, value in psi.items() if value > DRIFTED]
    most = max(psi, key=lambda name: psi[name])
    whole = {
        "drifted_share": len(drifted) / len(psi),
        "prediction_psi": statistics(seen.prediction, reference.rows)["psi"],
        **({"target_psi": statistics(seen.target, reference.rows)["psi"]} if seen.labelled else {}),
        "significant_share": significant_share(
            [value for each in features.values() for name, value in each.items() if name in ("ks_p", "chi2_p")]
        ),
    }
    measures = seen.performance.measures()
    message = (
        f"{seen.rows} rows, {seen.labelled} with a target: {len(drifted)} of {len(psi)} features have a psi above "
        f"{DRIFTED}, the highest is {psi[most]:.3g} of {most}"
    ) + "".join(f"; {name} {m.value:.6g}" for name, m in list(measures.items())[:1])
    return Found(features, whole, measures, message)


def _ranked(found: Found) -> list[DriftMetric]:
    """Most telling first: performance, the whole, then by feature what has moved most; p-values are told last."""
    metrics = [
        DriftMetric(name=name, value=m.value, standard_error=UNSET if m.standard_error is None else m.standard_error)
        for name, m in found.measures.items()
    ]
    metrics += [DriftMetric(name=name, value=round(value, 6)) for name, value in found.whole.items()]
    for name in ("psi", "missing_share", "new_share", "ks", "wasserstein", "js", "chi2", "ks_p", "chi2_p"):
        values = {feature: each[name] for feature, each in found.features.items() if _told(name, each)}
        ordered = sorted(values.items(), key=lambda pair: pair[1], reverse=not name.endswith("_p"))
        metrics += [DriftMetric(name=name, feature=feature, value=round(value, 6)) for feature, value in ordered]
    return metrics


def _told(name: str, statistics: Statistics) -> bool:
    """Shares are told where they have changed, and all else where it is defined."""
    if name == "missing_share":
        return abs(statistics["missing_share"] - statistics["missing_before"]) >= CHANGED
    return name in statistics and (name != "new_share" or statistics[name] > 0)


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
