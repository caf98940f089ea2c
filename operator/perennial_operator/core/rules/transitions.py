"""A version's next status: one phase, one reason and one message, the same in status, condition, event and log."""

from __future__ import annotations

from typing import Any

from perennial_operator.core.actions import Action, Announcement, SetStatus
from perennial_operator.core.api.conditions import with_condition
from perennial_operator.core.api.model_version import IN_FLIGHT, UNSUCCESSFUL, ModelVersion, Phase
from perennial_operator.core.api.parsing import BadObjectError
from perennial_operator.core.api.printable_text import printable
from perennial_operator.core.rules.phases import may_follow
from perennial_operator.core.rules.trainings.failures import surroundings_after
from perennial_operator.core.world import World, is_ahead


class ForbiddenTransitionError(BadObjectError):
    """The table of phases does not have the transition: the status was edited by hand or by another operator."""

    reason = "ForbiddenTransition"


def transition(
    world: World,
    version: ModelVersion,
    phase: Phase,
    reason: str,
    message: str,
    condition: tuple[str, bool | None] | None = None,
    **updates: Any,
) -> SetStatus:
    """The version in its next phase, with `condition` as (type, status); else ForbiddenTransitionError."""
    check_transition(version, phase, reason)
    message = printable(message)
    conditions = version.status.conditions
    if condition:
        conditions = with_condition(conditions, *condition, reason, message, world.now)
    if phase not in IN_FLIGHT and phase is not Phase.LIVE:
        updates["ended_at"] = world.now
    updates["surroundings"] = surroundings_after(reason, world.spec) if phase in UNSUCCESSFUL else None
    status = version.status.model_copy(
        update={"phase": phase, "reason": reason, "message": message, "conditions": conditions, **updates}
    )
    announcement = Announcement(reason, f"{version.name}: {message}", warning=phase in UNSUCCESSFUL)
    return SetStatus("ModelVersion", version.name, status.to_api(), version.metadata.resource_version, announcement)


def fail(world: World, version: ModelVersion, reason: str, message: str, condition: str, **updates: Any) -> SetStatus:
    """The version ends in phase Failed."""
    return transition(world, version, Phase.FAILED, reason, message, (condition, False), **updates)


def ends_set_back(world: World) -> tuple[Action, ...]:
    """A version ends now if its end has the time of a clock that was wrong and has been set back: pauses begin here."""
    return tuple(
        SetStatus(
            "ModelVersion",
            each.name,
            each.status.model_copy(update={"ended_at": world.now}).to_api(),
            each.metadata.resource_version,
        )
        for each in world.versions
        if each.status.ended_at and is_ahead(world, each.status.ended_at)
    )


def check_transition(version: ModelVersion, phase: Phase, reason: str) -> None:
    """The transition is in the table of phases, or else ForbiddenTransitionError."""
    before = phase_before(version, phase)
    if not may_follow(before, phase, reason):
        raise ForbiddenTransitionError(
            f"ModelVersion {version.name}: phase {phase} ({reason}) may not follow {before}; "
            "restore its status, or delete the ModelVersion"
        )


def phase_before(version: ModelVersion, phase: Phase) -> Phase | None:
    """The phase that the transition starts from; None for a version that was just made or found in the ledger."""
    begins = version.unrestored or (version.status.phase is None and phase is Phase.TRAINING)
    return None if begins else version.phase
