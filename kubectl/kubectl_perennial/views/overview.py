"""The overview of one ModelDeployment as plain fields: what `status` draws and `-o json` prints."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from kubectl_perennial.client import Body
from kubectl_perennial.selection import Selection
from kubectl_perennial.views.limits import limit_rows
from kubectl_perennial.views.progress import progress_of
from kubectl_perennial.views.times import instant
from kubectl_perennial.views.version import card
from perennial_operator.core import names
from perennial_operator.core.api.model_version import UNSUCCESSFUL, Phase
from perennial_operator.core.api.values import as_text, first_fire_after
from perennial_operator.core.drift_reports import MOST_AHEAD

REPORTS = 5
"""How many of the last reports are shown."""


def summary(deployment: Body) -> Body:
    """The fields of the ModelDeployment alone, without its versions and reports."""
    spec, status = deployment["spec"], deployment.get("status") or {}
    ready = condition(status, "Ready")
    return _known(
        {
            "name": deployment["metadata"]["name"],
            "namespace": deployment["metadata"]["namespace"],
            "phase": status.get("phase") or "Pending",
            "ready": ready["status"] if ready else "Unknown",
            "message": ready["message"] if ready else "the operator has not reconciled it yet",
            "live": status.get("liveVersion"),
            "candidate": status.get("candidateVersion"),
            "weight": status.get("weight"),
            "readyReplicas": status.get("readyReplicas") or 0,
            "replicas": max((spec.get("serving") or {}).get("replicas", 1), status.get("replicas") or 0),
            "drift": status.get("drift"),
            "pin": spec.get("pin"),
            "dryRun": (spec.get("drift") or {}).get("mode") == "Report" or None,
            "suspend": spec.get("suspend") or None,
        }
    )


def model_overview(selection: Selection, reports: Sequence[Body], now: datetime) -> Body:
    """Every field that `status` shows of one model."""
    spec, status = selection.deployment["spec"], selection.deployment.get("status") or {}
    newest = selection.versions[-1] if selection.versions else None
    failed = None if selection.candidate or newest is None or _phase(newest) not in UNSUCCESSFUL else newest
    newest_report = (status.get("drift") or {}).get("report")
    report = next((each for each in reports if each["metadata"]["name"] == newest_report), None)
    drift = spec.get("drift") or {}
    check = drift.get("check")
    manual = (spec.get("rollout") or {}).get("approval") == "manual"
    return summary(selection.deployment) | _known(
        {
            "live": card(selection.live, now) if selection.live else None,
            "candidate": card(selection.candidate, now) if selection.candidate else None,
            "lastAttempt": card(failed, now) if failed else None,
            "stages": progress_of(selection.candidate or failed, manual=manual, weight=status.get("weight")),
            "limits": limit_rows(drift["thresholds"], report, selection.live) if report and drift else None,
            "checkSchedule": " ".join((check["schedule"], check.get("timeZone") or "")).strip() if check else None,
            "nextCheck": _next_check(selection, check) if check else None,
            "reports": [_report(each) for each in newest_first(reports)[:REPORTS]],
            "conditions": status.get("conditions"),
        }
    )


def condition(status: Body, kind: str) -> Body | None:
    return next((each for each in status.get("conditions") or [] if each["type"] == kind), None)


def _phase(version: Body) -> str:
    return str((version.get("status") or {}).get("phase") or Phase.TRAINING.value)


def _next_check(selection: Selection, check: Body) -> str | None:
    """When the operator's next check is due; None without a live version or while suspended."""
    if selection.live is None or selection.deployment["spec"].get("suspend"):
        return None
    last = ((selection.deployment.get("status") or {}).get("drift") or {}).get("lastCheckTime")
    times = [
        (selection.live.get("status") or {}).get("liveSince"),
        selection.live["metadata"]["creationTimestamp"],
        last,
    ]
    since = max(time for time in map(instant, times) if time)
    try:
        due = first_fire_after(check["schedule"], since, check.get("timeZone"))
        requested = instant((selection.deployment["metadata"].get("annotations") or {}).get(names.CHECK))
        return as_text(min(due, requested) if requested and requested > since else due)
    except (KeyError, ValueError):  # a time zone that this machine does not know, or a request at no time
        return None


def newest_first(reports: Sequence[Body]) -> list[Body]:
    def measured(report: Body) -> datetime:
        end, written = instant((report["spec"].get("window") or {}).get("end")), _written(report)
        return end if end and end <= written + MOST_AHEAD else written

    return sorted(reports, key=lambda report: (measured(report), report["metadata"]["name"]), reverse=True)


def _written(report: Body) -> datetime:
    written = instant(report["metadata"]["creationTimestamp"])
    assert written  # the API server sets it
    return written


def _report(report: Body) -> Body:
    spec, status = report["spec"], report.get("status") or {}
    return _known(
        {
            "name": report["metadata"]["name"],
            "created": report["metadata"]["creationTimestamp"],
            "version": status.get("modelVersion") or spec.get("modelVersion"),
            "samples": spec["samples"],
            "source": spec.get("source"),
            "outcome": status.get("outcome"),
            "message": status.get("message"),
            "details": spec.get("details"),
        }
    )


def _known(fields: Body) -> Body:
    return {name: value for name, value in fields.items() if value is not None}
