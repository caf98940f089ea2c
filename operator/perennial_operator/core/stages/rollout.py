"""Roll-out: does the candidate take its next step, take over, or go back?"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from perennial_operator.core import names
from perennial_operator.core.actions import Action, Announcement, SetStatus
from perennial_operator.core.api.analysis import MEASURING, NO_DATA
from perennial_operator.core.api.conditions import find, with_condition
from perennial_operator.core.api.model_version import IN_FLIGHT, UNSUCCESSFUL, ModelVersion, Phase, RolloutState
from perennial_operator.core.rules.phases import REJECTED_BY_PERSON, ROLLING_OUT
from perennial_operator.core.rules.transitions import transition
from perennial_operator.core.stages import rollout_analysis as analysis
from perennial_operator.core.stages.drift_assessment import Assessment
from perennial_operator.core.stages.rollout_steps import hold, meaning, patience, replicas_of, weight_after
from perennial_operator.core.traffic.registry import runtime_of
from perennial_operator.core.traffic.runtime import ALL, SHADOW, Blocker
from perennial_operator.core.traffic.traffic_split import ready, shadow_asked
from perennial_operator.core.world import World

LOOK_AGAIN = timedelta(minutes=1)
"""How often a route, which is not watched, is read while its weights matter: a person may fix or overwrite them."""
LOOK_SOON = timedelta(seconds=5)
"""How often an object that is not watched is read while it is about to change."""


def next_step(world: World, _assessment: Assessment) -> tuple[Action, ...]:
    """The one change of a version's status that the roll-out needs now; nothing where it only has to wait."""
    step = _tidied(world) or _pinned(world) or _rejected(world) or _approved(world) or _stepped(world)
    return (step,) if step else ()


def wakes_at(world: World, _assessment: Assessment) -> Iterator[datetime]:
    """When the running step's hold or time-out ends, and when what is not watched is read again."""
    version, runtime = world.candidate, runtime_of(world.spec)
    rolls_out = version is not None and version.phase is Phase.ROLLING_OUT
    if runtime.polled_object(world) and (rolls_out or runtime.blocker(world)):
        yield world.now + LOOK_AGAIN
    if runtime.changes_soon(world):
        yield world.now + LOOK_SOON
    state = version.status.rollout if version else None
    if state and state.started_at and state.ready_at is None:
        yield patience(world, state, state.started_at)
    elif state and state.ready_at:
        hold_ends = state.ready_at + hold(world, state)
        yield hold_ends
        yield from analysis.wakes_at(world, state, hold_ends)


