"""What a person, kubectl wait, Helm, Flux and Argo CD read of a ModelDeployment."""

from __future__ import annotations

from dataclasses import dataclass

from perennial_operator.core import names
from perennial_operator.core.api.conditions import Condition, find, with_condition
from perennial_operator.core.api.drift_report import Outcome
from perennial_operator.core.api.model_deployment import DriftFacts, ModelDeploymentStatus
from perennial_operator.core.api.model_version import Phase
from perennial_operator.core.rules.training_admission import Deferral
from perennial_operator.core.stages.drift_assessment import NOT_COUNTED, Assessment
from perennial_operator.core.stages.drift_checks import check_jobs, failed_check, last_check
from perennial_operator.core.stages.training import deferral_of, trigger_of
from perennial_operator.core.status.readiness import (
    PIN_NOT_FOUND,
    Statement,
    available,
    missing_pin,
    progress_of,
    ready,
)
from perennial_operator.core.traffic.registry import runtime_of
from perennial_operator.core.traffic.traffic_split import is_shadowing
from perennial_operator.core.world import JobState, World


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why the last pass could not do what it decided."""

    reason: str
    message: str


def describe(world: World, assessment: Assessment, trouble: Trouble | None = None) -> ModelDeploymentStatus:
    """The status of this moment. Applied to itself it changes nothing."""
    before, candidate = world.deployment.status, world.candidate
    wait = waiting(world, assessment)
    queued = wait is not None and wait.reason is Outcome.QUEUED
    statements = _statements(world, trouble, wait)
    rollout = candidate.status.rollout if candidate else None
    return ModelDeploymentStatus(
        observed_generation=world.deployment.metadata.generation,
        phase=_phase(world, trouble, wait),
        live_version=world.live.name if world.live else None,
        candidate_version=candidate.name if candidate else None,
        weight=rollout.weight if rollout else None,
        replicas=sum(held.total for held in world.serving.values()),
        ready_replicas=sum(held.answering for held in world.serving.values()),
        selector=",".join(f"{key}={value}" for key, value in _sharing_the_load(world).items()),
        drift=_drift(world),
        # A number that storage alone knows is kept when a version is made: until then the ledger is still looked into.
        last_version_number=((world.next_number - 1) if world.versions else before.last_version_number) or None,
        last_handled_retrain_request=_handled(world),
        queued_since=(before.queued_since or world.now) if queued else None,
        conditions=_timed(world, statements),
    )


def waiting(world: World, assessment: Assessment) -> Deferral | None:
    """Why a candidate that is wanted is not started, or None."""
    if world.candidate:
        return None
    if assessment.deferral:
        return assessment.deferral
    trigger = trigger_of(world)
    return deferral_of(world, trigger) if trigger else None


def _statements(world: World, trouble: Trouble | None, waits: Deferral | None) -> list[Statement]:
    """As kstatus has them: never two of Ready, Reconciling and Stalled at once.

    While the spec is served, only Retraining reports the blocker of a retraining: the deployment works.
    """
    serves = ready(world, waits)
    stalled = None if serves.holds else _stalled(world, trouble, waits)
    why = stalled or serves
    reconciling = Statement("Reconciling", stalled is None, why.reason, why.message)
    idle = Statement("Reconciling", False, "Idle", "nothing of spec is left to be done")
    return [
        available(world),
        serves,
        idle if serves.holds else reconciling,
        stalled or Statement("Stalled", False, "NotStalled", "nothing waits for a person"),
        _retraining(world, trouble, waits),
        *_checked(world),
        *_routed(world),
    ]


def _stalled(world: World, trouble: Trouble | None, waits: Deferral | None) -> Statement | None:
    if trouble:
        return Statement("Stalled", True, trouble.reason, trouble.message)
    if world.spec.pin and world.pinned is None and (reason := missing_pin(world)[0]) == PIN_NOT_FOUND:
        return Statement("Stalled", True, reason, missing_pin(world)[1])
    if waits and waits.reason is Outcome.STALLED:
        return Statement("Stalled", True, waits.cause, waits.message)
    return None


def _retraining(world: World, trouble: Trouble | None, waits: Deferral | None) -> Statement:
    candidate, newest = world.candidate, world.newest
    if candidate and world.live:
        blocker = f"; {trouble.message}" if trouble else ""
        return Statement("Retraining", True, candidate.phase.value, progress_of(world, candidate) + blocker)
    if trouble:
        return Statement("Retraining", False, trouble.reason, trouble.message)
    if waits and world.live:
        return Statement("Retraining", False, waits.reason.value, waits.message)
    if newest and newest.status.reason:
        return Statement("Retraining", False, newest.status.reason, progress_of(world, newest))
    return Statement("Retraining", False, "NotNeeded", "no candidate is on its way")


def _checked(world: World) -> list[Statement]:
    """Whether the operator's own last drift check could be made; nothing where it makes none."""
    if world.spec.drift is None or world.spec.drift.check is None:
        return []
    if failure := failed_check(world):
        return [Statement("Checked", False, failure.reason, failure.message)]
    running = [job.state is JobState.RUNNING for job in check_jobs(world)]
    if all(running):
        # What the last check came to stands until the next has come to something.
        before = find(world.deployment.status.conditions, "Checked")
        if before and before.status != "Unknown":
            return [Statement("Checked", before.status == "True", before.reason, before.message)]
        if running or last_check(world) is None:
            return [Statement("Checked", None, "NotYet", "no drift check has been made yet")]
    return [Statement("Checked", True, "Done", "the last drift check was made; its word is in its DriftReport")]


