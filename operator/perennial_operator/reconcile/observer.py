"""What is true of one ModelDeployment now? What the watches have shown, and what has to be asked for."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace
from datetime import datetime

from perennial_operator.cluster.cache import Cache
from perennial_operator.cluster.cache_entry import Key
from perennial_operator.cluster.client import Kube
from perennial_operator.cluster.errors import RefusedError, UnknownKindError
from perennial_operator.core.stages.rollout_analysis import sample_is_due
from perennial_operator.core.traffic.registry import runtime_of
from perennial_operator.core.world import Policy, RoutingObject, World
from perennial_operator.reconcile.world_builder import jobs_without_word, observe
from perennial_operator.sampling.sampler import Sampler


class Observer:
    """The eyes: everything that one pass looks at, as one value."""

    def __init__(
        self,
        kube: Kube,
        cache: Cache,
        policy: Policy,
        sampler: Sampler,
        clock: Callable[[], datetime],
        starting: Collection[Key],
    ) -> None:
        """`starting` are those for which a version is just being made: each holds a place in the fleet."""
        self._kube, self._cache, self._policy, self._clock = kube, cache, policy, clock
        self._sampler, self._starting = sampler, starting
        self._asked: dict[Key, set[str]] = {}

    def forget(self, key: Key) -> None:
        """Nothing is kept of one that is no more."""
        self._asked.pop(key, None)

    def after(self, key: Key, before: World) -> World | None:
        """The world, but for what is not watched: that is as it was."""
        return self._seen(key, before.routing)

    async def find_out(self, key: Key) -> None:
        """Of each report that is open no more it is known whether its outcome stands or it has gone."""
        for name in self._cache.unresolved_reports(key):
            if body := await self._kube.get("DriftReport", key.namespace, name):
                self._cache.put({**body, "kind": "DriftReport"})
            else:
                self._cache.remove(key, "DriftReport", name)

    async def world(self, key: Key) -> World | None:
        """The world; with what its pods say, where an analysis is due."""
        world = await self._heard(key)
        if world is None or not sample_is_due(world):
            return world
        sample = await self._sampler.sample(world)
        now = self.after(key, world)  # it may have changed meanwhile
        return replace(now, sample=sample) if now else None

    async def _heard(self, key: Key) -> World | None:
        """The world, with the object that splits the traffic, which is not watched, and the results of Jobs that ended.

        Each Job is asked for once if no watch has shown any.
        """
        world = self._seen(key)
        routing = await self._routing(key, world)
        silent = {name: self._cache.uid(key, "Job", name) or "" for name in jobs_without_word(world)} if world else {}
        new = [name for name, uid in silent.items() if uid not in self._asked.get(key, ())]
        if not new and routing is None:
            return world
        for name in new:
            pods, _ = await self._kube.list("Pod", key.namespace, f"batch.kubernetes.io/job-name={name}")
            for pod in pods:
                self._cache.put(pod)
        if new:
            self._asked[key] = set(silent.values())
        return self._seen(key, routing)

    async def _routing(self, key: Key, world: World | None) -> RoutingObject | None:
        """The object that splits the traffic, which may be of a kind that the cluster does not have."""
        named = runtime_of(world.spec).polled_object(world) if world else None
        if named is None:
            return None
        kind, name = named
        try:
            return RoutingObject(await self._kube.get(kind, key.namespace, name))
        except UnknownKindError:
            return RoutingObject(None, unknown_kind=True)
        except RefusedError as error:
            return RoutingObject(None, error.message)

    def _seen(self, key: Key, routing: RoutingObject | None = None) -> World | None:
        return observe(self._cache, key, self._clock(), self._policy, self._starting, routing)