def _tidied(world: World) -> SetStatus | None:
    """Of two live versions the older steps down, and so does what is in flight and no candidate.

    A crash leaves the first, a promotion just now too; a version made by hand or restored from a backup the second.
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


def _pinned(world: World) -> SetStatus | None:
    """The pinned version takes over once its replicas are ready; a candidate that has pods gives way at once."""
    pinned, candidate = world.pinned, world.candidate
    if pinned is None:
        return None
    if candidate and candidate is not pinned and candidate.status.rollout:
        message = f"spec.pin holds {pinned.name}"
        return transition(world, candidate, Phase.SUPERSEDED, "Pinned", message, ("RolledOut", False), rollout=None)
    if pinned is not world.live and ready(world, pinned, world.spec.serving.replicas):
        known = f", although it was {pinned.phase}: {pinned.status.message}" if pinned.phase in UNSUCCESSFUL else ""
        return _promoted(world, pinned, "Pinned", f"serves because spec.pin names it{known}")
    return None


def _rejected(world: World) -> SetStatus | None:
    version = world.candidate
    person = version and version.metadata.annotations.get(names.REJECTED)
    if version is None or not person:
        return None
    if version.status.rollout:
        return _back(world, version, REJECTED_BY_PERSON, f"rejected by {person}")
    return transition(world, version, Phase.REJECTED, REJECTED_BY_PERSON, f"rejected by {person}", ("Approved", False))


def _approved(world: World) -> SetStatus | None:
    version = world.candidate
    if version is None or version.phase is not Phase.AWAITING_APPROVAL or world.automation_rests:
        return None
    person = version.metadata.annotations.get(names.APPROVED)
    if not person and world.spec.rollout.approval == "manual":
        return None
    message = f"approved by {person}" if person else "spec.rollout.approval is automatic"
    return transition(world, version, Phase.ROLLING_OUT, "Approved", message, ("Approved", True))


def _stepped(world: World) -> SetStatus | None:
    version = world.candidate
    if version is None or version.phase is not Phase.ROLLING_OUT:
        return None
    state = version.status.rollout
    if world.automation_rests:
        # The step's clock stands still: what was put off by a person is nobody's delay.
        return _noted(version, RolloutState(weight=state.weight)) if state and state.started_at else None
    runtime = runtime_of(world.spec)
    if (world.live or runtime.blocks_first_version) and (blocker := runtime.blocker(world)):
        return _halted(world, version, blocker)
    if state is None:
        return _at_weight(world, version, SHADOW if shadow_asked(world) else weight_after(world, 0))
    if state.started_at is None:
        if version.status.reason != ROLLING_OUT:
            return _at_weight(world, version, state.weight)
        return _noted(version, RolloutState(weight=state.weight, started_at=world.now))
    if (
        max(at for at in (state.started_at, state.ready_at, state.analysis and state.analysis.sampled_at) if at)
        > world.now
    ):
        # The clock was wrong then, or is now: the step begins anew.
        return _noted(version, RolloutState(weight=state.weight, started_at=world.now))
    return _condemned(world, version) or _going(world, version, state)


def _going(world: World, version: ModelVersion, state: RolloutState) -> SetStatus | None:
    """What follows from the step's replicas being ready, or not; nothing where there is still time."""
    if ready(world, version, replicas_of(world, state)):
        runtime = runtime_of(world.spec)
        if runtime.routes_as_asked(world, state):
            return _held(world, version, state)
        if state.ready_at or not runtime.routes_later:
            return _overwritten(world, version, state)
    elif state.ready_at:
        return _noted(version, state.model_copy(update={"ready_at": None, "faltered": True}))
    assert state.started_at
    return _late(world, version, state) if patience(world, state, state.started_at) <= world.now else None


def _condemned(world: World, version: ModelVersion) -> SetStatus | None:
    """Back at once where a pod refuses the artifact, or a drift report finds the version bad."""
    if refusal := world.serving[version.name].refusal if version.name in world.serving else None:
        return _back(world, version, str(refusal.get("reason", "Refused")), str(refusal.get("message")))
    if breach := analysis.breach(world, version):
        return _back(world, _said(world, version, breach), breach.reason, breach.message)
    return None


def _overwritten(world: World, version: ModelVersion, state: RolloutState) -> SetStatus | None:
    """The hold begins again if the weight was overwritten; nothing if it is not set yet."""
    if state.ready_at is None:
        return None
    message = runtime_of(world.spec).overwritten_message(world)
    return _halted(world, version, Blocker("WeightsOverwritten", message))


def _halted(world: World, version: ModelVersion, blocker: Blocker) -> SetStatus | None:
    """The step's clock stops, and the version reports the blocker until it is fixed."""
    state = version.status.rollout
    stopped = RolloutState(weight=state.weight) if state else None
    if (version.status.reason, version.status.message, state) == (blocker.reason, blocker.message, stopped):
        return None
    reason, message = blocker.reason, blocker.message
    return transition(world, version, Phase.ROLLING_OUT, reason, message, ("RolledOut", None), rollout=stopped)


