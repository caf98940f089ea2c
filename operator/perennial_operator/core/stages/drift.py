"""Drift: start the training that the newest reports ask for, record each report's outcome, run the drift checks."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from perennial_operator.core.actions import Action, Announcement, SetStatus
from perennial_operator.core.api.drift_report import DriftReport, DriftReportStatus, Outcome
from perennial_operator.core.api.printable_text import printable
from perennial_operator.core.drift_reports import NOT_YET, Report, next_assessment
from perennial_operator.core.manifests.candidate import begin
from perennial_operator.core.rollout.version_checks import next_version_check
from perennial_operator.core.rules.report_verdict import Verdict
from perennial_operator.core.stages.drift_assessment import Assessment
from perennial_operator.core.stages.drift_checks import next_check, reconcile_checks, reconcile_version_checks
from perennial_operator.core.world import World


def next_step(world: World, assessment: Assessment) -> tuple[Action, ...]:
    """At most one new candidate, and the next actions for the drift checks."""
    begun = begin(world, assessment.trigger) if assessment.trigger else ()
    return (*begun, *reconcile_checks(world), *reconcile_version_checks(world))


def outcome_updates(world: World, assessment: Assessment) -> tuple[SetStatus, ...]:
    """The status of each report whose outcome has changed."""
    verdicts = assessment.verdicts
    if not verdicts:
        return ()  # the usual case
    at = next_assessment(world.reports, world.now)
    return tuple(
        _set_outcome(report, whole, verdicts[report.name], at)
        for report in world.reports
        if (whole := report.whole) and report.name in verdicts and _changed(whole, verdicts[report.name])
    )


def wakes_at(world: World, assessment: Assessment) -> Iterator[datetime]:
    """When time alone may cause an action of this stage: the next checks, and the end of a cool-down."""
    deferral = assessment.deferral
    yield from (at for at in (next_check(world), next_version_check(world), deferral and deferral.until) if at)


def _changed(report: DriftReport, verdict: Verdict) -> bool:
    """Whether the status has to change. A report that stays a breach keeps its message."""
    before = report.status
    if before.outcome is Outcome.BREACH and verdict.outcome is Outcome.BREACH and before.message:
        return False
    return (before.outcome, before.message) != (verdict.outcome, printable(verdict.message))


def _set_outcome(report: Report, whole: DriftReport, verdict: Verdict, at: datetime) -> SetStatus:
    status = DriftReportStatus(
        outcome=verdict.outcome,
        message=verdict.message,
        model_version=verdict.version,
        breaches=list(verdict.breaches) or None,
        not_measured=list(verdict.not_measured[:100]) or None,
        candidate=verdict.candidate,
        assessed_at=at if report.assessed_at == NOT_YET else report.assessed_at,
    )
    bad = verdict.outcome is Outcome.BAD_DATA
    announcement = (
        Announcement(verdict.outcome.value, f"{report.name}: {verdict.message}", warning=True) if bad else None
    )
    return SetStatus("DriftReport", report.name, status.to_api(), whole.metadata.resource_version, announcement)
