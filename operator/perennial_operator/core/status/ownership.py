"""Does another cluster write to the model's folder in storage?"""

from __future__ import annotations

from perennial_operator.core.api.conditions import find
from perennial_operator.core.stages.drift_checks import failed_check
from perennial_operator.core.stages.upkeep import upkeep_facts
from perennial_operator.core.status.readiness import Statement
from perennial_operator.core.world import World

OWNED_ELSEWHERE = "OwnedElsewhere"


def owned(world: World) -> list[Statement]:
    """A condition while Jobs that write are refused, since another ModelDeployment owns the folder."""
    newest = world.newest
    if newest and newest.status.reason == OWNED_ELSEWHERE:
        return [Statement("Owned", False, OWNED_ELSEWHERE, newest.status.message or "")]
    for version in world.versions:
        recorded = find(version.status.conditions, "Recorded")
        if recorded and recorded.status == "False" and recorded.reason == OWNED_ELSEWHERE:
            return [Statement("Owned", False, OWNED_ELSEWHERE, recorded.message)]
    failure = failed_check(world)
    if failure and failure.reason == OWNED_ELSEWHERE:
        return [Statement("Owned", False, OWNED_ELSEWHERE, failure.message)]
    facts = upkeep_facts(world)
    if facts and facts.reason == OWNED_ELSEWHERE:
        return [Statement("Owned", False, OWNED_ELSEWHERE, facts.message)]
    return []