def _held(world: World, version: ModelVersion, state: RolloutState) -> SetStatus | None:
    """What follows from the step's replicas being ready: the next step after the hold, or everything."""
    if state.weight == ALL:
        beside = f" instead of {world.live.name}" if world.live else ""
        return _promoted(world, version, "RolledOut", f"serves{beside}")
    if state.ready_at is None and (hold(world, state) or analysis.asked(world, state)):
        return _noted(version, state.model_copy(update={"ready_at": world.now}))
    if analysis.due(world):
        return _analysed(world, version, state)
    hold_ends = (state.ready_at or world.now) + hold(world, state)
    if hold_ends > world.now:
        return None
    if analysis.passed(world, state):
        return _at_weight(world, version, weight_after(world, state.weight))
    if analysis.waits_until(world, state, hold_ends) > world.now:
        return None
    said = find(version.status.conditions, "Analysed")
    return _back(world, version, NO_DATA, f"no data came in time: {said.message if said else 'nothing was measured'}")


def _analysed(world: World, version: ModelVersion, state: RolloutState) -> SetStatus | None:
    """The version with what this pass has measured, or back; nothing where it is still to be measured."""
    if world.sample is None or state.ready_at is None:
        return None
    hold_ends = state.ready_at + hold(world, state)
    figures, answer = analysis.measured(world, version, state, world.sample, hold_ends)
    told = _said(world, version, answer)
    if answer.passed is False:
        return _back(world, told, answer.reason, answer.message)
    before = find(version.status.conditions, "Analysed")
    known = answer.reason == MEASURING or (before is not None and before.reason == answer.reason)
    news = Announcement(answer.reason, f"{version.name}: {answer.message}", warning=answer.passed is None)
    return _noted(told, state.model_copy(update={"analysis": figures}), None if known else news)


def _late(world: World, version: ModelVersion, state: RolloutState) -> SetStatus:
    serving = world.serving.get(version.name)
    count = serving.ready if serving else 0
    because = f": {serving.trouble}" if serving and serving.trouble else ""
    if world.live and count >= replicas_of(world, state):
        splitter = runtime_of(world.spec).traffic_splitter(world)
        because = (
            f", but {splitter} did not route {state.weight} % of the requests to them, the rest to {world.live.name}"
        )
    message = (
        f"{count} of {replicas_of(world, state)} replicas were ready after spec.rollout.timeout "
        f"{world.spec.rollout.timeout}{because}"
    )
    return _back(world, version, "NotReady", message)


def _at_weight(world: World, version: ModelVersion, weight: int) -> SetStatus:
    state = RolloutState(weight=weight, started_at=world.now)
    return transition(
        world, version, Phase.ROLLING_OUT, ROLLING_OUT, meaning(world, weight), ("RolledOut", None), rollout=state
    )


def _noted(version: ModelVersion, state: RolloutState, news: Announcement | None = None) -> SetStatus:
    status = version.status.model_copy(update={"rollout": state})
    return SetStatus("ModelVersion", version.name, status.to_api(), version.metadata.resource_version, news)


def _said(world: World, version: ModelVersion, said: analysis.Answer) -> ModelVersion:
    """The version with what its analysis says, as a condition."""
    conditions = with_condition(
        version.status.conditions, "Analysed", said.passed, said.reason, said.message, world.now
    )
    return version.model_copy(update={"status": version.status.model_copy(update={"conditions": conditions})})


def _promoted(world: World, version: ModelVersion, reason: str, message: str) -> SetStatus:
    # Later than the one before it whatever the clock says: of two live versions the later is the one that serves.
    before = world.live.status.live_since if world.live else None
    since = max(world.now, before + timedelta(seconds=1)) if before else world.now
    done = {"live_since": since, "ended_at": None, "rollout": None}
    return transition(world, version, Phase.LIVE, reason, message, ("RolledOut", True), **done)


def _back(world: World, version: ModelVersion, reason: str, message: str) -> SetStatus:
    return transition(world, version, Phase.ROLLED_BACK, reason, message, ("RolledOut", False), rollout=None)
