"""A worker of a search: it tries the candidates that the pod which trains hands it, until that has no more."""

import asyncio
import logging
import os

from perennial_trainer.contract.task import WorkTask

log = logging.getLogger(__name__)


def work(task: WorkTask) -> None:
    """Returns when the scheduler has closed or is gone; one that is not there yet is waited for."""
    asyncio.run(_work(task.scheduler))
    log.info("%s has no more work", task.scheduler)


async def _work(scheduler: str) -> None:
    from distributed import Worker

    # One candidate at a time: the rows are in memory once, and BLAS has the pod's processors.
    # What the pod may use is for its limits to say, so nothing is spilled to a disk that it may not have.
    async with Worker(
        scheduler, nthreads=1, memory_limit=0, dashboard=False, host=os.environ.get("PERENNIAL_BIND_ADDRESS")
    ) as worker:
        log.info("working for %s", scheduler)
        await worker.finished()
