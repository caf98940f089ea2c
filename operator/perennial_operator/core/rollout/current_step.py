"""Does the current step of a roll-out wait, continue or end, or is the candidate rolled back?"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from perennial_operator.core.actions import Announcement, SetStatus
from perennial_operator.core.api.analysis import MEASURING, NO_DATA
from perennial_operator.core.api.conditions import find, with_condition
from perennial_operator.core.api.model_version import ModelVersion, Phase, RolloutState
from perennial_operator.core.rollout import analysis
from perennial_operator.core.rollout.steps import (
    hold_of,
    keep_unready,
    next_weight,
    promote,
    ready_deadline,
    replicas_of,
    roll_back,
    roll_back_unready,
    start_step,
    step_message,
    with_state,
)
from perennial_operator.core.rollout.watch import watching
from perennial_operator.core.rules.canary_comparison import AnalysisOutcome
from perennial_operator.core.rules.phases import ROLLED_OUT, ROLLING_OUT
from perennial_operator.core.rules.transitions import transition
from perennial_operator.core.traffic.registry import runtime_of
from perennial_operator.core.traffic.runtime import ALL, SHADOW, Blocker
from perennial_operator.core.traffic.traffic_split import ready, shadow_asked
from perennial_operator.core.world import World


def continue_rollout(world: World) -> SetStatus | None:
    """The next change of a candidate that rolls out; nothing while it has to wait."""
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
    if state is None and (watch := watching(world)):
        return _stop_clock(world, version, watch)
    if state is None:
        weight = SHADOW if shadow_asked(world) else next_weight(world, 0)
        return start_step(world, version, RolloutState(weight=weight))
    if zero := _waits_at_zero(world, version, state):
        elapsed = (world.now - state.ready_at).total_seconds() if state.ready_at else 0.0
        kept = {"elapsed": state.elapsed + max(0.0, elapsed), "analysis": state.analysis}
        return _stop_clock(world, version, zero, **kept)
    if state.started_at is None:
        if version.status.reason != ROLLING_OUT:
            return start_step(world, version, state)
        return with_state(version, RolloutState(weight=state.weight, started_at=world.now))
    sampled_at = state.analysis and state.analysis.sampled_at
    if max(at for at in (state.started_at, state.ready_at, sampled_at) if at) > world.now:
        # The clock was wrong then, or is wrong now: the step starts again.
        return with_state(version, RolloutState(weight=state.weight, started_at=world.now))
    step = _roll_back_unfit(world, version) or _continue_step(world, version, state)
    return step or _with_present_message(world, version, state)


def _with_present_message(world: World, version: ModelVersion, state: RolloutState) -> SetStatus | None:
    """The message of the step names the replicas as they are wanted since a scale; nothing if it does."""
    message = step_message(world, state.weight)
    if version.status.reason != ROLLING_OUT or version.status.message == message:
        return None
    reason = ROLLING_OUT
    changed = transition(world, version, Phase.ROLLING_OUT, reason, message, ("RolledOut", None), rollout=state)
    return replace(changed, announce=None)


def _waits_at_zero(world: World, version: ModelVersion, state: RolloutState) -> Blocker | None:
    """Why the step waits while spec.serving.replicas is 0, or None: no pods are not a verdict."""
    if world.spec.serving.replicas:
        return None
    zero, until = "ScaledToZero", "the step continues when spec.serving.replicas is 1 or more"
    if analysis.analysis_of(world, state):
        return Blocker(zero, f"spec.serving.replicas is 0, so nothing can be measured; {until}")
    if ready(world, version, replicas_of(world, state)):
        return None
    return Blocker(
        zero, f"spec.serving.replicas is 0; one pod of {version.name} is started and must be ready, or {until}"
    )


def _continue_step(world: World, version: ModelVersion, state: RolloutState) -> SetStatus | None:
    """The change that follows from the step's replicas being ready, or not; nothing while there is time left."""
    if ready(world, version, replicas_of(world, state)):
        runtime = runtime_of(world.spec)
        if runtime.routes_as_asked(world, state):
            return _end_step(world, version, state)
        if state.ready_at or not runtime.routes_later:
            return _report_overwritten_weights(world, version, state)
    elif state.ready_at:
        return with_state(version, state.model_copy(update={"ready_at": None, "faltered": True, "elapsed": 0.0}))
    elif progress := _progress(world, version, state):
        return progress
    assert state.started_at
    if ready_deadline(world, state, state.started_at) > world.now:
        return None
    return roll_back_unready(world, version, state) if world.live else keep_unready(world, version)


def _progress(world: World, version: ModelVersion, state: RolloutState) -> SetStatus | None:
    """The timeout starts again when all replicas are ready that could be started so far, and others follow."""
    serving = world.serving.get(version.name)
    count = serving.ready if serving and serving.ready >= serving.desired else 0
    if state.faltered or count <= state.ready_replicas:
        return None
    return with_state(version, state.model_copy(update={"started_at": world.now, "ready_replicas": count}))


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


def _stop_clock(world: World, version: ModelVersion, blocker: Blocker, **kept: Any) -> SetStatus | None:
    """The step's clock stops, and the version reports the blocker until it is fixed; `kept` outlasts that."""
    state = version.status.rollout
    stopped = RolloutState(weight=state.weight, **kept) if state else None
    if (version.status.reason, version.status.message, state) == (blocker.reason, blocker.message, stopped):
        return None
    reason, message = blocker.reason, blocker.message
    return transition(world, version, Phase.ROLLING_OUT, reason, message, ("RolledOut", None), rollout=stopped)


def _end_step(world: World, version: ModelVersion, state: RolloutState) -> SetStatus | None:
    """The change that follows from the step's replicas being ready: after the hold the next step, or live."""
    if state.weight == ALL:
        instead = f" instead of {world.live.name}" if world.live else ""
        return promote(world, version, ROLLED_OUT, f"serves{instead}")
    if state.ready_at is None and (hold_of(world, state) or analysis.analysis_of(world, state)):
        return with_state(version, state.model_copy(update={"ready_at": world.now}))
    if analysis.sample_is_due(world):
        return _analyse(world, version, state)
    hold_ends = (state.ready_at or world.now) + hold_of(world, state)
    if hold_ends > world.now:
        return None
    if analysis.has_passed(world, state):
        weight = next_weight(world, state.weight)
        # Kept for the watch: after the promotion the version before may get no requests to compare with.
        measured = state.analysis if weight == ALL else None
        return start_step(world, version, RolloutState(weight=weight, analysis=measured))
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
