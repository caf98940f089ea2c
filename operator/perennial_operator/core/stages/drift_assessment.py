"""What do the drift reports say together, and do the newest ones start a training?"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from perennial_operator.core.api.drift_report import Outcome
from perennial_operator.core.api.model_version import ModelVersion, Trigger
from perennial_operator.core.drift_reports import CLOCKS_DIFFER, Report, about_drift, order_of_assessment
from perennial_operator.core.manifests.owner import next_version_name
from perennial_operator.core.names import NEVER
from perennial_operator.core.rules.data_quality import PERSISTENT, bad_data_streaks
from perennial_operator.core.rules.report_verdict import Verdict, judge, subject
from perennial_operator.core.rules.trainings.admission import Deferral, deferral_for
from perennial_operator.core.rules.trainings.reweighing import gain_of_weights
from perennial_operator.core.world import World, unless_ahead

NOT_COUNTED = frozenset({Outcome.DUPLICATE, Outcome.INVALID, Outcome.STALE})
"""Outcomes of reports that say nothing about the live version."""
ENDS_CHAIN = frozenset({Outcome.TRIGGERED, Outcome.WOULD_TRIGGER, Outcome.WITHIN_THRESHOLDS})
"""Outcomes of reports before which no breach counts."""
ONLY_REPORTED = ", but spec.drift.mode is Report; with Train, the next such report starts one"
"""How the message of a report ends that would have started a training."""


@dataclass(frozen=True, slots=True)
class Assessment:
    """The result of the drift reports taken together. It is computed once in each pass."""

    verdicts: Mapping[str, Verdict] = field(default_factory=dict)
    """Name of each open report → its verdict; without the report whose training starts now."""
    chain: tuple[str, ...] = ()
    """The newest breaches, newest first, at most as many as a training needs."""
    trigger: Trigger | None = None
    """Why a training starts now."""
    deferral: Deferral | None = None
    """Why the breaches start no training yet, or in a dry run would start none yet."""


def assess_reports(world: World) -> Assessment:
    """The verdict on every open report, and the training that the newest ones start, or why it is deferred.

    A report becomes Triggered one pass later, when the version that it started exists: the record is then true,
    whatever failed in between.
    """
    started = _started(world)
    verdicts = _with_persistent_bad_data(world, _verdicts(world, started))
    needed = world.spec.drift.consecutive if world.spec.drift else 1
    chain = _chain(world, verdicts, started)[:needed]
    if not chain:
        return Assessment(verdicts)
    first, newest = chain[0], verdicts[chain[0]]
    if len(chain) < needed:
        message = f"{newest.message}; {len(chain)} of {needed} consecutive breaches"
        return Assessment(verdicts | {first: replace(newest, message=message)}, chain)
    if deferral := deferral_for(world, "Drift"):
        dry_run = "; spec.drift.mode is Report, so drift starts no training anyway" if world.is_dry_run else ""
        deferred = replace(newest, outcome=deferral.reason, message=f"{newest.message}; {deferral.message}{dry_run}")
        return Assessment(verdicts | {first: deferred}, chain, deferral=deferral)
    if world.is_dry_run:
        return Assessment(verdicts | {first: _would_trigger(newest, next_version_name(world))}, chain)
    del verdicts[first]
    return Assessment(verdicts, chain, _trigger(world, first, newest.message))


def _trigger(world: World, name: str, message: str) -> Trigger:
    """Other weights, if the report shows that they are better; a fit, if it does not or the last ones were refused."""
    report = next(each for each in world.reports if each.name == name)
    reason: Literal["Drift", "Reweighing"] = "Drift"
    if gain := gain_of_weights(world, report):
        reason, message = "Reweighing", f"{message}; with other weights its models would save {gain:.0%} of its loss"
    return Trigger(reason=reason, drift_report=name, message=message)


def _started(world: World) -> dict[str, ModelVersion]:
    """Name of each report that has started a training → the version.

    A tool may delete its report and write the next one under the same name: one that was written after the version
    is another one, unless only a clock that has been set back says so.
    """
    versions = {v.spec.trigger.drift_report: v for v in world.versions if v.spec.trigger.drift_report}
    candidates = ((each, versions[each.name]) for each in world.reports if each.name in versions)
    return {
        report.name: version
        for report, version in candidates
        if unless_ahead(world, report.created_at) - version.metadata.creation_timestamp <= CLOCKS_DIFFER
    }


def _verdicts(world: World, started: Mapping[str, ModelVersion]) -> dict[str, Verdict]:
    """The verdict on each open report by itself; in the order of assessment: the later of two copies is the copy."""
    if all(report.whole is None for report in world.reports):
        return {}  # the usual case
    verdicts: dict[str, Verdict] = {}
    measured: dict[Hashable, Report] = {}
    for report in sorted(world.reports, key=order_of_assessment):
        mark = subject(report, world), report.measurement_digest
        outcome = report.outcome
        if report.whole and report.name in started:
            verdicts[report.name] = _triggered(judge(report.whole, world), started[report.name])
        elif report.whole:
            verdict = judge(report.whole, world, _original(report, measured.get(mark)))
            # A recorded breach stays a breach; only a deferred one becomes stale when another version goes live.
            if outcome is not Outcome.BREACH or verdict.outcome is Outcome.BREACH or not report.message:
                verdicts[report.name] = verdict
                outcome = verdict.outcome
        # A check that finds the same bad data later is a further one: they persist.
        persists = outcome is Outcome.BAD_DATA and report.scheduled_at != NEVER
        if outcome not in NOT_COUNTED and not persists:
            measured[mark] = report
    return verdicts


def _original(report: Report, earlier: Report | None) -> str | None:
    """The name of the earlier report, if this one is a copy of it."""
    if earlier is None or (report.same_within and abs(report.created_at - earlier.created_at) > report.same_within):
        return None
    return earlier.name


def _with_persistent_bad_data(world: World, verdicts: dict[str, Verdict]) -> dict[str, Verdict]:
    """The verdicts; after several reports in a row with bad data, the message names the field that allows them."""
    if all(verdict.outcome is not Outcome.BAD_DATA for verdict in verdicts.values()):
        return verdicts
    outcomes = [
        (name, verdicts[name].outcome if name in verdicts else outcome) for name, outcome in live_outcomes(world)
    ]
    for name, streak in bad_data_streaks(outcomes).items():
        verdict = verdicts.get(name)
        if verdict and verdict.outcome is Outcome.BAD_DATA and streak >= PERSISTENT:
            message = f"{verdict.message}; {streak} reports in a row: fix what writes the data, or, if they are right, "
            verdicts[name] = replace(verdict, message=f"{message}raise {verdict.quality_field}")
    return verdicts


def live_outcomes(world: World) -> list[tuple[str, Outcome | None]]:
    """Name and recorded outcome of each report about the live version, the oldest first."""
    live = world.live
    return [
        (each.name, each.outcome) for each in about_drift(world.reports) if live and subject(each, world) == live.name
    ]


def newest_report(world: World) -> Report | None:
    """The newest report that says something about the live version."""
    live = world.live
    return next(
        (
            each
            for each in reversed(about_drift(world.reports))
            if live and each.about == live.name and each.outcome and each.outcome not in NOT_COUNTED
        ),
        None,
    )


def _chain(world: World, verdicts: Mapping[str, Verdict], started: Mapping[str, ModelVersion]) -> tuple[str, ...]:
    """The newest consecutive breaches among the usable reports about the live version, newest first.

    A report that has started a training, or would have, ends the chain: one set of reports starts one training. One
    that could not measure everything ends it only for breaches of metrics that it did measure.
    """
    chain: list[str] = []
    within: list[set[str]] = []
    live = world.live
    for report in reversed(about_drift(world.reports)):
        verdict = verdicts.get(report.name)
        outcome = verdict.outcome if verdict else report.outcome
        if live is None or subject(report, world) != live.name:
            continue
        if report.name in started or outcome in ENDS_CHAIN:
            break
        if outcome is Outcome.NOT_MEASURED:
            within.append({extreme.name for extreme in report.extremes})
        if verdict and outcome is Outcome.BREACH:
            if any({breach.metric for breach in verdict.breaches} <= metrics for metrics in within):
                break
            chain.append(report.name)
    return tuple(chain)


def _triggered(verdict: Verdict, candidate: ModelVersion) -> Verdict:
    """The same verdict with outcome Triggered and the message of the candidate's trigger."""
    message = f"{candidate.spec.trigger.message}; training {candidate.name}"
    return replace(verdict, outcome=Outcome.TRIGGERED, message=message, candidate=candidate.name)


def _would_trigger(verdict: Verdict, version: str) -> Verdict:
    """The same verdict for a dry run, with the name of the version that would have been trained."""
    message = f"{verdict.message}; it would have started the training of {version}{ONLY_REPORTED}"
    return replace(verdict, outcome=Outcome.WOULD_TRIGGER, message=message)
