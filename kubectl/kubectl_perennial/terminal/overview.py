"""Draws the overview of one model."""

from __future__ import annotations

from datetime import datetime, timedelta

from rich.console import Console
from rich.table import Table
from rich.text import Text

from kubectl_perennial.client import Body
from kubectl_perennial.selection import Selection
from kubectl_perennial.terminal import colours
from kubectl_perennial.terminal import console as output
from kubectl_perennial.terminal.numbers import metric_text
from kubectl_perennial.views.limits import share_of_limit
from kubectl_perennial.views.overview import condition
from kubectl_perennial.views.times import ago, instant, span, until
from perennial_operator.core.api.drift_report import Outcome
from perennial_operator.core.api.model_version import Phase
from perennial_operator.core.api.values import shown

SHOWN_ELSEWHERE = frozenset({"NotNeeded", Outcome.WOULD_TRIGGER})
"""Reasons of Retraining that say nothing, or that the row of the drift says."""


def draw(selection: Selection, fields: Body, console: Console, at: datetime) -> None:
    title = Text.assemble((fields["name"], "bold"), ("  ·  ", "dim"), (fields["namespace"], "dim"), "   ")
    console.print(title.append_text(colours.phase_text(fields["phase"])))
    console.print(Text(fields["message"], "" if fields["ready"] == "True" else "yellow"))
    console.print()
    console.print(output.progress(fields["stages"]))
    console.print()
    console.print(output.labelled([*_versions(fields, at), *_spec_fields(fields), *_drift(selection, fields, at)]))
    if fields["reports"]:
        console.print("\nLast reports", style="bold")
        output.show(console, _reports(fields["reports"], at))
    if fields.get("conditions"):
        console.print("\nConditions", style="bold")
        output.show(console, _conditions(fields["conditions"], at))


def _versions(fields: Body, at: datetime) -> list[tuple[str, object]]:
    rows: list[tuple[str, object]] = []
    if live := fields.get("live"):
        line = Text.assemble((live["name"], "green"), f"   serves{_for(live, at)}   ")
        line.append_text(colours.replicas_text(fields)).append(" ready   ").append_text(metric_text(live.get("metric")))
        rows.append(("Live", line))
    else:
        rows.append(("Live", Text("no version serves yet", "red")))
    for label, field in (("Candidate", "candidate"), ("Last attempt", "lastAttempt")):
        if version := fields.get(field):
            line = Text.assemble(version["name"], "   ").append_text(colours.phase_text(version["phase"]))
            ended = ago(instant(version.get("endedAt")), at)
            took = f"for {span(timedelta(seconds=version['seconds']))}" if field == "candidate" else ended
            line.append(f" {took}   trigger {version['trigger']}   ").append_text(metric_text(version.get("metric")))
            rows += [(label, line), ("", Text(version.get("message", ""), "dim"))]
            if log := version.get("log"):
                rows.append(("", Text(f"its log, {ago(instant(log['time']), at)}: {log['text']}", "dim")))
    if (candidate := fields.get("candidate")) and candidate["phase"] == Phase.AWAITING_APPROVAL:
        rows.append(("", Text(f"kubectl perennial approve {fields['name']}   or   reject {fields['name']}", "magenta")))
    return rows


def _for(live: Body, at: datetime) -> str:
    since = instant(live.get("liveSince"))
    return f" for {span(at - since)}" if since else ""


def _spec_fields(fields: Body) -> list[tuple[str, object]]:
    rows: list[tuple[str, object]] = []
    if "pin" in fields:
        rows.append(("Pin", Text(f"spec.pin is {fields['pin']}; no other version is rolled out", "yellow")))
    retraining = condition({"conditions": fields.get("conditions")}, "Retraining")
    if retraining and not {"candidate", "lastAttempt"} & set(fields) and retraining["reason"] not in SHOWN_ELSEWHERE:
        rows.append(("Retraining", Text(retraining["message"], "yellow")))
    if "dryRun" in fields:
        rows.append(("Dry run", Text("spec.drift.mode is Report; drift starts no training", "yellow")))
    rows += [("Claim", Text(problem, "yellow")) for problem in fields.get("claims", ())]
    if "suspend" in fields:
        rows.append(("Suspend", Text("spec.suspend is true; nothing new is started", "yellow")))
    return rows


def _drift(selection: Selection, fields: Body, at: datetime) -> list[tuple[str, object]]:
    drift = fields.get("drift", {})
    rows: list[tuple[str, object]] = []
    if selection.deployment["spec"].get("drift") is None:
        rows.append(("Drift", Text("spec.drift is not set: drift is not watched", "dim")))
    elif not drift.get("report"):
        rows.append(("Drift", Text("no report about the live version yet", "dim")))
    else:
        rows.append(("Drift", Text.assemble(colours.outcome_text(drift["outcome"]), f"   {drift['message']}")))
    if fields.get("limits"):
        rows.append(
            ("", output.table(["METRIC", "IS", "MAY BE", "", ""], [_limit(row) for row in fields["limits"]], ("IS",)))
        )
    if "nextCheck" in fields:
        due = instant(fields["nextCheck"])
        assert due
        rows.append(("Next check", Text.assemble(until(due, at), (f"   ({fields['checkSchedule']}, UTC)", "dim"))))
    return rows


def _limit(row: Body) -> list[output.Cell]:
    if "notMeasured" in row:
        return [row["metric"], Text("?", "yellow"), "", "", Text(f"not measured: {row['notMeasured']}", "yellow")]
    name = f"{row['metric']} of {row['feature']}" if "feature" in row else row["metric"]
    share = share_of_limit(row)
    side = "at most" if row["side"] == "max" else "at least"
    position = Text("beyond", "red") if row["beyond"] else Text("" if share is None else f"{share * 100:.0f} %", "dim")
    if not row["beyond"] and row.get("chance") is not None:
        position = Text("within chance", "dim")
    value = Text(shown(row["value"]), "red" if row["beyond"] else "")
    return [name, value, f"{side} {shown(row['limit'])}", output.bar(share, crossed=row["beyond"]), position]


def _reports(reports: list[Body], at: datetime) -> Table:
    rows = [
        [
            each["name"],
            ago(instant(each["created"]), at),
            each.get("version", ""),
            str(each["samples"]),
            colours.outcome_text(each.get("outcome")),
            each.get("message", "not judged yet"),
        ]
        for each in reports
    ]
    return output.table(["NAME", "WRITTEN", "VERSION", "SAMPLES", "OUTCOME", "MESSAGE"], rows, ("SAMPLES",))


def _conditions(conditions: list[Body], at: datetime) -> Table:
    rows: list[list[output.Cell]] = []
    for each in conditions:
        since = instant(each["lastTransitionTime"])
        took = span(at - since) if since else ""
        rows.append([each["type"], colours.status_text(each), each["reason"], took, each["message"]])
    return output.table(["TYPE", "STATUS", "REASON", "SINCE", "MESSAGE"], rows)
