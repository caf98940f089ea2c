"""Roll-out: does the candidate take its next step, go live, or is it rolled back?"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from perennial_operator.core import names
from perennial_operator.core.actions import Action, Announcement, SetStatus
from perennial_operator.core.api.analysis import MEASURING, NO_DATA
from perennial_operator.core.api.conditions import find, with_condition
from perennial_operator.core.api.model_version import IN_FLIGHT, UNSUCCESSFUL, ModelVersion, Phase, RolloutState
from perennial_operator.core.rules.canary_comparison import AnalysisOutcome
from perennial_operator.core.rules.phases import REJECTED_BY_PERSON, ROLLING_OUT
from perennial_operator.core.rules.transitions import transition
from perennial_operator.core.stages import rollout_analysis as analysis
from perennial_operator.core.stages.drift_assessment import Assessment
from perennial_operator.core.stages.rollout_steps import (
    hold_of,
    next_weight,
    promote,
    ready_deadline,
    replicas_of,
    roll_back,
    roll_back_unready,
    start_step,
    with_state,
)
from perennial_operator.core.traffic.registry import runtime_of
from perennial_operator.core.traffic.runtime import ALL, SHADOW, Blocker
from perennial_operator.core.traffic.traffic_split import ready, shadow_asked
from perennial_operator.core.world import World

POLL_INTERVAL = timedelta(minutes=1)
"""How often a route, which is not watched, is read while its weights matter: a person may fix or overwrite them."""
SHORT_POLL_INTERVAL = timedelta(seconds=5)
"""How often an object that is not watched is read while it is about to change."""


def next_step(world: World, _assessment: Assessment) -> tuple[Action, ...]:
    """The one change of a version's status that the roll-out needs now; nothing while it has to wait."""
    step = (
        _supersede_leftover(world)
        or _serve_pinned(world)
        or _reject(world)
        or _approve(world)
        or _continue_rollout(world)
    )
    return (step,) if step else ()


def wakes_at(world: World, _assessment: Assessment) -> Iterator[datetime]:
    """When the current step's hold or timeout ends, and when an object that is not watched is read again."""
    version, runtime = world.candidate, runtime_of(world.spec)
    rolls_out = version is not None and version.phase is Phase.ROLLING_OUT
    if runtime.polled_object(world) and (rolls_out or runtime.blocker(world)):
        yield world.now + POLL_INTERVAL
    if runtime.changes_soon(world):
        yield world.now + SHORT_POLL_INTERVAL
    state = version.status.rollout if version else None
    if state and state.started_at and state.ready_at is None:
        yield ready_deadline(world, state, state.started_at)
    elif state and state.ready_at:
        hold_ends = state.ready_at + hold_of(world, state)
        yield hold_ends
        yield from analysis.wakes_at(world, state, hold_ends)


def _supersede_leftover(world: World) -> SetStatus | None:
    """The older of two live versions is superseded, and so is a version in flight that is not the candidate.

    Each promotion leaves the former for a moment; a version made by hand or restored from a backup is the latter.
    """
    for version in world.versions:
        if version.phase is Phase.LIVE and version is not world.live:
            assert world.live
            return transition(world, version, Phase.SUPERSEDED, "Superseded", f"{world.live.name} serves instead")
        if version.phase in IN_FLIGHT and version is not world.candidate and not version.unrestored:
            assert world.newest
            message = f"{world.newest.name} was made after it"
            return transition(world, version, Phase.SUPERSEDED, "Superseded", message, rollout=None)
    return None


def _serve_pinned(world: World) -> SetStatus | None:
    """The pinned version goes live once its replicas are ready; a candidate that has pods is superseded at once."""
    pinned, candidate = world.pinned, world.candidate
    if pinned is None:
        return None
    if candidate and candidate is not pinned and candidate.status.rollout:
        message = f"spec.pin is {pinned.name}"
        return transition(world, candidate, Phase.SUPERSEDED, "Pinned", message, ("RolledOut", False), rollout=None)
    if pinned is not world.live and ready(world, pinned, world.spec.serving.replicas):
        known = f", although it was {pinned.phase}: {pinned.status.message}" if pinned.phase in UNSUCCESSFUL else ""
        return promote(world, pinned, "Pinned", f"serves because spec.pin names it{known}")
    return None


def _reject(world: World) -> SetStatus | None:
    version = world.candidate
    person = version and version.metadata.annotations.get(names.REJECTED)
    if version is None or not person:
        return None
    if version.status.rollout:
        return roll_back(world, version, REJECTED_BY_PERSON, f"rejected by {person}")
    return transition(world, version, Phase.REJECTED, REJECTED_BY_PERSON, f"rejected by {person}", ("Approved", False))


def _approve(world: World) -> SetStatus | None:
    version = world.candidate
    if version is None or version.phase is not Phase.AWAITING_APPROVAL or world.automation_paused:
        return None
    person = version.metadata.annotations.get(names.APPROVED)
    if not person and world.spec.rollout.approval == "manual":
        return None
    message = f"approved by {person}" if person else "spec.rollout.approval is automatic"
    return transition(world, version, Phase.ROLLING_OUT, "Approved", message, ("Approved", True))


