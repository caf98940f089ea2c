"""A version's next status: one phase, one reason, one sentence, the same in status, condition, event and log."""

from __future__ import annotations

from typing import Any

from perennial_operator.core.actions import Announcement, SetStatus
from perennial_operator.core.api.conditions import with_condition
from perennial_operator.core.api.model_version import IN_FLIGHT, UNSUCCESSFUL, ModelVersion, Phase
from perennial_operator.core.world import World


def move(
    world: World,
    version: ModelVersion,
    phase: Phase,
    reason: str,
    message: str,
    condition: tuple[str, bool | None] | None = None,
    **updates: Any,
) -> SetStatus:
    """The version in its next phase. `condition` is the (type, status) that this says something of."""
    conditions = version.status.conditions
    if condition:
        conditions = with_condition(conditions, *condition, reason, message, world.now)
    if phase not in IN_FLIGHT and phase is not Phase.LIVE:
        updates["ended_at"] = world.now
    status = version.status.model_copy(
        update={"phase": phase, "reason": reason, "message": message, "conditions": conditions, **updates}
    )
    announcement = Announcement(reason, f"{version.name}: {message}", warning=phase in UNSUCCESSFUL)
    return SetStatus("ModelVersion", version.name, status.to_api(), version.metadata.resource_version, announcement)


def fail(world: World, version: ModelVersion, reason: str, message: str, condition: str) -> SetStatus:
    """The version ends because its work could not be done."""
    return move(world, version, Phase.FAILED, reason, message, (condition, False))
