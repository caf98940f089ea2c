"""A worker of a search: it fits the candidates that the training pod sends, until there are no more."""

import asyncio
import logging
import os

from perennial_trainer.contract.task import WorkTask

log = logging.getLogger(__name__)


def work(task: WorkTask) -> None:
    """Waits for the scheduler, works for it, and returns when it has closed."""
    asyncio.run(_work(task.scheduler))
    log.info("%s has no more work", task.scheduler)


async def _work(scheduler: str) -> None:
    from distributed import Worker

    # One candidate at a time: the rows are in memory once, and BLAS has the pod's processors. The pod's limits
    # bound its memory; Dask spills nothing to a disk, which the pod may not have.
    async with Worker(
        scheduler, nthreads=1, memory_limit=0, dashboard=False, host=os.environ.get("PERENNIAL_BIND_ADDRESS")
    ) as worker:
        log.info("working for %s", scheduler)
        await worker.finished()
