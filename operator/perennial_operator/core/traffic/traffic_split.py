"""Which share of the replicas and of the requests does a step of a roll-out give to the candidate?"""

from __future__ import annotations

from math import ceil

from perennial_operator.core.api.model_version import ModelVersion
from perennial_operator.core.traffic.runtime import ALL, SHADOW, Replicas
from perennial_operator.core.world import World


def share(replicas: int, weight: int) -> int:
    """The replicas that a candidate needs for `weight` per cent of the requests."""
    return ceil(replicas * weight / 100)


def split(replicas: int, weight: int) -> Replicas:
    """The replicas of both versions whose ratio is nearest to `weight` per cent.

    Together they are never fewer than `replicas`, and at most one more;
    each version keeps at least one until the candidate takes all.
    """
    if weight >= ALL or replicas == 0:
        return Replicas(candidate=replicas, live=0)
    pairs = [
        Replicas(candidate, live)
        for candidate in range(1, max(1, share(replicas, weight)) + 1)
        for live in (replicas - candidate, replicas - candidate + 1)
        if live >= 1
    ]
    return min(pairs, key=lambda pair: (abs(pair.candidate / sum(pair) - weight / 100), sum(pair)))


def split_at_zero(world: World, weight: int) -> Replicas:
    """With spec.serving.replicas 0: one pod of the candidate, which has to become ready; none where it is analysed."""
    return Replicas(candidate=0 if is_analysed(world, weight) else 1, live=0)


def exchange(world: World, candidate: ModelVersion, step: Replicas) -> Replicas:
    """The next replicas on the way to the step's, which never need more than one pod beyond those of the step.

    The live version gives up a replica for each one of the candidate that answers, so that never fewer than
    spec.serving.replicas do.
    """
    replicas, of_candidate = world.spec.serving.replicas, world.serving.get(candidate.name)
    # `answering`, since `ready` is 0 also while the Deployment's status lags behind its spec.
    answering = min(of_candidate.answering, of_candidate.desired) if of_candidate else 0
    kept = max(step.live, replicas - answering, 1)
    return Replicas(min(step.candidate, max(sum(step), replicas + 1) - kept), kept)


def ready(world: World, version: ModelVersion, replicas: int) -> bool:
    serving = world.serving.get(version.name)
    return serving is not None and serving.ready >= replicas


def step_weights(world: World) -> set[int]:
    """The weights of the roll-out's steps up to the current one; none if the candidate may get no requests."""
    state = world.candidate.status.rollout if world.candidate else None
    if state is None or world.live is None or world.pinned:
        return set()
    return {step.weight for step in world.spec.rollout.steps if step.weight < state.weight} | {state.weight}


def shadow_asked(world: World) -> bool:
    """Whether a roll-out begins with a shadow; the schema allows one only with a gateway."""
    rollout = world.spec.rollout
    return rollout.shadow is not None and rollout.gateway is not None and world.live is not None


def is_analysed(world: World, weight: int) -> bool:
    """Whether the candidate is compared with the live version at this weight."""
    beside = shadow_asked(world) if weight == SHADOW else weight < ALL
    return world.spec.rollout.analysis is not None and world.live is not None and beside


def is_shadowing(world: World) -> bool:
    """Whether the candidate gets a copy of the live version's requests, and its answers are discarded."""
    state = world.candidate.status.rollout if world.candidate else None
    return state is not None and state.weight == SHADOW and shadow_asked(world) and not world.pinned
