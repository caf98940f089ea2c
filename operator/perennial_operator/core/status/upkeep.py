"""Did the last upkeep of the model's folder in storage succeed?"""

from __future__ import annotations

from perennial_operator.core.stages.storage.forget_requests import invalid_forget_request
from perennial_operator.core.stages.upkeep import upkeep_facts, wants_upkeep
from perennial_operator.core.status.readiness import Statement
from perennial_operator.core.world import World


def kept_up(world: World) -> list[Statement]:
    """A condition once one has ended, as long as there is something to keep up."""
    if wrong := invalid_forget_request(world.deployment.metadata.annotations):
        return [Statement("KeptUp", False, "InvalidRequest", wrong)]
    facts = upkeep_facts(world)
    if facts is None or not wants_upkeep(world):
        return []
    if facts.failures:
        return [Statement("KeptUp", False, facts.reason or "Failed", facts.message)]
    return [Statement("KeptUp", True, "Done", facts.message)]
