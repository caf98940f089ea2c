"""The page of a validation: the candidate beside the live version, where it is worst, and how it was made."""

from typing import Any

from perennial_trainer.artifacts.metadata import Metadata
from perennial_trainer.contract.metric_table import LOSSES
from perennial_trainer.contract.result import ValidateResult
from perennial_trainer.contract.task import ValidateTask
from perennial_trainer.data.privacy import FEWEST_ROWS
from perennial_trainer.reporting import html
from perennial_trainer.reporting.drawing.bars import bar_chart
from perennial_trainer.reporting.drawing.figures import Figure, shorten
from perennial_trainer.reporting.model_card import asked_for, model_card_sections
from perennial_trainer.reporting.numbers import percent, shown
from perennial_trainer.reporting.prediction_figures import draw_predictions
from perennial_trainer.reporting.scores import Scores, better_side, with_unit
from perennial_trainer.validation.details import Details
from perennial_trainer.validation.slices import Slice

LABEL = 32  # characters, which leave room for the count


def draw_validation(
    task: ValidateTask, result: ValidateResult, details: Details, record: Metadata, stored: dict[str, Any]
) -> bytes:
    """The page for the result, beside the version's metadata.json and metrics.json."""
    live = task.live.name if task.live else None
    scored = {task.version: details.candidate}
    if live and details.live is not None:
        scored[f"{live} (live)"] = details.live
    scores = _scores(task, result, stored)
    worse, rows = result.worsening, result.holdout_rows
    facts = [
        f"{record.estimator} for {task.model.task} of {task.model.target}: {result.message}.",
        *asked_for(stored),
    ]
    return html.render_page(
        f"{task.version}: validation for {task.model_deployment}",
        scores.beside_live(worse, rows) if worse and live else scores.beside_baseline(rows),
        [
            scores.table(),
            _worst_groups(result),
            _worsening(result),
            _refit(result),
            *draw_predictions(scored, task.model.target),
            draw_slices(task.model.target, details, list(scored)),
            bar_chart(
                "Permutation importance",
                [(each.feature, [each.mean]) for each in details.importances],
                [details.metric],
                f"How much worse {details.metric} becomes when the values of one feature are shuffled among the rows.",
                f"{with_unit(details.metric, task.model.target)} worse",
            ),
            *model_card_sections(record, stored),
        ],
        facts,
    )


def _scores(task: ValidateTask, result: ValidateResult, stored: dict[str, Any]) -> Scores:
    baseline = {name: each["value"] for name, each in stored.get("baseline", {}).items()}
    return Scores(
        task.model.task,
        task.model.target,
        task.version,
        result.metrics.candidate,
        result.standard_errors or {},
        baseline,
        task.live.name if task.live else None,
        result.metrics.live or {},
    )


def draw_slices(target: str, details: Details, versions: list[str]) -> Figure:
    """The groups by the candidate's metric, the worst first."""
    lower_is_better = details.metric in LOSSES

    def badness(each: Slice) -> tuple[bool, float]:
        value = each.candidate or 0.0
        return each.candidate is None, -value if lower_is_better else value

    ranked = sorted(details.slices, key=badness)
    return bar_chart(
        f"{details.metric} by slice, the worst first",
        [
            (
                f"{shorten(f'{each.feature} = {each.category}', LABEL)} ({each.rows} rows)",
                [each.candidate, each.live][: len(versions)],
            )
            for each in ranked
        ],
        versions,
        f"{len(ranked)} groups of at least {FEWEST_ROWS} rows; {better_side(details.metric)}.",
        with_unit(details.metric, target),
    )


def _worsening(result: ValidateResult) -> html.Table:
    worse = result.worsening
    if not worse:
        return html.pairs_table("", {})
    write = percent if worse.metric in LOSSES else shown
    unit = "as a share of the live value" if worse.metric in LOSSES else "as a difference"
    values = {"estimate": worse.estimate, f"at most, at a confidence of {percent(worse.confidence)}": worse.upper}
    return html.pairs_table(
        f"How much worse than the live version in {worse.metric}, {unit} (negative is better)",
        {name: write(value) for name, value in values.items()},
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
