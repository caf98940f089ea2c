"""The status of a ModelDeployment, which people, kubectl wait, Helm, Flux and Argo CD read."""

from __future__ import annotations

from dataclasses import dataclass

from perennial_operator.core import names
from perennial_operator.core.api.conditions import Condition, find, with_condition
from perennial_operator.core.api.drift_report import Outcome
from perennial_operator.core.api.model_deployment import DriftFacts, ModelDeploymentStatus
from perennial_operator.core.api.model_version import ModelVersion, Phase
from perennial_operator.core.drift_reports import Report
from perennial_operator.core.rules.phases import NOT_STARTED
from perennial_operator.core.rules.trainings.admission import Deferral
from perennial_operator.core.stages.drift_assessment import Assessment, newest_report
from perennial_operator.core.stages.drift_checks import check_jobs, failed_check, invalid_request, last_check
from perennial_operator.core.stages.training import deferral_of, trigger_of
from perennial_operator.core.stages.upkeep import upkeep_facts
from perennial_operator.core.status.ownership import owned
from perennial_operator.core.status.readiness import (
    PIN_NOT_FOUND,
    Statement,
    available,
    job_of_phase,
    missing_pin,
    progress_of,
    ready,
)
from perennial_operator.core.status.upkeep import kept_up
from perennial_operator.core.status.version_checks import quality_checked
from perennial_operator.core.traffic.predecessor import predecessor_of
from perennial_operator.core.traffic.registry import runtime_of
from perennial_operator.core.traffic.traffic_split import is_shadowing
from perennial_operator.core.world import JobState, World

NOT_JUDGED = frozenset({Outcome.BAD_DATA, Outcome.NOT_MEASURED})
"""Outcomes of reports after which it is not known whether the data drift."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why the last pass could not execute its decision."""

    reason: str
    message: str


def describe(world: World, assessment: Assessment, trouble: Trouble | None = None) -> ModelDeploymentStatus:
    """The current status. A second call with the result changes nothing."""
    before, candidate = world.deployment.status, world.candidate
    deferral = current_deferral(world, assessment)
    queued = deferral is not None and deferral.reason is Outcome.QUEUED
    statements = _statements(world, trouble, deferral)
    rollout = candidate.status.rollout if candidate else None
    return ModelDeploymentStatus(
        observed_generation=world.deployment.metadata.generation,
        phase=_phase(world, trouble, deferral),
        live_version=world.live.name if world.live else None,
        candidate_version=candidate.name if candidate else None,
        weight=rollout.weight if rollout else None,
        replicas=sum(serving.total for serving in world.serving.values()),
        ready_replicas=sum(serving.answering for serving in world.serving.values()),
        selector=",".join(f"{key}={value}" for key, value in _scaled_pods(world).items()),
        drift=_drift(world),
        upkeep=upkeep_facts(world),
        # A number that only storage has is recorded once a version exists; until then the ledger is still searched.
        last_version_number=((world.next_number - 1) if world.versions else before.last_version_number) or None,
        last_handled_retrain_request=_handled(world),
        queued_since=(before.queued_since or world.now) if queued else None,
        conditions=_conditions(world, statements),
    )


def current_deferral(world: World, assessment: Assessment) -> Deferral | None:
    """Why a needed candidate is not started, or None. In a dry run drift needs none."""
    if world.candidate:
        return None
    if assessment.deferral and not world.is_dry_run:
        return assessment.deferral
    trigger = trigger_of(world)
    return deferral_of(world, trigger) if trigger else None


def _statements(world: World, trouble: Trouble | None, deferral: Deferral | None) -> list[Statement]:
    """As kstatus has them: never two of Ready, Reconciling and Stalled at once.

    While the spec is served, only Retraining reports the blocker of a retraining: the deployment works.
    """
    serves = ready(world, deferral)
    stalled = None if serves.holds else _stalled(world, trouble, deferral)
    why = stalled or serves
    reconciling = Statement("Reconciling", stalled is None, why.reason, why.message)
    idle = Statement("Reconciling", False, "Idle", "the spec is served")
    return [
        available(world),
        serves,
        idle if serves.holds else reconciling,
        stalled or Statement("Stalled", False, "NotStalled", _not_stalled(world)),
        _retraining(world, trouble, deferral),
        *_checked(world),
        *quality_checked(world),
        *_routed(world),
        *owned(world),
        *kept_up(world),
    ]


def _stalled(world: World, trouble: Trouble | None, deferral: Deferral | None) -> Statement | None:
    if trouble:
        return Statement("Stalled", True, trouble.reason, trouble.message)
    if world.spec.pin and world.pinned is None and (reason := missing_pin(world)[0]) == PIN_NOT_FOUND:
        return Statement("Stalled", True, reason, missing_pin(world)[1])
    if deferral and deferral.reason is Outcome.STALLED:
        return Statement("Stalled", True, deferral.cause, deferral.message)
    return None


def _not_stalled(world: World) -> str:
    candidate = world.candidate
    if candidate and candidate.phase is Phase.AWAITING_APPROVAL:
        return f"nothing is stuck; {candidate.name} waits for a person to approve or reject it"
    return "nothing waits for a person"


