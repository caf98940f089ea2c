"""The operator beside kopf: a list of everything before the first decision, workers, periodic lists, and the Lease."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable, Mapping
from typing import Any

from perennial_operator.cluster.cache import Cache
from perennial_operator.cluster.cache_entry import Key, Place
from perennial_operator.cluster.client import Kube
from perennial_operator.cluster.errors import GoneError, KubeError, RefusedError
from perennial_operator.cluster.installed_crds import OUTDATED, InstalledCrds
from perennial_operator.cluster.watches import WATCHED
from perennial_operator.crds.definitions import written_schemas
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
CHECK_AGAIN_SECONDS = 30.0
FIRST_RESYNC_SECONDS = 10.0
"""Soon: no event reports what was deleted between our first list and that of the watches."""


def _advice(error: KubeError) -> str:
    if isinstance(error, GoneError):
        return "are the CustomResourceDefinitions installed? kubectl apply -f manifests/crds"
    return "does the operator's role allow it?" if isinstance(error, RefusedError) else "is the API server up?"


class Operator:
    """The running operator: it observes the cluster always, and acts while it holds the Lease."""

    def __init__(self, settings: Settings, kube: Kube, metrics: Metrics, give_up: Callable[[str], None]) -> None:
        self._settings, self._kube, self.metrics, self._give_up = settings, kube, metrics, give_up
        self.cache, self.queue = Cache(), WorkQueue()
        self._sampler = Sampler(settings.prometheus)
        self._crds = InstalledCrds(kube, written_schemas())
        self._reconciler = Reconciler(
            kube, self.cache, self.queue, settings.policy, self.metrics, self._sampler, crds=self._crds
        )
        self._lease = Lease(kube, settings.lease_namespace, settings.identity) if settings.lease_namespace else None
        self._endpoints = Endpoints(self._unhealthy, self._unready, self.metrics.registry, settings.bind_address)
        self._running: asyncio.Task[None] | None = None
        self._listed = self._leads = False
        self.metrics.missing_fields.set_function(self._crds.count)
        self.metrics.budget, self.metrics.begun = settings.policy.trainings_per_day, self.cache.trainings
        self.metrics.tasks.set_function(lambda: len(asyncio.all_tasks()))
        # A standby queues keys but processes none.
        self.metrics.queue.set_function(lambda: len(self.queue) if self._leads else 0)

    @classmethod
    async def start(cls, settings: Settings, give_up: Callable[[str], None]) -> Operator:
        """The operator has listed every kind, and acts as soon as it holds the Lease."""
        metrics = Metrics()
        operator = cls(settings, await Kube.connect(metrics.count_call), metrics, give_up)
        try:
            await operator._endpoints.start(settings.probes_port, settings.metrics_port)
            await operator._list_all()
            await operator._check_crds()
        except BaseException:
            await operator.stop()
            raise
        # Objects allocated by now stay. The rest is collected less often, since parsed JSON has no reference cycles.
        gc.collect()
        gc.freeze()
        gc.set_threshold(20_000, 20, 20)
        operator._running = asyncio.create_task(operator._run())
        return operator

    async def stop(self) -> None:
        """Nothing runs any more, and a standby may take over at once."""
        if self._running:
            self._running.cancel()
            await asyncio.gather(self._running, return_exceptions=True)
        if self._lease and self._leads:
            await self._lease.release()
        await self._endpoints.stop()
        await self._sampler.close()
        await self._kube.close()

    def handle_event(self, event: str | None, body: Mapping[str, Any]) -> None:
        """The cache reflects the watch event, and the affected keys are queued."""
        taken = self.cache.trainings.places_taken()
        for key in self.cache.apply_event(event, body):
            self.queue.wake(key)
        if body["kind"] in ("ModelVersion", "ModelDeployment") or self.cache.trainings.places_taken() < taken:
            # Also if the event only repeats our own write: a training slot may have become free.
            self._reconciler.wake_queued()

    async def snapshot(self) -> set[Key]:
        """The cache reflects a new list of every kind, which repairs what a watch missed; the affected keys."""
        return set().union(*[await self._list(kind) for kind in WATCHED])

    async def _list(self, kind: str) -> set[Key]:
        affected: set[Key] = set()
        for namespace in self._settings.namespaces or (None,):
            version, listed = "", set[Place]()
            async for page, version in self._kube.pages(kind, namespace, WATCHED[kind]):  # noqa: B007 - used after it
                affected |= set().union(*[self.cache.put(body) for body in page])
                listed.update(Place.of(body) for body in page)
            affected |= self.cache.prune(kind, listed, version, namespace)
        return affected

    async def _list_all(self) -> None:
        """Every kind is listed; until then the operator is alive but not ready.

        Each kind is retried by itself: if every third call fails, a list of all of them would hardly ever succeed.
        """
        for kind in WATCHED:
            while True:
                try:
                    await self._list(kind)
                    break
                except KubeError as error:
                    log.warning("cannot list every %s: %s; %s", kind, error.message, _advice(error))
                    await asyncio.sleep(LIST_AGAIN_SECONDS)
        self._listed = True
        log.info("perennial has listed %d ModelDeployments", len(self.cache.all_keys()))

    async def _run(self) -> None:
        """Leads or waits to lead, forever. If one task ends, all end, and the process exits to be restarted."""
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._resync())
                tasks.create_task(self._watch_crds())
                tasks.create_task(self._lead(tasks))
        except* LostLeaseError as lost:
            self._give_up(str(lost.exceptions[0]))
        except* Exception as bugs:
            log.error("a task that runs forever has ended", exc_info=bugs)
            self._give_up(f"{bugs.exceptions[0]!r}")

    async def _lead(self, tasks: asyncio.TaskGroup) -> None:
        """Waits for the Lease, then starts the workers; LostLeaseError from `keep` ends them."""
        if self._lease:
            waited = await self._lease.acquire()
            tasks.create_task(self._lease.keep())
            if waited:
                # A standby only sees reports disappear, not their outcome.
                await self._list_all()
        for key in self.cache.all_keys():
            self.queue.wake(key)
        for _ in range(self._settings.workers):
            tasks.create_task(self._reconciler.work())
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
                self._reconciler.wake_queued()
            except KubeError as error:
                log.warning("the periodic list failed: %s; the watches continue", error.message)

    async def _watch_crds(self) -> None:
        """The installed definitions are compared again, soon if they lack a field; then new ones end the refusals."""
        while True:
            pause = self._settings.resync_seconds
            await asyncio.sleep(min(CHECK_AGAIN_SECONDS, pause) if self._crds.count() else pause)
            if await self._check_crds():
                for key in self.cache.all_keys():
                    self.queue.wake(key)

    async def _check_crds(self) -> bool:
        """Whether more or less can be written since; one line of the log says which definitions lack fields."""
        before = self._crds.undeclared()
        changed = await self._crds.check()
        after = self._crds.undeclared()
        if after and after != before:
            log.error("%s: %s; until then nothing is written that needs them", OUTDATED, "; ".join(after))
        elif before and not after:
            log.info("the installed CustomResourceDefinitions have every field that this operator writes")
        return changed

    def _unhealthy(self) -> str:
        """Why the process should be restarted, or an empty text."""
        if self._running and self._running.done():
            return "a task that runs forever has ended"
        longest = self._reconciler.longest_pass()
        return f"a pass has taken {longest:.0f} s" if longest > LONGEST_PASS_SECONDS else ""

    def _unready(self) -> str:
        return "" if self._listed else "not every kind has been listed yet"
