"""Which step of a roll-out is the next, how long does one last, and what does it mean?"""

from __future__ import annotations

from datetime import datetime, timedelta

from perennial_operator.core.api.model_version import RolloutState
from perennial_operator.core.api.values import as_delta
from perennial_operator.core.stages import rollout_analysis as analysis
from perennial_operator.core.traffic.http_route import ALL
from perennial_operator.core.traffic.kserve import KIND
from perennial_operator.core.traffic.traffic_split import SHADOW, replicas_at, shadow_asked
from perennial_operator.core.weights import split
from perennial_operator.core.world import World


def weight_after(world: World, weight: int) -> int:
    """The weight of the next step; told by weight and not by number, so that an edit of the steps leads never back."""
    steps = world.spec.rollout.steps if world.live else []
    return next((step.weight for step in steps if step.weight > weight), ALL)


def hold(world: World, state: RolloutState) -> timedelta:
    """How long the step lasts, at least, once its replicas are ready."""
    if state.weight == SHADOW:
        return as_delta(world.spec.rollout.shadow) if world.spec.rollout.shadow and shadow_asked(world) else timedelta()
    asked = next((step.hold for step in world.spec.rollout.steps if step.weight == state.weight), None)
    return as_delta(asked) if asked else timedelta()


def patience(world: World, state: RolloutState, since: datetime) -> datetime:
    """Until when the step's replicas may be unready: longer by the hold where they were ready and are to be again."""
    longest = since + as_delta(world.spec.rollout.timeout)
    return analysis.waits_until(world, state, longest + hold(world, state)) if state.faltered else longest


def meaning(world: World, weight: int) -> str:
    """What a step means, in a sentence."""
    ours, rest = replicas_at(world, weight), split(world.spec.serving.replicas, weight)[1]
    gateway = world.spec.rollout.gateway if world.live else None
    by = f"HTTPRoute {gateway.http_route}" if gateway else f"{KIND} {world.name}" if world.kserve and world.live else ""
    if by:
        rest = world.spec.serving.replicas
    through = f" of the requests by {by}" if by else ""
    what = (
        f"weight {weight} %{through}" if weight else f"shadow: it answers all{through} too, and nobody gets its answers"
    )
    beside = f" beside {rest} of {world.live.name}" if world.live and rest else ""
    replicas = "replica" if ours == 1 else "replicas"
    return f"{what}: {ours} {replicas}{beside}"
