"""A worker of an engine: it fits what the training pod sends, until there is no more."""

import asyncio
import logging
import os

from perennial_trainer.contract.task import WorkTask
from perennial_trainer.data.memory import memory_limit

log = logging.getLogger(__name__)

MEMORY = {f"distributed.worker.memory.{each}": False for each in ("target", "spill", "pause", "terminate")}
"""The pod's limits bound its memory, and the training pod asks for them; Dask neither spills to a disk, which the pod
may not have, nor stops for want of memory."""
CANDIDATE = "candidate"  # of which a worker fits one at a time


def work(task: WorkTask) -> None:
    """Waits for the scheduler, works for it, and returns when it has closed."""
    asyncio.run(_work(task.scheduler))
    log.info("%s has no more work", task.scheduler)


async def _work(scheduler: str) -> None:
    import dask
    from dask.system import CPU_COUNT
    from distributed import Worker

    with dask.config.set(MEMORY):
        # One candidate of a search at a time: its rows are in memory once, and it has all of the pod's processors.
        async with Worker(
            scheduler,
            nthreads=int(os.environ.get("OMP_NUM_THREADS") or CPU_COUNT),
            resources={CANDIDATE: 1},
            memory_limit=memory_limit() or 0,
            dashboard=False,
            host=os.environ.get("PERENNIAL_BIND_ADDRESS"),
        ) as worker:
            log.info("working for %s", scheduler)
            await worker.finished()
