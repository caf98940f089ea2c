"""The files of a validation: `validation.json` with its result and details, and the version's `validation.html`."""

import json
from dataclasses import dataclass
from typing import Any

import msgspec
from sklearn.pipeline import Pipeline

from perennial_trainer.artifacts import metadata
from perennial_trainer.artifacts.metadata import Metadata
from perennial_trainer.contract.errors import RejectedTask
from perennial_trainer.contract.metric_table import LOSSES
from perennial_trainer.contract.result import ValidateResult
from perennial_trainer.contract.task import ValidateTask, Version
from perennial_trainer.data.rows import Rows
from perennial_trainer.metrics.scored_rows import ScoredRows
from perennial_trainer.reporting import html, prediction_figures
from perennial_trainer.reporting.bars import bar_chart
from perennial_trainer.reporting.figures import shorten
from perennial_trainer.reporting.model_card import model_card_sections
from perennial_trainer.storage import store
from perennial_trainer.storage.digest import read_verified
from perennial_trainer.validation.importance import Importance, permutation_importances
from perennial_trainer.validation.slices import Slice, measure_slices

METRICS = "metrics.json"
LABEL = 32  # characters, which leave room for the count


@dataclass(frozen=True)
class Details:
    """What no gate needs and a person wants to know; `metric` is the one of slices and importances."""

    metric: str
    candidate: ScoredRows
    live: ScoredRows | None
    slices: list[Slice]
    importances: list[Importance]

    @classmethod
    def of_rows(
        cls, metric: str, rows: Rows, pipeline: Pipeline, candidate: ScoredRows, live: ScoredRows | None
    ) -> "Details":
        by_slice = measure_slices(metric, rows, candidate, live)
        return cls(metric, candidate, live, by_slice, permutation_importances(metric, pipeline, rows))


def validation_files(task: ValidateTask, result: ValidateResult, details: Details) -> dict[str, bytes]:
    """`validation.json` and `validation.html`. Raises a RejectedTask: ArtifactMissing, DigestMismatch."""
    extra = {"metric": details.metric, "groups": details.slices, "importances": details.importances}
    content = msgspec.to_builtins(result) | msgspec.to_builtins(extra)
    return {
        "validation.json": msgspec.json.format(msgspec.json.encode(content), indent=2),
        "validation.html": _page(task, result, details),
    }


def _page(task: ValidateTask, result: ValidateResult, details: Details) -> bytes:
    record = metadata.load_metadata(task.candidate)
    stored = _stored_metrics(task.candidate, record)
    live = task.live.name if task.live else None
    scored = {task.version: details.candidate}
    if live and details.live is not None:
        scored[f"{live} (live)"] = details.live
    better = "lower is better" if details.metric in LOSSES else "higher is better"
    return html.render_page(
        f"{task.version} of {task.model_deployment}",
        f"{task.model.estimator} for {task.model.task} of {task.model.target}: {result.message}.",
        [
            _metrics(task, result, stored),
            _worst_groups(result),
            _worsening(result),
            _refit(result),
            *prediction_figures.draw_predictions(scored, task.model.target),
            bar_chart(
                f"{details.metric} by slice",
                [
                    (
                        f"{shorten(f'{each.feature} = {each.category}', LABEL)} ({each.rows} rows)",
                        [each.candidate, each.live][: len(scored)],
                    )
                    for each in details.slices
                ],
                list(scored),
                f"Categories of at least 10 rows; {better}.",
            ),
            bar_chart(
                "Permutation importance",
                [(each.feature, [each.mean]) for each in details.importances],
                [details.metric],
                f"How much worse {details.metric} becomes when the values of one feature are shuffled among the rows.",
            ),
            *model_card_sections(record, stored),
        ],
    )


def _metrics(task: ValidateTask, result: ValidateResult, stored: dict[str, Any]) -> html.Table:
    errors = result.standard_errors or {}
    live = result.metrics.live or {}
    base = stored.get("baseline", {})
    rows = [
        (name, value, *([live.get(name)] if task.live else []), base.get(name, {}).get("value"), errors.get(name))
        for name, value in result.metrics.candidate.items()
    ]
    names = ["metric", task.version, *([f"{task.live.name} (live)"] if task.live else []), "no features", "± s.e."]
    return html.Table("Metrics on the holdout", rows, names)


def _worsening(result: ValidateResult) -> html.Table:
    worse = result.worsening
    if not worse:
        return html.pairs_table("", {})
    unit = "share of the live value" if worse.metric in LOSSES else "difference"
    return html.pairs_table(
        f"How much worse than the live version ({worse.metric}, {unit}; negative is better)",
        {"estimate": worse.estimate, f"at most, at a confidence of {worse.confidence:g}": worse.upper},
    )


def _worst_groups(result: ValidateResult) -> html.Table:
    return html.Table(
        "The worst group of each slice",
        [
            (f"{each.column}: {each.group}", each.rows, each.metric, each.candidate, each.live, each.ratio)
            for each in result.slices or ()
        ],
        ("group", "rows", "metric", "candidate", "live", "ratio"),
    )


def _refit(result: ValidateResult) -> html.Table:
    """Beside the candidate, whose metrics are of rows that it has not learned; those of the refit estimate nothing."""
    refit = result.refit
    if not refit:
        return html.pairs_table("", {})
    each = [(name, value, refit.metrics.get(name)) for name, value in result.metrics.candidate.items()]
    rows = [
        *each,
        ("distance from the target", refit.error, None),
        ("distance from the candidate", 0.0, refit.difference),
    ]
    return html.Table("The refit on the same rows, which it has learned", rows, ("", "candidate", "refit"))


def _stored_metrics(version: Version, record: Metadata) -> dict[str, Any]:
    """The version's metrics.json, whose digest was checked."""
    uri = store.sibling_uri(version.uri, METRICS)
    try:
        content = read_verified(uri, record.files[METRICS].sha256)
    except (FileNotFoundError, KeyError) as error:
        raise RejectedTask(
            "ArtifactMissing", f"{uri} does not exist, so version {version.name} is incomplete"
        ) from error
    metrics: dict[str, Any] = json.loads(content)
    return metrics
