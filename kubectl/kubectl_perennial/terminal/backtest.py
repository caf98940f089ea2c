"""Draws a backtest: a table of the policies, and what each would have done."""

from __future__ import annotations

import re
from collections.abc import Iterable

from rich.console import Console
from rich.padding import Padding
from rich.text import Text

from kubectl_perennial.client import Body
from kubectl_perennial.terminal import console as output
from kubectl_perennial.terminal.trade import draw_trade
from kubectl_perennial.views.comparison_table import HEAD, comparison, policy_label, summary

WIDTH, CLAUSE = 80, 30
STYLES = {"Live": "green", "Superseded": "green", "Rejected": "red", "RolledBack": "red", "Failed": "red"}
NO_ROWS = ("FilesUnchanged", "NoNewRows")
DEFERRED = ("Stalled", "BackingOff", "CoolingDown", "BudgetSpent", "BadData")
"""Outcomes of a report after which a training was due and did not begin."""


def draw(fields: Body, console: Console) -> None:
    titles = {policy_label(policy, fields) for policy in fields["policies"]}
    rows: list[list[output.Cell]] = [
        [Text(row[0], "bold" if row[0] in titles else ""), *row[1:]] for row in comparison(fields)
    ]
    console.print(summary(fields).replace("; ", "\n"), soft_wrap=True)
    for note in fields["reading"]:
        console.print(Text(note, "yellow"), soft_wrap=True)
    console.print()
    console.print(output.table(HEAD, rows, HEAD[1:]), width=WIDTH)
    if "suggestion" in fields:
        draw_trade(fields, console)
    for policy in _with_decisions(fields):
        _policy(policy, console)
    console.print("\nA backtest cannot know", style="bold")
    for sentence in fields["unknown"]:
        console.print(Padding(sentence, (0, 0, 0, 2)), width=WIDTH)


def _with_decisions(fields: Body) -> list[Body]:
    """The policies whose decisions are shown: of many that were tried, the one that is suggested."""
    policies: list[Body] = fields["policies"]
    return [policies[fields["suggestion"]["place"] - 1]] if "suggestion" in fields else policies


def _policy(policy: Body, console: Console) -> None:
    console.print(f"\n{policy['title']}", style="bold", width=WIDTH)
    rows: list[tuple[str, object]] = [("Checks", f"{policy['checks']}, {policy['alarms']} alarms{_by_chance(policy)}")]
    if policy["drifts"]:
        missed = policy["driftsWithoutAlarm"]
        delay = "" if policy["delay"] is None else f"alarm after {policy['delay']:g} batches (median)"
        times = "once" if policy["drifts"] == 1 else f"{policy['drifts']} times"
        count = f"{missed} of {policy['drifts']} without an alarm" if missed else times
        rows.append(("Drift", ", ".join(filter(None, [count, delay]))))
    if policy["stalledSince"]:
        rows.append(("Stalled", Text(f"since batch {policy['stalledSince']}, until a person acts", "red")))
    console.print(output.labelled(rows), width=WIDTH)
    console.print(
        output.table(("BATCH", "DATE", "VERSION", "BECAUSE", "RESULT"), _steps(policy), ("BATCH",)), width=WIDTH
    )


def _steps(policy: Body) -> Iterable[list[output.Cell]]:
    """A line for each version and for each report whose training was deferred."""
    versions: dict[str, list[Body]] = {}
    for event in policy["timeline"]:
        if event["kind"] == "ModelVersion":
            versions.setdefault(event["name"], []).append(event)
    for event in policy["timeline"]:
        place = [str(event["batch"]), event["time"][:10]]
        if event["kind"] == "ModelVersion" and event["state"] == "Training":
            if versions[event["name"]][-1]["reason"] in NO_ROWS:
                continue
            name = f"v{event['name'].rpartition('-v')[2]}"
            because = event["message"] if event["reason"] == "Drift" else event["reason"]
            yield [*place, name, _clause(because), _ending(versions[event["name"]])]
        elif event["kind"] == "DriftReport" and event["state"] in DEFERRED:
            yield [*place, "", _clause(event["message"]), Text(event["state"], "yellow")]


def _clause(message: str) -> str:
    """The beginning of a sentence, up to the explanation; the whole of it is in the page and in the fields."""
    text = re.split(r"[:;] ", message)[0]
    return text if len(text) <= CLAUSE else text[: CLAUSE - 1] + "…"


def _ending(events: list[Body]) -> Text:
    """Live, also where another version was live later, or why not."""
    states = [event["state"] for event in events]
    last = events[-1] if "Live" not in states or states[-1] == "RolledBack" else events[states.index("Live")]
    return Text(last["state"] if last["state"] == "Live" else last["reason"], STYLES.get(last["state"], ""))


def _by_chance(policy: Body) -> str:
    count = policy["alarmsShuffled"]
    return "" if count is None else f"; on the same rows shuffled: {count}"
