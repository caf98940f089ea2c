"""Draws a backtest: a table of the policies, and what each would have done."""

from __future__ import annotations

import re
from collections.abc import Iterable

from rich.console import Console
from rich.padding import Padding
from rich.text import Text

from kubectl_perennial.client import Body
from kubectl_perennial.terminal import console as output
from perennial_operator.core.api.values import shown

WIDTH, CLAUSE = 80, 30
HEAD = ("POLICY", "LOSS", "RECOVERED", "TRAINED", "LIVE", "REJECTED", "CPU")
STYLES = {"Live": "green", "Superseded": "green", "Rejected": "red", "RolledBack": "red", "Failed": "red"}
DEFERRED = ("Stalled", "BackingOff", "CoolingDown", "BudgetSpent", "BadData")
"""Outcomes of a report after which a training was due and did not begin."""


def draw(fields: Body, console: Console) -> None:
    late = f", labels {fields['labelsLate']} late" if fields["labelsLate"] else ""
    every = f"{fields['every']} rows" if isinstance(fields["every"], int) else fields["every"]
    console.print(
        f"{fields['rows']:,} rows in {fields['batches']} batches of {every}, "
        f"{fields['start'][:10]} to {fields['end'][:10]}{late}",
        soft_wrap=True,
    )
    for note in fields["reading"]:
        console.print(Text(note, "yellow"), soft_wrap=True)
    console.print(f"Loss: {fields['metric']}, of {fields['batches'] - fields['first']} batches after the first\n")
    console.print(output.table(HEAD, _rows(fields), HEAD[1:]), width=WIDTH)
    for policy in fields["policies"]:
        _policy(policy, console)
    console.print("\nA backtest cannot know", style="bold")
    for sentence in fields["unknown"]:
        console.print(Padding(sentence, (0, 0, 0, 2)), width=WIDTH)


def _rows(fields: Body) -> Iterable[list[output.Cell]]:
    """Never, always and the hindsight bound are those of the first policy's model."""
    reference = fields["policies"][0]
    yield ["never retrained", _loss(reference["firstLoss"]), "0 %", "0", "1", "", ""]
    for policy in fields["policies"]:
        yield [
            Text(policy["title"] if len(fields["policies"]) == 1 else _short(policy["title"]), "bold"),
            _loss(policy["loss"]),
            _percent(policy["recovery"]),
            str(policy["trainings"]),
            str(policy["promotions"] + 1),
            str(policy["rejections"]),
            _seconds(sum(policy["cpuSeconds"].values())),
        ]
    always = fields["batches"] - fields["first"]
    cpu = _seconds(reference["alwaysCpuSeconds"])
    yield [f"always, {reference['alwaysWindow']}", _loss(reference["alwaysLoss"]), "100 %", str(always), "", "", cpu]
    most = reference["hindsightLoss"]
    yield ["hindsight", _loss(most), _percent(_recovered(reference, most)), "", "", "", ""]
    same, count = reference["hindsightLossSameTrainings"], str(reference["trainings"])
    yield [f"hindsight, {count} refits", _loss(same), _percent(_recovered(reference, same)), count, "", "", ""]


def _short(title: str) -> str:
    """The settings, without the name that all policies have."""
    return title.partition(" ")[2] or title


def _recovered(policy: Body, loss: float) -> float | None:
    gain = policy["firstLoss"] - policy["alwaysLoss"]
    return (policy["firstLoss"] - loss) / gain if gain > 0 else None


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{share * 100:.0f} %"


def _seconds(value: float) -> str:
    return f"{value:.0f}s" if value >= 9.95 else f"{value:.1f}s"


def _loss(value: float | None) -> str:
    return "-" if value is None else shown(value)


def _policy(policy: Body, console: Console) -> None:
    console.print(f"\n{policy['title']}", style="bold")
    rows: list[tuple[str, object]] = [("Checks", f"{policy['checks']}, {policy['alarms']} alarms{_by_chance(policy)}")]
    if policy["drifts"]:
        missed = policy["driftsWithoutAlarm"]
        delay = "" if policy["delay"] is None else f"alarm after {policy['delay']:g} batches (median)"
        count = f"{missed} of {policy['drifts']} without an alarm" if missed else f"{policy['drifts']} times"
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
