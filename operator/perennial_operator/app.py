"""The operator beside kopf: a list of everything before the first decision, workers, periodic lists, and the Lease."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from perennial_operator.cluster.cache_entry import Place
from perennial_operator.cluster.client import Kube
from perennial_operator.cluster.errors import GoneError, KubeError, RefusedError
from perennial_operator.cluster.installed_crds import OUTDATED, InstalledCrds
from perennial_operator.cluster.watches import WATCHED
from perennial_operator.core.shards import places_of, shard_of
from perennial_operator.crds.definitions import written_schemas
from perennial_operator.election import Election
from perennial_operator.lease import LostLeaseError
from perennial_operator.sampling.sampler import Sampler
from perennial_operator.settings import Settings
from perennial_operator.shard import Shard
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
    """The running operator: it observes the shards that it holds, and acts for them."""

    def __init__(self, settings: Settings, kube: Kube, metrics: Metrics, give_up: Callable[[str], None]) -> None:
        self._settings, self._kube, self.metrics, self._give_up = settings, kube, metrics, give_up
        self._sampler = Sampler(settings.prometheus)
        self._crds = InstalledCrds(kube, written_schemas())
        self._shards: dict[int, Shard] = {}
        """Number → shard, of those that this operator holds."""
        self._tasks = asyncio.TaskGroup()
        self._election = self._elected() if settings.lease_namespace else None
        self._endpoints = Endpoints(self._unhealthy, self._unready, self.metrics.registry, settings.bind_address)
        self._running: asyncio.Task[None] | None = None
        self._may_list, self._listed = False, asyncio.Event()
        self._set_metrics()

    def _elected(self) -> Election:
        settings = self._settings
        return Election(
            self._kube, settings.lease_namespace, settings.identity, settings.shards, self._begin, self._end
        )

    def _set_metrics(self) -> None:
        metrics = self.metrics
        metrics.missing_fields.set_function(self._crds.count)
        metrics.budget = self._settings.policy.trainings_per_day
        metrics.begun = lambda now: {
            namespace: count
            for shard in self._shards.values()
            for namespace, count in shard.cache.trainings.begun_by_namespace(now).items()
        }
        metrics.tasks.set_function(lambda: len(asyncio.all_tasks()))
        metrics.queue.set_function(lambda: sum(len(shard.queue) for shard in self._shards.values()))
        for number in range(self._settings.shards):
            metrics.leader.labels(number).set(0)

    @classmethod
    async def start(cls, settings: Settings, give_up: Callable[[str], None]) -> Operator:
        """The operator may list every kind, and acts for a shard as soon as it holds the shard and has listed it."""
        metrics = Metrics()
        operator = cls(settings, await Kube.connect(metrics.count_call), metrics, give_up)
        try:
            await operator._endpoints.start(settings.probes_port, settings.metrics_port)
            await operator._list_all({})
            operator._may_list = True
            await operator._check_crds()
        except BaseException:
            await operator.stop()
            raise
        # The rest is collected less often, since parsed JSON has no reference cycles.
        gc.set_threshold(20_000, 20, 20)
        operator._running = asyncio.create_task(operator._run())
        return operator

    async def stop(self) -> None:
        """Nothing runs any more, and another operator may take over at once."""
        if self._running:
            self._running.cancel()
            await asyncio.gather(self._running, return_exceptions=True)
        if self._election:
            await self._election.release()
        await self._endpoints.stop()
        await self._sampler.close()
        await self._kube.close()

    def handle_event(self, event: str | None, body: Mapping[str, Any]) -> None:
        """The shard reflects the watch event, if this operator holds it."""
        if shard := self._shards.get(self._number_of(body)):
            shard.handle_event(event, body)

    def _number_of(self, body: Mapping[str, Any]) -> int:
        return shard_of(Place.of(body).namespace, self._settings.shards)

    async def _begin(self, numbers: Sequence[int]) -> None:
        """This operator acts for the shards, of which it has listed every kind; their Leases are held."""
        new = {number: self._shard(number) for number in numbers}
        self._shards |= new
        await self._list_all(new)
        # Objects allocated by now stay.
        gc.collect()
        gc.freeze()
        for number, shard in new.items():
            if self._shards.get(number) is shard:
                shard.start(self._tasks, self._settings.workers)
                self.metrics.leader.labels(number).set(1)
        self._listed.set()

    def _shard(self, number: int) -> Shard:
        shards, policy = self._settings.shards, self._settings.policy
        policy = replace(policy, shards=shards, max_trainings=places_of(number, shards, policy.max_trainings))
        return Shard(self._kube, policy, self.metrics, self._sampler, self._crds)

    async def _end(self, number: int) -> None:
        """This operator acts for the shard no more, and has forgotten it."""
        await self._shards[number].stop()
        del self._shards[number]
        self.metrics.leader.labels(number).set(0)

    async def _list(self, kind: str, shards: Mapping[int, Shard]) -> None:
        """The shards reflect a new list of the kind; without a shard it is only read whether the kind may be listed."""
        for namespace in self._settings.namespaces or (None,):
            version, listed = "", {number: set[Place]() for number in shards}
            async for page, version in self._kube.pages(kind, namespace, WATCHED[kind]):  # noqa: B007 - used after it
                for body in page:
                    if (number := self._number_of(body)) in shards:
                        shards[number].put(body)
                        listed[number].add(Place.of(body))
                if not shards:
                    break
            for number, shard in shards.items():
                shard.end_list(kind, listed[number], version, namespace)

    async def _list_all(self, shards: Mapping[int, Shard]) -> None:
        """The shards reflect a list of every kind.

        Each kind is retried by itself: if every third call fails, a list of all of them would hardly ever succeed.
        """
        for kind in WATCHED:
            while True:
                try:
                    await self._list(kind, shards)
                    break
                except KubeError as error:
                    log.warning("cannot list every %s: %s; %s", kind, error.message, _advice(error))
                    await asyncio.sleep(LIST_AGAIN_SECONDS)
        for number, shard in shards.items():
            log.info("perennial has listed %d ModelDeployments of shard %d", len(shard.cache.all_keys()), number)

    async def _run(self) -> None:
        """Leads or waits to lead, forever. If one task ends, all end, and the process exits to be restarted."""
        try:
            async with self._tasks as tasks:
                tasks.create_task(self._resync())
                tasks.create_task(self._watch_crds())
                tasks.create_task(self._election.run(tasks) if self._election else self._begin(self._all_numbers()))
        except* LostLeaseError as lost:
            self._give_up(str(lost.exceptions[0]))
        except* Exception as bugs:
            log.error("a task that runs forever has ended", exc_info=bugs)
            self._give_up(f"{bugs.exceptions[0]!r}")

    def _all_numbers(self) -> Sequence[int]:
        return range(self._settings.shards)

    async def _resync(self) -> None:
        """Every kind is listed periodically, which repairs what a watch missed."""
        await self._listed.wait()
        pause = min(FIRST_RESYNC_SECONDS, self._settings.resync_seconds)
        while True:
            await asyncio.sleep(pause)
            pause = self._settings.resync_seconds
            try:
                for kind in WATCHED:
                    await self._list(kind, dict(self._shards))
            except KubeError as error:
                log.warning("the periodic list failed: %s; the watches continue", error.message)

    async def _watch_crds(self) -> None:
        """The installed definitions are compared again, soon if they lack a field; then new ones end the refusals."""
        while True:
            pause = self._settings.resync_seconds
            await asyncio.sleep(min(CHECK_AGAIN_SECONDS, pause) if self._crds.count() else pause)
            if await self._check_crds():
                for shard in self._shards.values():
                    shard.wake_all()

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
        longest = max((shard.longest_pass() for shard in self._shards.values()), default=0.0)
        return f"a pass has taken {longest:.0f} s" if longest > LONGEST_PASS_SECONDS else ""

    def _unready(self) -> str:
        return "" if self._may_list else "not every kind could be listed yet"
