"""The page of a backtest: one HTML file in the style of the trainer's pages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from kubectl_perennial.simulation.backtest import Backtest, Result
from kubectl_perennial.simulation.drawing.chart import draw_chart
from kubectl_perennial.simulation.drawing.trade import draw_trade
from perennial_operator.core.api.values import shown
from perennial_operator.core.rules.phases import FILES_UNCHANGED, NO_NEW_ROWS
from perennial_trainer.reporting.html import Drawing, Notes, Section, Table, render_page

Rows = Sequence[Sequence[str]]
LEGEND = (
    "Thick: the policy. Dashed: never retrained. Thin: always retrained. Bands: the versions that were live. Below: "
    "triangles are alarms (grey where a training was deferred), dots are trainings, discs versions that went live, "
    "crosses versions that were rejected or failed. Point at a mark to read why."
)
TRADE = (
    "Dots: the policies by their numbers, n never retrained, a always retrained; green is suggested. Dashed: the least "
    "loss of any schedule of so many refits, chosen when all losses are known. Point at a dot to read its numbers."
)
SILENT = ("WithinThresholds", "Validating")


@dataclass(frozen=True)
class Suggested:
    """What the page says of a suggestion."""

    place: int
    names: Sequence[str]
    """Of all policies."""
    why: Sequence[str]
    changes: Sequence[str]
    """A sentence for each field."""


def backtest_page(
    backtest: Backtest,
    summary: str,
    unknown: Sequence[str],
    head: Sequence[str],
    rows: Rows,
    suggested: Suggested | None = None,
) -> bytes:
    """The chart and the decisions of each policy, below the table of all; of those that were tried, of the winner."""
    sections: list[Section] = [Table("Policies", rows, [name.lower() for name in head])]
    results = backtest.results
    if suggested:
        results = (results[suggested.place],)
        picture = draw_trade(backtest, suggested.names, suggested.place)
        sections.append(Drawing(f"{results[0].played.metric.capitalize()} by trainings", picture, TRADE))
        sections.append(Notes(f"Suggested: {suggested.names[suggested.place]}", suggested.why))
        sections.append(Notes("What it changes", suggested.changes))
    for result in results:
        title = result.played.title
        sections.append(Drawing(f"{title}: {result.played.metric}", draw_chart(result, backtest.timeline), LEGEND))
    sections += [_decisions(result) for result in results]
    sections.append(Notes("A backtest cannot know", unknown))
    name = backtest.results[0].played.title.partition(" ")[0]
    verdict = _verdict(results[0], suggested)
    return render_page(f"Backtest of {name}", verdict, sections, [f"{summary}."])


def _verdict(result: Result, suggested: Suggested | None) -> str:
    """What the policy would have brought, in one sentence."""
    played = result.played
    name = f"Suggested is {suggested.names[suggested.place]}" if suggested else played.title
    trainings = "1 training" if played.trainings == 1 else f"{played.trainings} trainings"
    never = f"{shown(result.first_loss)} never retrained, {shown(result.always_loss)} always retrained"
    return f"{name}: {played.metric} {shown(played.loss)} with {trainings} after the first version; {never}."


def _decisions(result: Result) -> Table:
    unread = {event.name for event in result.played.events if event.reason in (FILES_UNCHANGED, NO_NEW_ROWS)}
    rows = [
        (f"{event.at:%Y-%m-%d %H:%M}", event.batch + 1, event.name, event.state, event.reason, event.message)
        for event in result.played.events
        if event.state not in SILENT and event.name not in unread
    ]
    head = ("time", "batch", "object", "state", "reason", "message")
    return Table(f"What {result.played.title} would have done", rows, head)
