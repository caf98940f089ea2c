"""Which share of the replicas and of the requests is the candidate to have now?"""

from __future__ import annotations

from perennial_operator.core.actions import PatchRoute
from perennial_operator.core.resources import ModelVersion, RolloutState
from perennial_operator.core.route import ALL, steered
from perennial_operator.core.weights import share, split
from perennial_operator.core.world import World

SHADOW = 0
"""The weight of the step in which requests are only mirrored."""


def replicas_of(world: World, state: RolloutState) -> int:
    """How many replicas of the candidate its step asks for."""
    return replicas_at(world, state.weight)


def ready(world: World, version: ModelVersion, replicas: int) -> bool:
    serving = world.serving.get(version.name)
    return serving is not None and serving.ready >= replicas


def weight_carried(world: World) -> int:
    """Per cent of the requests that a route should give the candidate now.

    That of the greatest step up to the present one for which its ready replicas suffice.
    """
    version = world.candidate
    state = version.status.rollout if version else None
    if version is None or state is None or world.live is None or world.pinned:
        return 0
    weights = {step.weight for step in world.spec.rollout.steps if step.weight < state.weight} | {state.weight}
    return max((w for w in weights if ready(world, version, replicas_at(world, w))), default=0)


def shadows(world: World) -> bool:
    """Whether the candidate is to answer the live version's requests too, and nobody is to get its answers."""
    state = world.candidate.status.rollout if world.candidate else None
    return state is not None and state.weight == SHADOW and shadow_asked(world) and not world.pinned


def steering(world: World) -> tuple[PatchRoute, ...]:
    """The change of the route's weights, or of its mirror, that is needed now."""
    if world.spec.rollout.gateway is None:
        return ()
    version = world.candidate
    mirrored = version is not None and shadows(world) and ready(world, version, replicas_at(world, SHADOW))
    change = steered(world, weight_carried(world), mirrored)
    return (change,) if change else ()


def replicas_at(world: World, weight: int) -> int:
    """The candidate's; in the shadow it has the whole load to answer."""
    replicas = world.spec.serving.replicas
    if world.spec.rollout.gateway is None:
        return split(replicas, weight)[0]
    return share(replicas, ALL if weight == SHADOW else weight)


def shadow_asked(world: World) -> bool:
    rollout = world.spec.rollout
    return rollout.shadow is not None and rollout.gateway is not None and world.live is not None
