"""Which version stays ready after a promotion, so that it can serve again if the promoted one fails?"""

from __future__ import annotations

from datetime import timedelta

from perennial_operator.core.api.model_version import ModelVersion, Phase, RolloutState
from perennial_operator.core.api.watch import WatchState
from perennial_operator.core.world import World


def first_watch(world: World, state: RolloutState | None) -> WatchState | None:
    """The watch of a version that now takes over from the live one; None without one, or if spec asks for none."""
    if world.live is None or not world.spec.rollout.watched:
        return None
    baseline = state.analysis.step.live if state and state.analysis else None
    replicas = world.spec.serving.replicas
    return WatchState(predecessor=world.live.name, replicas=replicas, since=world.now, baseline=baseline)


def watch_of(world: World) -> WatchState | None:
    return world.live.status.watch if world.live else None


def watch_left(world: World, watch: WatchState) -> timedelta:
    """How long the watch still lasts from `watch.since`."""
    return world.spec.rollout.watched - timedelta(seconds=watch.elapsed)


def predecessor_of(world: World) -> ModelVersion | None:
    """The predecessor of a live version that is watched; None if it cannot serve again, or a person has pinned one."""
    watch = watch_of(world)
    if watch is None or world.spec.pin or not world.spec.rollout.watched:
        return None
    version = world.version(watch.predecessor)
    can_serve = version and version.has_model and version.phase in (Phase.LIVE, Phase.SUPERSEDED)
    return version if can_serve and version is not world.live else None


def returning(world: World) -> ModelVersion | None:
    """The predecessor while its replicas are started because the live version failed."""
    watch = watch_of(world)
    return predecessor_of(world) if watch and watch.reason else None


def compared_versions(world: World) -> tuple[ModelVersion, ModelVersion] | None:
    """The candidate and the live version in a roll-out; the live version and its predecessor in a watch."""
    candidate, live, predecessor = world.candidate, world.live, predecessor_of(world)
    if live and candidate and candidate.status.rollout:
        return candidate, live
    return (live, predecessor) if live and predecessor else None
