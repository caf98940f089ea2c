"""What is true of one ModelDeployment now? What the watches have shown, and what has to be asked for."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace
from datetime import datetime

from perennial_operator.cluster.cache import Cache
from perennial_operator.cluster.cache_entry import Key
from perennial_operator.cluster.client import Kube, RefusedError, UnknownKindError
from perennial_operator.core.stages.rollout_analysis import due
from perennial_operator.core.traffic.kserve import KIND
from perennial_operator.core.world import Inference, Policy, Route, World
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
        return self._seen(key, before.route, before.inference)

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
        if world is None or not due(world):
            return world
        sample = await self._sampler.sample(world)
        now = self.after(key, world)  # it may have changed meanwhile
        return replace(now, sample=sample) if now else None

    async def _heard(self, key: Key) -> World | None:
        """The world: with the route or InferenceService, which is not watched, and the last words of Jobs that ended.

        Each Job is asked for once if no watch has shown any.
        """
        world = self._seen(key)
        route, inference = await self._route(key, world), await self._inference(key, world)
        silent = {name: self._cache.uid(key, "Job", name) or "" for name in jobs_without_word(world)} if world else {}
        new = [name for name, uid in silent.items() if uid not in self._asked.get(key, ())]
        if not new and inference is None:
            return replace(world, route=route) if world else None
        for name in new:
            pods, _ = await self._kube.list("Pod", key.namespace, f"batch.kubernetes.io/job-name={name}")
            for pod in pods:
                self._cache.put(pod)
        if new:
            self._asked[key] = set(silent.values())
        return self._seen(key, route, inference)

    async def _route(self, key: Key, world: World | None) -> Route | None:
        """The HTTPRoute that the spec names, which may be of a kind that the cluster does not have."""
        gateway = world.spec.rollout.gateway if world else None
        if gateway is None:
            return None
        try:
            return Route(await self._kube.get("HTTPRoute", key.namespace, gateway.http_route))
        except UnknownKindError:
            return Route(None)
        except RefusedError as error:
            return Route(None, error.message)

    async def _inference(self, key: Key, world: World | None) -> Inference | None:
        """The InferenceService of a model that KServe serves."""
        if world is None or not world.kserve:
            return None
        try:
            return Inference(await self._kube.get(KIND, key.namespace, key.name))
        except UnknownKindError:
            return Inference(None, unknown=True)
        except RefusedError as error:
            return Inference(None, error.message)

    def _seen(self, key: Key, route: Route | None = None, inference: Inference | None = None) -> World | None:
        return observe(self._cache, key, self._clock(), self._policy, self._starting, route, inference)
