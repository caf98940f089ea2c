"""Roll-out: does the candidate take its next step, go live, or is it rolled back?"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from perennial_operator.core import names
from perennial_operator.core.actions import Action, SetStatus
from perennial_operator.core.api.model_version import IN_FLIGHT, UNSUCCESSFUL, ModelVersion, Phase
from perennial_operator.core.rollout import analysis, watch
from perennial_operator.core.rollout.current_step import continue_rollout
from perennial_operator.core.rollout.steps import (
    hold_of,
    promote,
    ready_deadline,
    roll_back,
)
from perennial_operator.core.rules.phases import REJECTED_BY_PERSON
from perennial_operator.core.rules.transitions import transition
from perennial_operator.core.stages.drift_assessment import Assessment
from perennial_operator.core.traffic.registry import runtime_of
from perennial_operator.core.traffic.traffic_split import ready
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
        or watch.continue_watch(world)
        or _reject(world)
        or _approve(world)
        or continue_rollout(world)
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
    yield from watch.wakes_at(world)
    state = version.status.rollout if version else None
    if state and state.started_at and state.ready_at is None:
        yield ready_deadline(world, state, state.started_at)
    elif state and state.ready_at:
        hold_ends = state.ready_at + hold_of(world, state)
        yield hold_ends
        yield from analysis.wakes_at(world, state, hold_ends)


def _supersede_leftover(world: World) -> SetStatus | None:
    """The older of two live versions is superseded, or rolled back if it failed; one in flight is superseded too.

    Each promotion leaves the former for a moment; a version made by hand or restored from a backup is the latter.
    """
    for version in world.versions:
        if version.phase is Phase.LIVE and version is not world.live:
            return watch.leave(world, version)
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


def _decider(version: ModelVersion, annotation: str) -> str:
    """Who decided, and for whom if the account says so; empty if the annotation is missing."""
    account, person = (version.metadata.annotations.get(each, "") for each in (annotation, names.PERSON))
    return f"{account} on behalf of {person}" if account and person else account


def _reject(world: World) -> SetStatus | None:
    version = world.candidate
    decider = version and _decider(version, names.REJECTED)
    if version is None or not decider:
        return None
    if version.status.rollout:
        return roll_back(world, version, REJECTED_BY_PERSON, f"rejected by {decider}")
    return transition(world, version, Phase.REJECTED, REJECTED_BY_PERSON, f"rejected by {decider}", ("Approved", False))


def _approve(world: World) -> SetStatus | None:
    version = world.candidate
    if version is None or version.phase is not Phase.AWAITING_APPROVAL or world.automation_paused:
        return None
    decider = _decider(version, names.APPROVED)
    if not decider and world.spec.rollout.approval == "manual":
        return None
    message = f"approved by {decider}" if decider else "spec.rollout.approval is automatic"
    return transition(world, version, Phase.ROLLING_OUT, "Approved", message, ("Approved", True))
