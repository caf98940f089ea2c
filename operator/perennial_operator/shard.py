"""One shard: what is known of the objects in its namespaces, and the passes about its ModelDeployments."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping
from typing import Any

from perennial_operator.cluster.cache import Cache
from perennial_operator.cluster.cache_entry import Place
from perennial_operator.cluster.client import Kube
from perennial_operator.cluster.installed_crds import InstalledCrds
from perennial_operator.core.world import Policy
from perennial_operator.reconcile.reconciler import Reconciler
from perennial_operator.reconcile.workqueue import WorkQueue
from perennial_operator.sampling.sampler import Sampler
from perennial_operator.telemetry.metrics import Metrics


class Shard:
    """A shard that this operator holds; it knows nothing of the others."""

    def __init__(self, kube: Kube, policy: Policy, metrics: Metrics, sampler: Sampler, crds: InstalledCrds) -> None:
        self.cache, self.queue, self._metrics = Cache(), WorkQueue(), metrics
        self._reconciler = Reconciler(kube, self.cache, self.queue, policy, metrics, sampler, crds=crds)
        self.longest_pass = self._reconciler.longest_pass
        self._working: asyncio.Task[None] | None = None

    def handle_event(self, event: str | None, body: Mapping[str, Any]) -> None:
        """The cache reflects the watch event, and the affected keys are queued."""
        taken = self.cache.trainings.places_taken()
        for key in self.cache.apply_event(event, body):
            self.queue.wake(key)
        if body["kind"] in ("ModelVersion", "ModelDeployment") or self.cache.trainings.places_taken() < taken:
            # Also if the event only repeats our own write: a training slot may have become free.
            self._reconciler.wake_queued()

    def put(self, body: Mapping[str, Any]) -> None:
        """The cache reflects this object of a list, and the affected keys are queued."""
        for key in self.cache.put(body):
            self.queue.wake(key)

    def end_list(self, kind: str, listed: Collection[Place], version: str, namespace: str | None) -> None:
        """The cache has only the objects that the list had, and newer ones; the affected keys are queued."""
        for key in self.cache.prune(kind, listed, version, namespace):
            self.queue.wake(key)
        self._reconciler.wake_queued()

    def wake_all(self) -> None:
        for key in self.cache.all_keys():
            self.queue.wake(key)

    def start(self, tasks: asyncio.TaskGroup, workers: int) -> None:
        """Passes are done, several at a time, until `stop`."""
        self.wake_all()
        self._working = tasks.create_task(self._work(workers))

    async def _work(self, workers: int) -> None:
        async with asyncio.TaskGroup() as tasks:
            for _ in range(workers):
                tasks.create_task(self._reconciler.work())

    async def stop(self) -> None:
        """The passes that ran have ended, and none will begin."""
        await self.queue.close()
        if self._working:
            self._working.cancel()
        for key in self.cache.all_keys():
            self._metrics.forget(key)
