"""Which share of the replicas and of the requests is the candidate to have now?"""

from __future__ import annotations

from perennial_operator.core.actions import PatchRoute
from perennial_operator.core.api.model_version import ModelVersion, RolloutState
from perennial_operator.core.manifests.serving import differs
from perennial_operator.core.traffic import http_route as route
from perennial_operator.core.traffic import kserve as inference
from perennial_operator.core.traffic.http_route import ALL, Blocker, carries, steered
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
    """Per cent of the requests that a route, or KServe, should give the candidate now.

    That of the greatest step up to the present one for which its ready replicas suffice.
    """
    version = world.candidate
    state = version.status.rollout if version else None
    if version is None or state is None or world.live is None or world.pinned:
        return 0
    weights = {step.weight for step in world.spec.rollout.steps if step.weight < state.weight} | {state.weight}
    if world.kserve:
        # What had everything is what KServe goes back to: a candidate gets that only as the live version. Its per cent
        # are led to the newest revision that is ready, whosesoever that is.
        weights = weights - {ALL} if inference.newest(world) == version.name else set()
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
    if world.kserve:
        return replicas  # to change them would make another revision in each step
    if world.spec.rollout.gateway is None:
        return split(replicas, weight)[0]
    return share(replicas, ALL if weight == SHADOW else weight)


def shadow_asked(world: World) -> bool:
    rollout = world.spec.rollout
    return rollout.shadow is not None and rollout.gateway is not None and world.live is not None


def predictor(world: World) -> tuple[ModelVersion, int] | None:
    """The version that the InferenceService is to hold, and its per cent of the requests; None where nothing serves."""
    live, candidate, pinned = world.live, world.candidate, world.pinned
    if pinned and pinned is not live:
        return pinned, 0 if live else ALL
    if candidate and candidate.status.rollout and not pinned:
        return candidate, weight_carried(world) if live else ALL
    if live is None:
        return None
    # The newest one that is ready may be of a candidate that went back: then nothing until the live version's is.
    return live, ALL if inference.had_all(world) or inference.newest(world) == live.name else 0


def settled(world: World) -> bool:
    """Whether KServe has the InferenceService that is wanted now, and leads the requests so."""
    wanted, there = predictor(world), world.inference
    if wanted is None or there is None:
        return True
    version, percent = wanted
    asked = inference.inference_manifest(world, version, percent)
    return not differs(asked, there.body) and _shared(world, version, percent)


def leads(world: World, state: RolloutState) -> bool:
    """Whether the candidate has the share of the requests that its step asks for; also where nobody leads by weight."""
    version = world.candidate
    if world.live is None or version is None or (world.kserve and state.weight == ALL):
        return True
    if world.kserve:
        return _shared(world, version, state.weight)
    return carries(world, state.weight, shadows(world))


def _shared(world: World, version: ModelVersion, percent: int) -> bool:
    """Whether KServe leads so much of the requests to the version, and the rest to the live one and no other."""
    live = world.live
    rest = inference.led(world, live) if live and live is not version else ALL - percent
    return (inference.led(world, version), rest) == (percent, ALL - percent)


def blocker(world: World) -> Blocker | None:
    """What keeps the requests from being led by weight, or KServe from serving at all; None where all is well."""
    return inference.blocker(world) if world.kserve else route.blocker(world)
