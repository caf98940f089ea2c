"""Which shards does this operator hold, and when does it take one, ask for one or hand one over?

With one shard the Lease `perennial-operator` has the name of the operator that acts. With more of them it has their
number, as the holder's name: operators of the same number renew it together, and others wait until none of them does.
So operators of two numbers, of which each would divide the namespaces in its own way, never act at the same time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from perennial_operator.cluster.client import Kube
from perennial_operator.core.shards import shard_to_ask_for, shards_to_take
from perennial_operator.lease import NAME, TERMS, Lease
from perennial_operator.telemetry.logs import log


def lease_names(shards: int) -> list[str]:
    """The Lease of each shard."""
    return [f"{NAME}-{shard}" for shard in range(shards)] if shards > 1 else [NAME]


class Election:
    """Takes, keeps and hands over the Leases of the shards."""

    def __init__(
        self,
        kube: Kube,
        namespace: str,
        identity: str,
        shards: int,
        begin: Callable[[Sequence[int]], Coroutine[Any, Any, None]],
        end: Callable[[int], Coroutine[Any, Any, None]],
    ) -> None:
        """`begin` starts to act for shards, `end` has stopped to act for one when it returns."""
        self._identity, self._begin, self._end = identity, begin, end
        self._leases = [Lease(kube, namespace, name, identity) for name in lease_names(shards)]
        self._number = Lease(kube, namespace, NAME, f"{shards} shards") if shards > 1 else None
        self._kept: dict[int, asyncio.Task[None]] = {}

    async def run(self, tasks: asyncio.TaskGroup) -> None:
        """Shards are held, forever. LostLeaseError of one of the Leases ends all tasks."""
        if self._number:
            await self._number.acquire()
            tasks.create_task(self._number.keep())
        while True:
            await self._step(tasks)
            # An operator without a shard is faster than the others: what is free goes to it.
            await asyncio.sleep(TERMS.renew_every if self._kept else TERMS.retry_every)

    async def release(self) -> None:
        """Other operators may take over at once; for operators of another number that takes until the Lease expires."""
        await asyncio.gather(*(self._leases[shard].release() for shard in self._kept))

    async def _step(self, tasks: asyncio.TaskGroup) -> None:
        holders = [
            self._identity if shard in self._kept else await lease.holder() for shard, lease in enumerate(self._leases)
        ]
        taken = [s for s in shards_to_take(holders, self._kept, self._identity) if await self._leases[s].take()]
        for shard in taken:
            self._kept[shard] = tasks.create_task(self._leases[shard].keep())
        if taken:
            tasks.create_task(self._begin(taken))
        elif (wanted := shard_to_ask_for(holders, self._identity)) is not None:
            await self._leases[wanted].ask()
        elif len(self._kept) > 1 and (asked := [shard for shard in self._kept if self._leases[shard].asked_by]):
            await self._hand_over(asked[0])

    async def _hand_over(self, shard: int) -> None:
        """The operator that asked for the shard holds it, if it still lives; else another may take it later."""
        lease = self._leases[shard]
        log.info("hands shard %d over to %s", shard, lease.asked_by)
        await self._end(shard)
        self._kept.pop(shard).cancel()
        await lease.release(to=lease.asked_by)


async def _run(begin: Callable[[Sequence[int]], Coroutine[Any, Any, None]], shards: Sequence[int]) -> None:
    await begin(shards)
