"""May a new candidate be started now, and if not, why not and until when?"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from perennial_operator.core import names
from perennial_operator.core.api.drift import DriftSpec
from perennial_operator.core.api.drift_report import Outcome
from perennial_operator.core.api.values import as_delta
from perennial_operator.core.rules.phases import REJECTED_BY_PERSON
from perennial_operator.core.world import World, asked_for, failures_in_a_row

DEFAULT_COOLDOWN: str = DriftSpec.model_fields["cooldown"].default


@dataclass(frozen=True, slots=True)
class Deferral:
    """Why no candidate is started now; the reason is an outcome of drift reports too."""

    reason: Outcome
    message: str
    until: datetime | None = None
    cause: str = ""
    """Of a stall, in one word."""


def deferral_for(world: World, reason: str) -> Deferral | None:
    """Why a candidate that is wanted for this reason has to wait, or None.

    A person's request waits for no cool-down and no stall.
    """
    spec = world.spec
    if spec.suspend:
        return Deferral(Outcome.SUSPENDED, "spec.suspend is true")
    if spec.pin:
        return Deferral(Outcome.PINNED, f"spec.pin is {spec.pin}")
    if candidate := world.candidate:
        return Deferral(Outcome.BUSY, f"{candidate.name} is on its way")
    if reason != "Request" and (wait := _rejected(world, reason) or _stalled(world) or _cooling_down(world)):
        return wait
    free = world.policy.max_trainings - world.fleet.trainings
    if world.fleet.ahead >= free:
        return Deferral(
            Outcome.QUEUED,
            f"it waits for a place among the {world.policy.max_trainings} trainings that may run at once in the fleet",
        )
    return None


MEND = f"annotate the ModelDeployment with {names.RETRAIN}=<time>, or change spec.model, spec.data or spec.training"


def _rejected(world: World, reason: str) -> Deferral | None:
    """A person's no to what the spec asks for stands; new data, by drift or schedule, are something else."""
    last = world.newest
    if last is None or reason not in ("Initial", "SpecChange") or last.status.reason != REJECTED_BY_PERSON:
        return None
    if not asked_for(last, world.spec):
        return None
    message = f"{last.name} was {last.status.message}; to have another one, {MEND}"
    return Deferral(Outcome.STALLED, message, cause=REJECTED_BY_PERSON)


def _stalled(world: World) -> Deferral | None:
    row = failures_in_a_row(world)
    if len(row) < world.spec.training.max_rejections:
        return None
    last = row[0]
    return Deferral(
        Outcome.STALLED,
        f"candidates that came to nothing in a row: {len(row)}, "
        f"the last {last.name} ({last.status.message or last.phase}); mend the cause and {MEND}",
        cause="TooManyRejections",
    )


def _cooling_down(world: World) -> Deferral | None:
    last = world.newest
    ended = (last.status.ended_at or last.status.live_since) if last else None
    if last is None or ended is None or not asked_for(last, world.spec):
        # What no candidate has tried yet waits for no cool-down.
        return None
    until = ended + cooldown(world)
    if until <= world.now or ended - world.now > cooldown(world):  # the latter by a clock that was wrong
        return None
    return Deferral(
        Outcome.COOLING_DOWN,
        f"{last.name} came to its end at {ended:%H:%M:%S}; no new candidate before {until:%Y-%m-%d %H:%M:%S} UTC",
        until,
    )


def cooldown(world: World) -> timedelta:
    return as_delta(world.spec.drift.cooldown if world.spec.drift else DEFAULT_COOLDOWN)
