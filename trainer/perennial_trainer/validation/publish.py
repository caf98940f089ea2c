"""What a validation leaves in storage: its answer with what was looked into, and the version's whole page."""

import json
from dataclasses import dataclass
from typing import Any

import msgspec
from sklearn.pipeline import Pipeline

from perennial_trainer.artifacts import metadata
from perennial_trainer.artifacts.metadata import Metadata
from perennial_trainer.contract import result
from perennial_trainer.contract.errors import RejectedTask
from perennial_trainer.contract.metric_table import LOSSES
from perennial_trainer.contract.task import ValidateTask, Version
from perennial_trainer.data.rows import Rows
from perennial_trainer.metrics.scored_rows import ScoredRows
from perennial_trainer.reporting import html, prediction_figures
from perennial_trainer.reporting.figures import bar_chart, shorten
from perennial_trainer.reporting.model_card import model_card_sections
from perennial_trainer.storage import store
from perennial_trainer.storage.digest import read_verified
from perennial_trainer.validation.importance import Importance, importance
from perennial_trainer.validation.slices import Slice, slices

METRICS = "metrics.json"
LABEL = 32  # characters, which leave room for the count


@dataclass(frozen=True)
class Details:
    """What no gate asks for and a person wants to know; `metric` is the one of slices and importances."""

    metric: str
    candidate: ScoredRows
    live: ScoredRows | None
    slices: list[Slice]
    importances: list[Importance]

    @classmethod
    def at(
        cls, metric: str, rows: Rows, pipeline: Pipeline, candidate: ScoredRows, live: ScoredRows | None
    ) -> "Details":
        found = slices(metric, rows, candidate, live)
        return cls(metric, candidate, live, found, importance(metric, pipeline, rows))


def files(task: ValidateTask, answer: result.ValidateResult, looked: Details) -> dict[str, bytes]:
    """`validation.json` and `validation.html`. Raises a RejectedTask: ArtifactMissing, DigestMismatch."""
    more = {"metric": looked.metric, "groups": looked.slices, "importances": looked.importances}
    content = msgspec.to_builtins(answer) | msgspec.to_builtins(more)
    return {
        "validation.json": msgspec.json.format(msgspec.json.encode(content), indent=2),
        "validation.html": _page(task, answer, looked),
    }


def _page(task: ValidateTask, answer: result.ValidateResult, looked: Details) -> bytes:
    record = metadata.of(task.candidate)
    measured = _measured(task.candidate, record)
    live = task.live.name if task.live else None
    scored = {task.version: looked.candidate}
    if live and looked.live is not None:
        scored[f"{live} (live)"] = looked.live
    better = "lower is better" if looked.metric in LOSSES else "higher is better"
    return html.render_page(
        f"{task.version} of {task.model_deployment}",
        f"{task.model.estimator} for {task.model.task} of {task.model.target}: {answer.message}.",
        [
            _metrics(task, answer, measured),
            _worst(answer),
            _worsening(answer),
            *prediction_figures.draw_predictions(scored),
            bar_chart(
                f"{looked.metric} by slice",
                [
                    (
                        f"{shorten(f'{each.feature} = {each.category}', LABEL)} ({each.rows} rows)",
                        [each.candidate, each.live][: len(scored)],
                    )
                    for each in looked.slices
                ],
                list(scored),
                f"Categories of at least 10 rows; {better}.",
            ),
            bar_chart(
                "Permutation importance",
                [(each.feature, [each.mean]) for each in looked.importances],
                [looked.metric],
                f"How much worse {looked.metric} becomes when the values of one feature are dealt to other rows.",
            ),
            *model_card_sections(record, measured),
        ],
    )


def _metrics(task: ValidateTask, answer: result.ValidateResult, measured: dict[str, Any]) -> html.Table:
    errors = answer.standard_errors or {}
    live = answer.metrics.live or {}
    base = measured.get("baseline", {})
    rows = [
        (name, value, *([live.get(name)] if task.live else []), base.get(name, {}).get("value"), errors.get(name))
        for name, value in answer.metrics.candidate.items()
    ]
    names = ["metric", task.version, *([f"{task.live.name} (live)"] if task.live else []), "no features", "± s.e."]
    return html.Table("Metrics on the holdout", rows, names)


def _worsening(answer: result.ValidateResult) -> html.Table:
    worse = answer.worsening
    if not worse:
        return html.pairs_table("", {})
    unit = "share of the live value" if worse.metric in LOSSES else "difference"
    return html.pairs_table(
        f"How much worse than the live version ({worse.metric}, {unit}; negative is better)",
        {"estimate": worse.estimate, f"at most, at a confidence of {worse.confidence:g}": worse.upper},
    )


def _worst(answer: result.ValidateResult) -> html.Table:
    return html.Table(
        "The group of each slice that is made worst off",
        [
            (f"{each.column}: {each.group}", each.rows, each.metric, each.candidate, each.live, each.ratio)
            for each in answer.slices or ()
        ],
        ("group", "rows", "metric", "candidate", "live", "times as bad"),
    )


def _measured(version: Version, record: Metadata) -> dict[str, Any]:
    """The version's metrics.json, of exactly the bytes it was stored with."""
    uri = store.sibling_uri(version.uri, METRICS)
    try:
        content = read_verified(uri, record.files[METRICS].sha256)
    except (FileNotFoundError, KeyError) as error:
        raise RejectedTask("ArtifactMissing", f"{uri} is not there, so version {version.name} is not whole") from error
    found: dict[str, Any] = json.loads(content)
    return found