def _sharing_the_load(world: World) -> dict[str, str]:
    """Labels of the pods by whose load a scale is to be found: one that only shadows bears a second copy of it."""
    of_version = {names.MODEL_VERSION: world.live.name} if world.live and is_shadowing(world) else {}
    return names.serving_selector(world.name) | of_version


def _routed(world: World) -> list[Statement]:
    """Whether the runtime can split the traffic by weight, also while no candidate needs it; nothing if replicas do."""
    runtime = runtime_of(world.spec)
    if blocker := runtime.blocker(world):
        return [Statement("Routed", False, blocker.reason, blocker.message)]
    status = runtime.routing_status(world)
    return [Statement("Routed", status.routed, status.reason, status.message)] if status else []


def _timed(world: World, statements: list[Statement]) -> list[Condition]:
    """The statements as conditions, with the time since when each has been so."""
    conditions = list(world.deployment.status.conditions)
    generation = world.deployment.metadata.generation
    for said in statements:
        conditions = with_condition(conditions, said.kind, said.holds, said.reason, said.message, world.now, generation)
    stated = {said.kind for said in statements}
    return [condition for condition in conditions if condition.type in stated]


def _phase(world: World, trouble: Trouble | None, waits: Deferral | None) -> str:
    if world.spec.suspend:
        return "Suspended"
    if _stalled(world, trouble, waits):
        return "Stalled"
    if world.spec.pin:
        return "Pinned"
    if world.candidate:
        return world.candidate.phase.value
    return Phase.LIVE.value if world.live else "Pending"


def _drift(world: World) -> DriftFacts | None:
    """The newest usable report about the live version, and the last check."""
    live = world.live
    about_live = [
        report
        for report in world.reports
        if live and report.about == live.name and report.outcome and report.outcome not in NOT_COUNTED
    ]
    newest, checked = about_live[-1] if about_live else None, last_check(world)
    if newest is None and checked is None:
        return None
    return DriftFacts(
        report=newest.name if newest else None,
        outcome=newest.outcome if newest else None,
        message=newest.message if newest else None,
        last_check_time=checked,
    )


def _handled(world: World) -> str | None:
    made = {version.spec.trigger.request for version in world.versions}
    return world.request if world.request in made else world.deployment.status.last_handled_retrain_request
