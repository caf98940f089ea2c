"""The picture of one model's loop."""

from __future__ import annotations

from datetime import datetime, timedelta

from rich.console import Console
from rich.table import Table
from rich.text import Text

from kubectl_perennial.client import Body
from kubectl_perennial.selection import Meant
from kubectl_perennial.terminal import colours as words
from kubectl_perennial.terminal import console as screen
from kubectl_perennial.terminal.numbers import beside
from kubectl_perennial.views import phases
from kubectl_perennial.views.limits import share_of_limit
from kubectl_perennial.views.overview import condition
from kubectl_perennial.views.times import ago, instant, span, until
from perennial_operator.core.api.values import shown


def draw(of: Meant, found: Body, console: Console, at: datetime) -> None:
    title = Text.assemble((found["name"], "bold"), ("  ·  ", "dim"), (found["namespace"], "dim"), "   ")
    console.print(title.append_text(words.phase(found["phase"])))
    console.print(Text(found["message"], "" if found["ready"] == "True" else "yellow"))
    console.print()
    console.print(screen.way(found["stages"]))
    console.print()
    console.print(screen.labelled([*_versions(found, at), *_steering(found), *_drift(of, found, at)]))
    if found["reports"]:
        console.print("\nLast reports", style="bold")
        screen.show(console, _reports(found["reports"], at))
    if found.get("conditions"):
        console.print("\nConditions", style="bold")
        screen.show(console, _conditions(found["conditions"], at))


def _versions(found: Body, at: datetime) -> list[tuple[str, object]]:
    rows: list[tuple[str, object]] = []
    if live := found.get("live"):
        line = Text.assemble((live["name"], "green"), f"   serves{_for(live, at)}   ")
        line.append_text(words.replicas(found)).append(" ready   ").append_text(beside(live.get("metric")))
        rows.append(("Live", line))
    else:
        rows.append(("Live", Text("no version serves yet", "red")))
    for label, field in (("Candidate", "candidate"), ("Last attempt", "lastAttempt")):
        if version := found.get(field):
            line = Text.assemble(version["name"], "   ").append_text(words.phase(version["phase"]))
            ended = ago(instant(version.get("endedAt")), at)
            took = f"for {span(timedelta(seconds=version['seconds']))}" if field == "candidate" else ended
            line.append(f" {took}   asked for by {version['trigger']}   ").append_text(beside(version.get("metric")))
            rows += [(label, line), ("", Text(version.get("message", ""), "dim"))]
    if (candidate := found.get("candidate")) and candidate["phase"] == phases.AWAITING:
        rows.append(("", Text(f"kubectl perennial approve {found['name']}   or   reject {found['name']}", "magenta")))
    return rows


def _for(live: Body, at: datetime) -> str:
    since = instant(live.get("liveSince"))
    return f" for {span(at - since)}" if since else ""


def _steering(found: Body) -> list[tuple[str, object]]:
    rows: list[tuple[str, object]] = []
    if "pin" in found:
        rows.append(("Pin", Text(f"spec.pin holds {found['pin']}; automation stands aside", "yellow")))
    retraining = condition({"conditions": found.get("conditions")}, "Retraining")
    if retraining and not {"candidate", "lastAttempt"} & set(found) and retraining["reason"] != "NotNeeded":
        rows.append(("Retraining", Text(retraining["message"], "yellow")))
    if "suspend" in found:
        rows.append(("Suspend", Text("spec.suspend is true; nothing new is started", "yellow")))
    return rows


def _drift(of: Meant, found: Body, at: datetime) -> list[tuple[str, object]]:
    drift = found.get("drift", {})
    rows: list[tuple[str, object]] = []
    if of.deployment["spec"].get("drift") is None:
        rows.append(("Drift", Text("spec.drift is not set: nothing is watched", "dim")))
    elif not drift.get("report"):
        rows.append(("Drift", Text("no report about the live version yet", "dim")))
    else:
        rows.append(("Drift", Text.assemble(words.outcome(drift["outcome"]), f"   {drift['message']}")))
    if found.get("limits"):
        rows.append(
            ("", screen.table(["METRIC", "IS", "MAY BE", "", ""], [_limit(row) for row in found["limits"]], ("IS",)))
        )
    if "nextCheck" in found:
        due = instant(found["nextCheck"])
        assert due
        rows.append(("Next check", Text.assemble(until(due, at), (f"   ({found['checkSchedule']}, UTC)", "dim"))))
    return rows


def _limit(row: Body) -> list[screen.Cell]:
    name = f"{row['metric']} of {row['feature']}" if "feature" in row else row["metric"]
    share = share_of_limit(row)
    word = "at most" if row["side"] == "max" else "at least"
    told = Text("beyond", "red") if row["beyond"] else Text("" if share is None else f"{share * 100:.0f} %", "dim")
    value = Text(shown(row["value"]), "red" if row["beyond"] else "")
    return [name, value, f"{word} {shown(row['limit'])}", screen.bar(share, beyond=row["beyond"]), told]


def _reports(reports: list[Body], at: datetime) -> Table:
    rows = [
        [
            each["name"],
            ago(instant(each["created"]), at),
            each.get("version", ""),
            str(each["samples"]),
            words.outcome(each.get("outcome")),
            each.get("message", "not looked at yet"),
        ]
        for each in reports
    ]
    return screen.table(["NAME", "WRITTEN", "VERSION", "SAMPLES", "OUTCOME", "MESSAGE"], rows, ("SAMPLES",))


def _conditions(conditions: list[Body], at: datetime) -> Table:
    rows: list[list[screen.Cell]] = []
    for each in conditions:
        since = instant(each["lastTransitionTime"])
        took = span(at - since) if since else ""
        rows.append([each["type"], words.status(each), each["reason"], took, each["message"]])
    return screen.table(["TYPE", "STATUS", "REASON", "SINCE", "MESSAGE"], rows)