def _continue_rollout(world: World) -> SetStatus | None:
    version = world.candidate
    if version is None or version.phase is not Phase.ROLLING_OUT:
        return None
    state = version.status.rollout
    if world.automation_paused:
        # The step's clock is stopped, so that a pause by a person causes no timeout.
        return with_state(version, RolloutState(weight=state.weight)) if state and state.started_at else None
    runtime = runtime_of(world.spec)
    if (world.live or runtime.blocks_first_version) and (blocker := runtime.blocker(world)):
        return _stop_clock(world, version, blocker)
    if state is None:
        return start_step(world, version, SHADOW if shadow_asked(world) else next_weight(world, 0))
    if state.started_at is None:
        if version.status.reason != ROLLING_OUT:
            return start_step(world, version, state.weight)
        return with_state(version, RolloutState(weight=state.weight, started_at=world.now))
    sampled_at = state.analysis and state.analysis.sampled_at
    if max(at for at in (state.started_at, state.ready_at, sampled_at) if at) > world.now:
        # The clock was wrong then, or is wrong now: the step starts again.
        return with_state(version, RolloutState(weight=state.weight, started_at=world.now))
    return _roll_back_unfit(world, version) or _continue_step(world, version, state)


def _continue_step(world: World, version: ModelVersion, state: RolloutState) -> SetStatus | None:
    """The change that follows from the step's replicas being ready, or not; nothing while there is time left."""
    if ready(world, version, replicas_of(world, state)):
        runtime = runtime_of(world.spec)
        if runtime.routes_as_asked(world, state):
            return _end_step(world, version, state)
        if state.ready_at or not runtime.routes_later:
            return _report_overwritten_weights(world, version, state)
    elif state.ready_at:
        return with_state(version, state.model_copy(update={"ready_at": None, "faltered": True}))
    assert state.started_at
    late = ready_deadline(world, state, state.started_at) <= world.now
    return roll_back_unready(world, version, state) if late else None


def _roll_back_unfit(world: World, version: ModelVersion) -> SetStatus | None:
    """Rolled back at once if a pod refuses to serve the artifact, or a drift report about the version breaches."""
    if refusal := world.serving[version.name].refusal if version.name in world.serving else None:
        return roll_back(world, version, str(refusal.get("reason", "Refused")), str(refusal.get("message")))
    if breach := analysis.breach_of(world, version):
        return roll_back(world, _with_analysis(world, version, breach), breach.reason, breach.message)
    return None


def _report_overwritten_weights(world: World, version: ModelVersion, state: RolloutState) -> SetStatus | None:
    """The hold begins again if the weight was overwritten; nothing if it is not set yet."""
    if state.ready_at is None:
        return None
    message = runtime_of(world.spec).overwritten_message(world)
    return _stop_clock(world, version, Blocker("WeightsOverwritten", message))


def _stop_clock(world: World, version: ModelVersion, blocker: Blocker) -> SetStatus | None:
    """The step's clock stops, and the version reports the blocker until it is fixed."""
    state = version.status.rollout
    stopped = RolloutState(weight=state.weight) if state else None
    if (version.status.reason, version.status.message, state) == (blocker.reason, blocker.message, stopped):
        return None
    reason, message = blocker.reason, blocker.message
    return transition(world, version, Phase.ROLLING_OUT, reason, message, ("RolledOut", None), rollout=stopped)


def _end_step(world: World, version: ModelVersion, state: RolloutState) -> SetStatus | None:
    """The change that follows from the step's replicas being ready: after the hold the next step, or live."""
    if state.weight == ALL:
        instead = f" instead of {world.live.name}" if world.live else ""
        return promote(world, version, "RolledOut", f"serves{instead}")
    if state.ready_at is None and (hold_of(world, state) or analysis.analysis_of(world, state)):
        return with_state(version, state.model_copy(update={"ready_at": world.now}))
    if analysis.sample_is_due(world):
        return _analyse(world, version, state)
    hold_ends = (state.ready_at or world.now) + hold_of(world, state)
    if hold_ends > world.now:
        return None
    if analysis.has_passed(world, state):
        return start_step(world, version, next_weight(world, state.weight))
    if analysis.data_deadline(world, state, hold_ends) > world.now:
        return None
    last = find(version.status.conditions, "Analysed")
    message = f"no data arrived in time: {last.message if last else 'nothing was measured'}"
    return roll_back(world, version, NO_DATA, message)


def _analyse(world: World, version: ModelVersion, state: RolloutState) -> SetStatus | None:
    """The version with this pass's measurement, or rolled back; nothing if there is no sample yet."""
    if world.sample is None or state.ready_at is None:
        return None
    hold_ends = state.ready_at + hold_of(world, state)
    measured, result = analysis.assess_sample(world, version, state, world.sample, hold_ends)
    analysed = _with_analysis(world, version, result)
    if result.outcome is AnalysisOutcome.FAILED:
        return roll_back(world, analysed, result.reason, result.message)
    before = find(version.status.conditions, "Analysed")
    unchanged = result.reason == MEASURING or (before is not None and before.reason == result.reason)
    warning = result.outcome is AnalysisOutcome.INCONCLUSIVE
    announcement = None if unchanged else Announcement(result.reason, f"{version.name}: {result.message}", warning)
    return with_state(analysed, state.model_copy(update={"analysis": measured}), announcement)


def _with_analysis(world: World, version: ModelVersion, result: analysis.AnalysisResult) -> ModelVersion:
    """The version with the result as its condition Analysed."""
    conditions = with_condition(
        version.status.conditions, "Analysed", result.condition_status, result.reason, result.message, world.now
    )
    return version.model_copy(update={"status": version.status.model_copy(update={"conditions": conditions})})
