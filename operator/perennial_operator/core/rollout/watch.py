"""The watch after a promotion: does the version keep serving, or does its predecessor serve again?

One pod of the predecessor stays ready. If the live version fails, the predecessor is scaled up first and then serves
again; it is not watched itself, so no way back follows another.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from perennial_operator.core.actions import Announcement, SetStatus
from perennial_operator.core.api.model_version import ModelVersion, Phase
from perennial_operator.core.api.values import as_delta
from perennial_operator.core.api.watch import WatchState
from perennial_operator.core.rollout.steps import promote
from perennial_operator.core.rollout.watch_faults import (
    fault,
    measured,
    next_sample_at,
    sample_is_due,
    short_since,
    unready_deadline,
)
from perennial_operator.core.rules.transitions import transition
from perennial_operator.core.traffic.predecessor import predecessor_of, watch_left, watch_of
from perennial_operator.core.traffic.runtime import Blocker
from perennial_operator.core.traffic.traffic_split import ready
from perennial_operator.core.world import World

WENT_BACK, WATCHED, WATCHING = "WentBack", "Watched", "Watching"


def continue_watch(world: World) -> SetStatus | None:
    """The next change of a live version that is watched; nothing while nothing is wrong and time is left."""
    version, watch, predecessor = world.live, watch_of(world), predecessor_of(world)
    if version is None or watch is None:
        return None
    if predecessor is None:
        message = f"it is not watched any longer: spec.pin, spec.rollout.watch or the end of {watch.predecessor}"
        return _end(version, Announcement(WATCHED, f"{version.name}: {message}"))
    if world.automation_paused or world.spec.serving.replicas == 0:
        return _stop(world, version, watch) if watch.since else None
    if watch.since is None:
        return _with_watch(version, watch, since=world.now, unready_since=short_since(world, version, watch))
    if (past := _until_now(world, watch)) != watch:
        return _with_watch(version, past)
    if watch.reason:
        return _go_back(world, version, watch, predecessor)
    if wrong := fault(world, version, watch):
        return _decide(world, version, watch, *wrong)
    if watch.since + watch_left(world, watch) <= world.now:
        message = f"it was watched for {world.spec.rollout.watch or '1h'}, and nothing was wrong"
        return _end(version, Announcement(WATCHED, f"{version.name}: {message}; {predecessor.name} is scaled down"))
    return _with_readiness(world, version, watch) or _measure(world, version, watch, predecessor)


def wakes_at(world: World) -> Iterator[datetime]:
    """When the watch ends, what is unready has been so for too long, or the next sample is due."""
    version, watch, predecessor = world.live, watch_of(world), predecessor_of(world)
    if version is None or watch is None or watch.since is None or predecessor is None:
        return
    if watch.reason:
        yield watch.since + as_delta(world.spec.rollout.timeout)
        return
    yield watch.since + watch_left(world, watch)
    if watch.unready_since:
        yield unready_deadline(world, version, watch)
    if at := next_sample_at(world):
        yield at


def watching(world: World) -> Blocker | None:
    """Why no roll-out begins now, or None."""
    version, watch, predecessor = world.live, watch_of(world), predecessor_of(world)
    if version is None or watch is None or predecessor is None:
        return None
    fix = "spec.rollout.watch 0s ends the watch at once"
    if watch.reason:
        return Blocker(WATCHING, f"{predecessor.name} is about to serve again instead of {version.name}; {fix}")
    until = (watch.since or world.now) + watch_left(world, watch)
    clock = f"until {until:%Y-%m-%d %H:%M:%S} UTC" if watch.since else "and its clock stands"
    return Blocker(WATCHING, f"{version.name} was just promoted and is watched {clock}; {fix}")


def leave(world: World, version: ModelVersion) -> SetStatus:
    """A version that another one has replaced: rolled back if it was replaced because it failed."""
    assert world.live
    watch = version.status.watch
    if watch and watch.reason:
        message = f"{watch.message}; {world.live.name} serves again"
        condition = ("RolledOut", False)
        return transition(world, version, Phase.ROLLED_BACK, watch.reason, message, condition, watch=None)
    message = f"{world.live.name} serves instead"
    return transition(world, version, Phase.SUPERSEDED, "Superseded", message, watch=None)


def _go_back(world: World, version: ModelVersion, watch: WatchState, predecessor: ModelVersion) -> SetStatus | None:
    """The predecessor is live once its replicas are ready; if they are not in time, the version stays live."""
    assert watch.since
    if ready(world, predecessor, world.spec.serving.replicas):
        message = f"serves again, since {version.name} failed after its promotion ({watch.reason})"
        return promote(world, predecessor, WENT_BACK, message)
    timeout = world.spec.rollout.timeout
    if watch.since + as_delta(timeout) > world.now:
        return None
    serving = world.serving.get(predecessor.name)
    because = f": {serving.trouble}" if serving and serving.trouble else ""
    message = f"{predecessor.name} was not ready after spec.rollout.timeout {timeout}{because}"
    return _end(version, Announcement("NotReady", f"{message}; {version.name} stays live", warning=True))


def _decide(world: World, version: ModelVersion, watch: WatchState, reason: str, message: str) -> SetStatus:
    """The way back begins."""
    announcement = Announcement(reason, f"{version.name}: {message}; going back to {watch.predecessor}", warning=True)
    return _with_watch(version, watch, announcement, since=world.now, reason=reason, message=message)


def _until_now(world: World, watch: WatchState) -> WatchState:
    """The state of the watch with no time after now; a wrong clock may have written later ones."""
    instants = {"since": watch.since, "unready_since": watch.unready_since}
    updates: dict[str, object] = {name: at and min(at, world.now) for name, at in instants.items()}
    if watch.analysis:
        sampled_at = min(watch.analysis.sampled_at, world.now)
        updates["analysis"] = watch.analysis.model_copy(update={"sampled_at": sampled_at})
    return watch.model_copy(update=updates)


def _stop(world: World, version: ModelVersion, watch: WatchState) -> SetStatus:
    """Its clock stands still, and what it has found so far is kept."""
    ran = (world.now - watch.since).total_seconds() if watch.since else 0.0
    elapsed = watch.elapsed + (0.0 if watch.reason else max(0.0, ran))
    return _with_watch(version, watch, since=None, elapsed=elapsed, unready_since=None)


def _with_readiness(world: World, version: ModelVersion, watch: WatchState) -> SetStatus | None:
    """The time in which too few replicas are ready adds up."""
    since = short_since(world, version, watch)
    if (since is None) == (watch.unready_since is None):
        return None
    if since:
        return _with_watch(version, watch, unready_since=since)
    assert watch.unready_since
    more = max(0.0, (world.now - watch.unready_since).total_seconds())
    return _with_watch(version, watch, unready_since=None, unready=watch.unready + more)


def _measure(world: World, version: ModelVersion, watch: WatchState, predecessor: ModelVersion) -> SetStatus | None:
    """The version with this pass's measurement, or the way back; nothing if none is due."""
    if world.sample is None or not sample_is_due(world):
        return None
    after, failed = measured(world, version, watch, predecessor, world.sample)
    if failed:
        return _decide(world, version, watch, *failed)
    return _with_watch(version, watch, analysis=after)


def _with_watch(
    version: ModelVersion, watch: WatchState, announcement: Announcement | None = None, **updates: Any
) -> SetStatus:
    status = version.status.model_copy(update={"watch": watch.model_copy(update=updates)})
    return SetStatus("ModelVersion", version.name, status.to_api(), version.metadata.resource_version, announcement)


def _end(version: ModelVersion, announcement: Announcement) -> SetStatus:
    status = version.status.model_copy(update={"watch": None})
    return SetStatus("ModelVersion", version.name, status.to_api(), version.metadata.resource_version, announcement)
