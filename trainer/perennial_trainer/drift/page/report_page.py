"""The page of a drift check: the verdict, the limits, the trend, and each column then and now."""

from collections.abc import Iterator

from msgspec import UNSET

from perennial_trainer.contract.metric_table import METRICS_BY_NAME
from perennial_trainer.contract.result import CheckResult
from perennial_trainer.contract.task import CheckTask
from perennial_trainer.data.privacy import FEWEST_ROWS
from perennial_trainer.drift.page.limits import Compared, compare_with_limits, limits_table, verdict
from perennial_trainer.drift.page.then_and_now import spread_figure
from perennial_trainer.drift.page.trends import trend_figures
from perennial_trainer.drift.recent_counts import RecentCounts
from perennial_trainer.drift.summary import DriftSummary
from perennial_trainer.profiling.profile import Profile
from perennial_trainer.reporting.drawing.figures import Figure
from perennial_trainer.reporting.html import Group, Notes, Section, Table, render_page
from perennial_trainer.reporting.numbers import percent, shown

MOST_DRAWN = 24  # features
FEW = f"Columns of fewer than {FEWEST_ROWS} rows look like {FEWEST_ROWS}."
STATISTICS = ("psi", "ks", "wasserstein", "js", "chi2", "new_share", "missing_before", "missing_share")


def drift_page(
    task: CheckTask, reference: Profile, recent: RecentCounts, summary: DriftSummary, result: CheckResult
) -> bytes:
    """One self-contained page; the same bytes for the same rows, profile and task."""
    compared = compare_with_limits(task.thresholds, summary.judged)
    ranked = sorted(summary.features, key=lambda name: -summary.features[name]["psi"])
    sections: list[Section] = [
        limits_table(compared, summary.judged),
        _performance(task, reference, summary, result),
        _saved(task, summary),
        Notes("How the rows were read", recent.notes.sentences()),
        Group("Over the last checks of this version", trend_figures(task, summary.judged)),
        Group(
            "Features in training and now, the greatest drift first",
            list(_features(ranked[:MOST_DRAWN], reference, recent, summary, compared)),
            (f"The first {MOST_DRAWN} of {len(ranked)}. " if len(ranked) > MOST_DRAWN else "") + FEW,
        ),
        Group("Target and predictions", list(_others(task, reference, recent, summary)), FEW),
        Table(
            "Statistics of each feature",
            [(name, *(summary.features[name].get(each) for each in STATISTICS)) for name in ranked],
            ("feature", *(name.replace("_", " ") for name in STATISTICS)),
        ),
    ]
    sentence = verdict(task, result.samples, compared, summary.message)
    return render_page(
        f"{task.live.name}: drift check of {task.model_deployment}",
        sentence,
        sections,
        list(_facts(task, recent, result)),
    )


def _facts(task: CheckTask, recent: RecentCounts, result: CheckResult) -> Iterator[str]:
    rows = f"{recent.rows:,} rows, {recent.labelled:,} of them with a target"
    window = "" if result.window is UNSET else f", from {result.window.start} to {result.window.end}"
    when = f" Checked at {task.now:%Y-%m-%d %H:%M} UTC." if task.now else ""
    yield f"{rows}{window}; window: {task.data.window}.{when}"
    if task.thresholds:
        yield "The page compares this check alone; the outcome of its DriftReport says what follows from it."


def _performance(task: CheckTask, reference: Profile, summary: DriftSummary, result: CheckResult) -> Table:
    rows: list[tuple[str | float | None, ...]] = []
    others = {each.name: each.value for each in result.against or ()}
    for name, each in summary.performance.items():
        if METRICS_BY_NAME[name].kind == "quality":
            then = reference.metrics.get(name)
            of_other = (others.get(name),) if task.against else ()
            rows.append((name, then.value if then else None, each.value, each.standard_error, *of_other))
    head = (
        "metric",
        "then",
        "now",
        "± s.e. now",
        *((f"{task.against.name} on the same rows",) if task.against else ()),
    )
    return Table(f"How good {task.live.name} is", rows, head, "Then: on the holdout of its training.")


def _saved(task: CheckTask, summary: DriftSummary) -> Table:
    rows = [
        (name, percent(each.value), "" if each.standard_error is None else percent(each.standard_error))
        for name, each in summary.performance.items()
        if METRICS_BY_NAME[name].kind == "drift"
    ]
    if task.against:
        title = f"Against {task.against.name}"
        note = f"How much of its loss {task.live.name} would save if {task.against.name} had answered the same rows."
    else:
        title = "Against newer rows"
        note = (
            f"How much of its loss {task.live.name} would save as a model of newer rows. The last checks are added up."
        )
    return Table(title, rows, ("metric", "share of the loss", "± s.e."), note)


def _features(
    names: list[str], reference: Profile, recent: RecentCounts, summary: DriftSummary, compared: list[Compared]
) -> Iterator[Figure]:
    breached = {each.metric.feature for each in compared if each.is_breach}
    for name in names:
        exceeded = ", beyond a limit" if name in breached else ""
        caption = f"{name}: psi {shown(summary.features[name]['psi'])}{exceeded}"
        figure = spread_figure(caption, recent.features[name], reference.rows, name)
        if figure:
            yield figure


def _others(task: CheckTask, reference: Profile, recent: RecentCounts, summary: DriftSummary) -> Iterator[Figure]:
    columns = [("target", task.model.target, recent.target), ("prediction", task.model.target, recent.prediction)]
    for name, axis_name, histogram in columns:
        psi = summary.overall.get(f"{name}_psi")
        if histogram.rows and psi is not None:
            figure = spread_figure(f"{name.capitalize()}: psi {shown(psi)}", histogram, reference.rows, axis_name)
            if figure:
                yield figure
