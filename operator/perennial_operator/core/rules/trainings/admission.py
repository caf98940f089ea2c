"""May a candidate be started now, and if not, why and until when?"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from perennial_operator.core.api.drift_report import Outcome
from perennial_operator.core.api.model_version import Phase
from perennial_operator.core.rules.phases import REJECTED_BY_PERSON
from perennial_operator.core.rules.trainings.back_off import TO_RETRAIN, pause_of
from perennial_operator.core.rules.trainings.failures import rejected_in_a_row
from perennial_operator.core.rules.trainings.recipes import is_made_from_spec
from perennial_operator.core.world import World


@dataclass(frozen=True, slots=True)
class Deferral:
    """Why no candidate is started now; `reason` is also the outcome of the drift report."""

    reason: Outcome
    message: str
    until: datetime | None = None
    cause: str = ""
    """The reason of a stall, as conditions have it."""


def deferral_for(world: World, reason: str, asked: bool = False) -> Deferral | None:
    """Why a candidate for this reason is deferred, or None. What a person asks for ignores pauses and a stall."""
    spec = world.spec
    if spec.suspend:
        return Deferral(Outcome.SUSPENDED, "spec.suspend is true")
    if spec.pin:
        return Deferral(Outcome.PINNED, f"spec.pin is {spec.pin}")
    if candidate := world.candidate:
        return Deferral(Outcome.BUSY, f"{candidate.name} is in progress")
    if replaced := next((each for each in world.versions if each.phase is Phase.LIVE and each is not world.live), None):
        # Only its end says whether it failed, and so whether and when another one may follow.
        return Deferral(Outcome.BUSY, f"{replaced.name} is being replaced")
    wait = None if asked else _rejected(world, reason) or _stalled(world) or _paused(world)
    spent = _budget_spent(world)
    if wait and spent and wait.until and spent.until and wait.until < spent.until:
        return spent  # what a pause says of its end would not be true
    return wait or spent or _queued(world)


def _budget_spent(world: World) -> Deferral | None:
    """The administrator's limit, which a person's request does not lift."""
    fleet, budget = world.fleet, world.policy.trainings_per_day
    if fleet.begun < budget:
        return None
    until = fleet.oldest_begun + timedelta(days=1) if fleet.oldest_begun else None
    message = (
        f"{fleet.begun} trainings began in namespace {world.deployment.metadata.namespace} within a day, and the "
        f"operator's PERENNIAL_TRAININGS_PER_DAY allows {budget}; the next begins "
        f"{f'at {until:%Y-%m-%d %H:%M:%S} UTC, ' if until else ''}or when the administrator raises it"
    )
    return Deferral(Outcome.BUDGET_SPENT, message, until)


def _queued(world: World) -> Deferral | None:
    most, fleet = world.policy.max_trainings, world.fleet
    if fleet.blocked >= most:
        message = f"{fleet.blocked} trainings of this namespace do not start; it starts when one of them does or ends"
        return Deferral(Outcome.QUEUED, message)
    if fleet.ahead >= most - fleet.trainings:
        where = "the fleet" if world.policy.shards == 1 else "this shard of the fleet"
        return Deferral(
            Outcome.QUEUED,
            f"it starts when another training ends; {most} may run at once in {where}, "
            "and the next place goes to the namespace with the fewest",
        )
    return None


def _rejected(world: World, reason: str) -> Deferral | None:
    """A person's rejection applies until the spec changes; it does not defer a training on newer data."""
    last = world.newest
    if last is None or reason not in ("Initial", "Adopted", "SpecChange") or last.status.reason != REJECTED_BY_PERSON:
        return None
    if not is_made_from_spec(last, world.spec):
        return None
    message = f"{last.name} was {last.status.message}; to train another version, {TO_RETRAIN}"
    return Deferral(Outcome.STALLED, message, cause=REJECTED_BY_PERSON)


def _stalled(world: World) -> Deferral | None:
    """Where spec.training.maxRejections is set, it stops a model until a person acts."""
    failures, limit = rejected_in_a_row(world), world.spec.training.max_rejections
    if limit is None or len(failures) < limit:
        return None
    last, several = failures[0], f"{len(failures)} consecutive candidates failed or were rejected"
    count = several if len(failures) > 1 else "1 candidate failed or was rejected"
    return Deferral(
        Outcome.STALLED,
        f"{count}, the last {last.name} ({last.status.message or last.phase}); fix the cause and {TO_RETRAIN}",
        cause="TooManyRejections",
    )


def _paused(world: World) -> Deferral | None:
    pause = pause_of(world)
    if pause is None:
        return None
    return Deferral(Outcome.BACKING_OFF if pause.lengthened else Outcome.COOLING_DOWN, pause.message, pause.until)
