"""Drift: what became of each report, and do the newest ones start a training?"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from functools import lru_cache

from perennial_operator.core.actions import Action, SetStatus
from perennial_operator.core.api.drift_report import DriftReport, DriftReportStatus, Outcome
from perennial_operator.core.api.model_version import ModelVersion, Trigger
from perennial_operator.core.manifests.candidate import begin
from perennial_operator.core.rules.report_verdict import Verdict, judge, subject
from perennial_operator.core.rules.training_admission import Hold, hold
from perennial_operator.core.stages.drift_checks import next_check, tend_checks
from perennial_operator.core.world import World

NOT_COUNTED = frozenset({Outcome.DUPLICATE, Outcome.INVALID, Outcome.STALE})


@dataclass(frozen=True, slots=True)
class Triage:
    """What the reports say together."""

    verdicts: Mapping[str, Verdict]
    """On every open report, by name, but for one whose training is to be started now."""
    chain: tuple[str, ...] = ()
    """The newest breaches, newest first, as many as a training needs."""
    trigger: Trigger | None = None
    """The training that they start."""
    wait: Hold | None = None
    """Why they start none yet."""


def drift(world: World) -> tuple[Action, ...]:
    """At most one new candidate, and the checks' business."""
    found = triage(world)
    return (*(begin(world, found.trigger) if found.trigger else ()), *tend_checks(world))


def outcomes(world: World) -> tuple[SetStatus, ...]:
    """What has become of each report, where that has changed."""
    verdicts = triage(world).verdicts
    return tuple(
        _set_outcome(whole, verdicts[report.name])
        for report in world.reports
        if (whole := report.whole) and report.name in verdicts and _changed(whole, verdicts[report.name])
    )


def wakes_at(world: World) -> Iterator[datetime]:
    """When time alone may give this stage something to do: the next check, and the end of a cool-down."""
    wait = triage(world).wait
    yield from (at for at in (next_check(world), wait and wait.until) if at)


@lru_cache(maxsize=1)  # asked by several stages of one pass
def triage(world: World) -> Triage:
    """The verdict on every open report; and the training that the newest ones start, or why it has to wait.

    A report becomes Triggered in the pass after, when the version that it started is seen: then the record is true
    whatever came between.
    """
    started = {v.spec.trigger.drift_report: v for v in world.versions if v.spec.trigger.drift_report}
    verdicts = _verdicts(world, started)
    needed = world.spec.drift.consecutive if world.spec.drift else 1
    chain = _chain(world, verdicts, started)[:needed]
    if not chain:
        return Triage(verdicts)
    first, newest = chain[0], verdicts[chain[0]]
    if len(chain) < needed:
        told = f"{newest.message}; {len(chain)} of {needed} consecutive breaches"
        return Triage(verdicts | {first: replace(newest, message=told)}, chain)
    if wait := hold(world, "Drift"):
        put_off = replace(newest, outcome=wait.reason, message=f"{newest.message}; {wait.message}")
        return Triage(verdicts | {first: put_off}, chain, wait=wait)
    del verdicts[first]
    return Triage(verdicts, chain, Trigger(reason="Drift", drift_report=first, message=newest.message))


def _verdicts(world: World, started: Mapping[str, ModelVersion]) -> dict[str, Verdict]:
    """What each open report says by itself; in the order made, so that the second of two copies is the copy."""
    if all(report.whole is None for report in world.reports):
        return {}  # as nearly always
    verdicts: dict[str, Verdict] = {}
    measured: dict[Hashable, str] = {}
    for report in sorted(world.reports, key=lambda r: (r.made_at, r.name)):
        mark = subject(report, world), report.mark
        outcome = report.outcome
        if report.whole and report.name in started:
            verdicts[report.name] = _triggered(judge(report.whole, world), started[report.name])
        elif report.whole:
            verdict = judge(report.whole, world, measured.get(mark))
            # What was a breach stays one in the record; only what was put off can be overtaken by a new live version.
            if outcome is not Outcome.BREACH or verdict.outcome is Outcome.BREACH or not report.message:
                verdicts[report.name] = verdict
                outcome = verdict.outcome
        if outcome not in NOT_COUNTED:
            measured.setdefault(mark, report.name)
    return verdicts


def _chain(world: World, verdicts: Mapping[str, Verdict], started: Mapping[str, ModelVersion]) -> tuple[str, ...]:
    """The newest usable reports about the live version that breach without a break, newest first.

    A report that has started a training ends the chain: one set of reports starts one training.
    """
    chain: list[str] = []
    live = world.live
    for report in reversed(world.reports):
        verdict = verdicts.get(report.name)
        outcome = verdict.outcome if verdict else report.outcome
        if live is None or subject(report, world) != live.name:
            continue
        if report.name in started or outcome in (Outcome.TRIGGERED, Outcome.WITHIN_THRESHOLDS):
            break
        if verdict and outcome is Outcome.BREACH:
            chain.append(report.name)
    return tuple(chain)


def _triggered(verdict: Verdict, candidate: ModelVersion) -> Verdict:
    """The same verdict, in the words with which the training was started."""
    told = f"{candidate.spec.trigger.message}; training {candidate.name}"
    return replace(verdict, outcome=Outcome.TRIGGERED, message=told, candidate=candidate.name)


def _changed(report: DriftReport, verdict: Verdict) -> bool:
    """Whether the record has to change. A breach that goes on being one keeps its words."""
    before = report.status
    if before.outcome is Outcome.BREACH and verdict.outcome is Outcome.BREACH and before.message:
        return False
    return (before.outcome, before.message) != (verdict.outcome, verdict.message)


def _set_outcome(report: DriftReport, verdict: Verdict) -> SetStatus:
    status = DriftReportStatus(
        outcome=verdict.outcome,
        message=verdict.message,
        model_version=verdict.version,
        breaches=list(verdict.breaches) or None,
        candidate=verdict.candidate,
    )
    return SetStatus("DriftReport", report.name, status.to_api(), report.metadata.resource_version)
