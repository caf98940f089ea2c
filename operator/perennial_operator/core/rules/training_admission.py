"""May a candidate be started now, and if not, why and until when?"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from perennial_operator.core import names
from perennial_operator.core.api.drift import DriftSpec
from perennial_operator.core.api.drift_report import Outcome
from perennial_operator.core.api.values import as_delta
from perennial_operator.core.rules.phases import REJECTED_BY_PERSON
from perennial_operator.core.world import World, consecutive_failures, is_made_from_spec

DEFAULT_COOLDOWN: str = DriftSpec.model_fields["cooldown"].default


@dataclass(frozen=True, slots=True)
class Deferral:
    """Why no candidate is started now; `reason` is also the outcome of the drift report."""

    reason: Outcome
    message: str
    until: datetime | None = None
    cause: str = ""
    """The reason of a stall, as conditions have it."""


def deferral_for(world: World, reason: str) -> Deferral | None:
    """Why a candidate for this reason is deferred, or None. A person's request ignores cool-down and stall."""
    spec = world.spec
    if spec.suspend:
        return Deferral(Outcome.SUSPENDED, "spec.suspend is true")
    if spec.pin:
        return Deferral(Outcome.PINNED, f"spec.pin is {spec.pin}")
    if candidate := world.candidate:
        return Deferral(Outcome.BUSY, f"{candidate.name} is in progress")
    if reason != "Request" and (wait := _rejected(world, reason) or _stalled(world) or _cooling_down(world, reason)):
        return wait
    free = world.policy.max_trainings - world.fleet.trainings
    if world.fleet.ahead >= free:
        return Deferral(
            Outcome.QUEUED,
            f"it starts when another training ends; {world.policy.max_trainings} may run at once in the fleet",
        )
    return None


TO_RETRAIN = (
    f"annotate the ModelDeployment with {names.RETRAIN}=<time>, or change spec.model, spec.data or spec.training"
)


def _rejected(world: World, reason: str) -> Deferral | None:
    """A person's rejection applies until the spec changes; it does not defer a training on newer data."""
    last = world.newest
    if last is None or reason not in ("Initial", "SpecChange") or last.status.reason != REJECTED_BY_PERSON:
        return None
    if not is_made_from_spec(last, world.spec):
        return None
    message = f"{last.name} was {last.status.message}; to train another version, {TO_RETRAIN}"
    return Deferral(Outcome.STALLED, message, cause=REJECTED_BY_PERSON)


def _stalled(world: World) -> Deferral | None:
    failures = consecutive_failures(world)
    if len(failures) < world.spec.training.max_rejections:
        return None
    last, several = failures[0], f"{len(failures)} consecutive candidates failed or were rejected"
    count = several if len(failures) > 1 else "1 candidate failed or was rejected"
    return Deferral(
        Outcome.STALLED,
        f"{count}, the last {last.name} ({last.status.message or last.phase}); fix the cause and {TO_RETRAIN}",
        cause="TooManyRejections",
    )


def _cooling_down(world: World, reason: str) -> Deferral | None:
    last = world.newest
    ended = (last.status.ended_at or last.status.live_since) if last else None
    if last is None or ended is None or not is_made_from_spec(last, world.spec):
        # A spec that no candidate has tried yet has no cool-down.
        return None
    until = ended + cooldown(world)
    if until <= world.now or ended - world.now > cooldown(world):  # the latter by a wrong clock
        return None
    message = f"{last.name} ended at {ended:%H:%M:%S}; no new candidate before {until:%Y-%m-%d %H:%M:%S} UTC"
    if reason in ("Initial", "SpecChange"):  # a person may just have repaired the files, which the operator cannot see
        message += f"; to start one at once, run kubectl perennial retrain {world.name}, or {TO_RETRAIN}"
    return Deferral(Outcome.COOLING_DOWN, message, until)


def cooldown(world: World) -> timedelta:
    return as_delta(world.spec.drift.cooldown if world.spec.drift else DEFAULT_COOLDOWN)
