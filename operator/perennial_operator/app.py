"""What runs beside kopf: a snapshot before the first decision, the workers, and a snapshot every few minutes."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable, Mapping
from typing import Any

from perennial_operator.cluster.cache import Cache
from perennial_operator.cluster.cache_entry import Key, Place
from perennial_operator.cluster.client import GoneError, Kube, KubeError, RefusedError
from perennial_operator.cluster.watches import WATCHED
from perennial_operator.lease import Lease, LostLeaseError
from perennial_operator.reconcile.reconciler import Reconciler
from perennial_operator.reconcile.workqueue import WorkQueue
from perennial_operator.sampling.sampler import Sampler
from perennial_operator.settings import Settings
from perennial_operator.telemetry.endpoints import Endpoints
from perennial_operator.telemetry.logs import log
from perennial_operator.telemetry.metrics import Metrics

LONGEST_PASS_SECONDS = 300
LIST_AGAIN_SECONDS = 2.0
FIRST_RESYNC_SECONDS = 10.0
"""Soon: what went between our first list and that of the watches is told by no event."""


def _mend(error: KubeError) -> str:
    if isinstance(error, GoneError):
        return "are the CustomResourceDefinitions installed? kubectl apply -f manifests/crds"
    return "does the operator's role allow it?" if isinstance(error, RefusedError) else "is the API server up?"


class Operator:
    """The running operator: it knows what there is, and acts where it holds the Lease."""

    def __init__(self, settings: Settings, kube: Kube, metrics: Metrics, give_up: Callable[[str], None]) -> None:
        self._settings, self._kube, self.metrics, self._give_up = settings, kube, metrics, give_up
        self.cache, self.queue = Cache(), WorkQueue()
        self._sampler = Sampler(settings.prometheus)
        self._reconciler = Reconciler(kube, self.cache, self.queue, settings.policy, self.metrics, self._sampler)
        self._lease = Lease(kube, settings.lease_namespace, settings.identity) if settings.lease_namespace else None
        self._endpoints = Endpoints(self._unhealthy, self._unready, self.metrics.registry, settings.bind_address)
        self._running: asyncio.Task[None] | None = None
        self._knows = self._leads = False
        self.metrics.tasks.set_function(lambda: len(asyncio.all_tasks()))
        # Who stands by wakes many and looks at none: that is no queue.
        self.metrics.queue.set_function(lambda: len(self.queue) if self._leads else 0)

    @classmethod
    async def start(cls, settings: Settings, give_up: Callable[[str], None]) -> Operator:
        """The operator knows everything that is there, and acts as soon as it may."""
        metrics = Metrics()
        operator = cls(settings, await Kube.connect(metrics.called), metrics, give_up)
        try:
            await operator._endpoints.start(settings.probes_port, settings.metrics_port)
            await operator._learn()
        except BaseException:
            await operator.stop()
            raise
        # What is here now stays: the garbage collector looks through the rest, and more seldom, since JSON is no cycle.
        gc.collect()
        gc.freeze()
        gc.set_threshold(20_000, 20, 20)
        operator._running = asyncio.create_task(operator._run())
        return operator

    async def stop(self) -> None:
        """Nothing runs any more, and the next operator need not wait."""
        if self._running:
            self._running.cancel()
            await asyncio.gather(self._running, return_exceptions=True)
        if self._lease and self._leads:
            await self._lease.release()
        await self._endpoints.stop()
        await self._sampler.close()
        await self._kube.close()

    def see(self, event: str | None, body: Mapping[str, Any]) -> None:
        """What a watch has shown is known, and whoever it concerns is woken."""
        for key in self.cache.apply_event(event, body):
            self.queue.wake(key)
        if body["kind"] in ("ModelVersion", "ModelDeployment"):
            # Also where it is no news, being the echo of an own write: a place in the fleet may have become free.
            self._reconciler.wake_the_waiting()

    async def snapshot(self) -> set[Key]:
        """Every kind is known as it is listed now, which mends what a watch has missed; the keys that this concerns."""
        return set().union(*[await self._list(kind) for kind in WATCHED])

    async def _list(self, kind: str) -> set[Key]:
        changed: set[Key] = set()
        for namespace in self._settings.namespaces or (None,):
            version, there = "", set[Place]()
            async for page, version in self._kube.pages(kind, namespace, WATCHED[kind]):  # noqa: B007 - used after it
                changed |= set().union(*[self.cache.put(body) for body in page])
                there.update(Place.of(body) for body in page)
            changed |= self.cache.prune(kind, there, version, namespace)
        return changed

    async def _learn(self) -> None:
        """Everything is known; until then the probes say that this operator lives and is not ready.

        Kind by kind: where every third call fails, all of them in a row would hardly ever succeed.
        """
        for kind in WATCHED:
            while True:
                try:
                    await self._list(kind)
                    break
                except KubeError as error:
                    log.warning("cannot list what is there: %s; %s", error.message, _mend(error))
                    await asyncio.sleep(LIST_AGAIN_SECONDS)
        self._knows = True
        log.info("perennial is up and knows of %d ModelDeployments", len(self.cache.all_keys()))

    async def _run(self) -> None:
        """Leads or waits to lead, for ever. Whatever ends one part of it ends all, and the process: it starts anew."""
        try:
            async with asyncio.TaskGroup() as parts:
                parts.create_task(self._resync())
                parts.create_task(self._lead(parts))
        except* LostLeaseError as lost:
            self._give_up(str(lost.exceptions[0]))
        except* Exception as bugs:
            log.error("a part that runs for ever has ended", exc_info=bugs)
            self._give_up(f"{bugs.exceptions[0]!r}")

    async def _lead(self, parts: asyncio.TaskGroup) -> None:
        """Acts while it holds the Lease; once it may have lost it, nothing acts any more."""
        if self._lease:
            waited = await self._lease.acquire()
            parts.create_task(self._lease.keep())
            if waited:
                # Watches tell who stands by that reports are open no more, and not what became of them.
                await self._learn()
        for key in self.cache.all_keys():
            self.queue.wake(key)
        for _ in range(self._settings.workers):
            parts.create_task(self._reconciler.work())
        self._leads = True
        self.metrics.leader.set(1)

    async def _resync(self) -> None:
        pause = min(FIRST_RESYNC_SECONDS, self._settings.resync_seconds)
        while True:
            await asyncio.sleep(pause)
            pause = self._settings.resync_seconds
            try:
                for key in await self.snapshot():
                    self.queue.wake(key)
                self._reconciler.wake_the_waiting()
            except KubeError as error:
                log.warning("the periodic list failed: %s; the watches go on", error.message)

    def _unhealthy(self) -> str:
        """Why the process should be started anew, or nothing."""
        if self._running and self._running.done():
            return "what should run for ever has ended"
        longest = self._reconciler.longest_pass()
        return f"a pass has taken {longest:.0f} s" if longest > LONGEST_PASS_SECONDS else ""

    def _unready(self) -> str:
        return "" if self._knows else "not everything has been listed yet"