def _retraining(world: World, trouble: Trouble | None, deferral: Deferral | None) -> Statement:
    candidate, newest = world.candidate, world.newest
    if candidate and world.live:
        blocker = f"; {trouble.message}" if trouble else ""
        return Statement("Retraining", True, candidate.phase.value, progress_of(world, candidate) + blocker)
    if trouble:
        return Statement("Retraining", False, trouble.reason, trouble.message)
    if deferral and world.live:
        return Statement("Retraining", False, deferral.reason.value, deferral.message)
    if would := _dry_run_result(world):
        return Statement("Retraining", False, Outcome.WOULD_TRIGGER.value, f"{would.name}: {would.message}")
    if newest and newest.status.reason and not _is_over(world, newest):
        return Statement("Retraining", False, newest.status.reason, progress_of(world, newest))
    return Statement("Retraining", False, "NotNeeded", "there is no candidate")


def _dry_run_result(world: World) -> Report | None:
    """The newest report, if it would have started a training, and no version has failed since."""
    report, ended = newest_report(world), world.newest.status.ended_at if world.newest else None
    if not world.is_dry_run or report is None or report.outcome is not Outcome.WOULD_TRIGGER:
        return None
    return None if ended and ended >= report.created_at else report


def _is_over(world: World, newest: ModelVersion) -> bool:
    """Whether the newest version was replaced, and the live one is what the spec describes again."""
    return newest.phase is Phase.SUPERSEDED and newest.status.reason == "SpecChanged" and world.live is not None


def _checked(world: World) -> list[Statement]:
    """Whether the last drift check succeeded and could be judged; nothing without a check if all is well."""
    drift, failure = world.spec.drift, failed_check(world)
    if drift and drift.check and failure:
        return [Statement("Checked", False, failure.reason, failure.message)]
    if drift and drift.check and (wrong := invalid_request(world)):
        return [Statement("Checked", False, "InvalidRequest", wrong)]
    facts = _drift(world) if drift else None
    if facts and facts.outcome in NOT_JUDGED:
        return [Statement("Checked", False, facts.outcome.value, facts.message or facts.outcome.value)]
    if drift is None or drift.check is None:
        return []
    running = [job.state is JobState.RUNNING for job in check_jobs(world)]
    if all(running):
        # The result of the last check is kept until the next one has ended.
        before = find(world.deployment.status.conditions, "Checked")
        known = before is not None and before.status != "Unknown"
        if before and known and before.reason not in NOT_JUDGED:
            return [Statement("Checked", before.status == "True", before.reason, before.message)]
        if (running and not known) or last_check(world) is None:
            return [Statement("Checked", None, "NotYet", "no drift check has been made yet")]
    return [Statement("Checked", True, "Done", "the last drift check succeeded; see its DriftReport")]


def _scaled_pods(world: World) -> dict[str, str]:
    """Labels of the pods whose load an autoscaler measures; not those that get no requests, or only mirrored ones."""
    idle = predecessor_of(world) is not None and runtime_of(world.spec).traffic_splitter(world)
    of_version = {names.MODEL_VERSION: world.live.name} if world.live and (idle or is_shadowing(world)) else {}
    return names.serving_selector(world.name) | of_version


def _routed(world: World) -> list[Statement]:
    """Whether the runtime can split the traffic by weight, also while no candidate needs it; nothing if replicas do."""
    runtime = runtime_of(world.spec)
    if blocker := runtime.blocker(world):
        return [Statement("Routed", False, blocker.reason, blocker.message)]
    status = runtime.routing_status(world)
    return [Statement("Routed", status.routed, status.reason, status.message)] if status else []


def _conditions(world: World, statements: list[Statement]) -> list[Condition]:
    """The statements as conditions, each with the time of its last transition."""
    conditions = list(world.deployment.status.conditions)
    generation = world.deployment.metadata.generation
    for each in statements:
        conditions = with_condition(conditions, each.kind, each.holds, each.reason, each.message, world.now, generation)
    stated = {each.kind for each in statements}
    return [condition for condition in conditions if condition.type in stated]


def _phase(world: World, trouble: Trouble | None, deferral: Deferral | None) -> str:
    if world.spec.suspend:
        return "Suspended"
    if _stalled(world, trouble, deferral):
        return "Stalled"
    if world.spec.pin:
        return "Pinned"
    if candidate := world.candidate:
        job = job_of_phase(world, candidate)
        waits = Outcome.QUEUED.value if job and job.queued else candidate.phase.value
        return NOT_STARTED if candidate.status.reason == NOT_STARTED else waits
    return Phase.LIVE.value if world.live else "Pending"


def _drift(world: World) -> DriftFacts | None:
    """The newest usable report about the live version, and the last check."""
    newest, checked = newest_report(world), last_check(world)
    if newest is None and checked is None:
        return None
    return DriftFacts(
        report=newest.name if newest else None,
        outcome=newest.outcome if newest else None,
        message=newest.message if newest else None,
        waiting=newest.waiting if newest else None,
        last_check_time=checked,
    )


def _handled(world: World) -> str | None:
    made = {version.spec.trigger.request for version in world.versions}
    return world.request if world.request in made else world.deployment.status.last_handled_retrain_request
