"""The current state of one ModelDeployment: from the cache, and by calls for what no watch reports."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace
from datetime import datetime

from perennial_operator.cluster.cache import Cache
from perennial_operator.cluster.cache_entry import Key
from perennial_operator.cluster.client import Kube
from perennial_operator.cluster.errors import RefusedError, UnknownKindError
from perennial_operator.core.rollout import watch_faults
from perennial_operator.core.rollout.analysis import sample_is_due
from perennial_operator.core.traffic.registry import runtime_of
from perennial_operator.core.world import Policy, RoutingObject, World
from perennial_operator.reconcile.world_builder import build_world, jobs_without_result
from perennial_operator.sampling.sampler import Sampler


class Observer:
    """Builds the World of a pass."""

    def __init__(
        self,
        kube: Kube,
        cache: Cache,
        policy: Policy,
        sampler: Sampler,
        clock: Callable[[], datetime],
        starting: Collection[Key],
    ) -> None:
        """`starting` are the keys for which a version is just being created: each takes a training slot."""
        self._kube, self._cache, self._policy, self._clock = kube, cache, policy, clock
        self._sampler, self._starting = sampler, starting
        self._listed_jobs: dict[Key, set[str]] = {}
        """ModelDeployment → uids of Jobs whose pods were listed once."""

    def forget(self, key: Key) -> None:
        """Nothing is stored of a deleted ModelDeployment."""
        self._listed_jobs.pop(key, None)

    def cached_world(self, key: Key, before: World) -> World | None:
        """The world from the cache, with the unwatched routing object as it was in `before`."""
        return self._from_cache(key, before.routing)

    async def resolve_reports(self, key: Key) -> None:
        """The cache knows of each report that left the watch whether it is final or deleted."""
        for name in self._cache.unresolved_reports(key):
            if body := await self._kube.get("DriftReport", key.namespace, name):
                self._cache.put({**body, "kind": "DriftReport"})
            else:
                self._cache.remove(key, "DriftReport", name)

    async def world(self, key: Key) -> World | None:
        """The world; with a sample of the pods and of Prometheus if an analysis is due."""
        world = await self._without_sample(key)
        if world is None or not (sample_is_due(world) or watch_faults.sample_is_due(world)):
            return world
        sample = await self._sampler.sample(world)
        current = self.cached_world(key, world)  # it may have changed meanwhile
        return replace(current, sample=sample) if current else None

    async def _without_sample(self, key: Key) -> World | None:
        """The world with the routing object, which is not watched, and with the results of ended Jobs.

        The pods of an ended Job are listed once if the cache has no result of them.
        """
        world = self._from_cache(key)
        routing = await self._routing(key, world)
        names = jobs_without_result(world) if world else []
        uids = {name: self._cache.uid(key, "Job", name) or "" for name in names}
        new = [name for name, uid in uids.items() if uid not in self._listed_jobs.get(key, ())]
        if not new and routing is None:
            return world
        for name in new:
            pods, _ = await self._kube.list("Pod", key.namespace, f"batch.kubernetes.io/job-name={name}")
            for pod in pods:
                self._cache.put(pod)
        if new:
            self._listed_jobs[key] = set(uids.values())
        return self._from_cache(key, routing)

    async def _routing(self, key: Key, world: World | None) -> RoutingObject | None:
        """The object that splits the traffic, which may be of a kind that the cluster does not have."""
        polled = runtime_of(world.spec).polled_object(world) if world else None
        if polled is None:
            return None
        kind, name = polled
        try:
            return RoutingObject(await self._kube.get(kind, key.namespace, name))
        except UnknownKindError:
            return RoutingObject(None, unknown_kind=True)
        except RefusedError as error:
            return RoutingObject(None, error.message)

    def _from_cache(self, key: Key, routing: RoutingObject | None = None) -> World | None:
        return build_world(self._cache, key, self._clock(), self._policy, self._starting, routing)
