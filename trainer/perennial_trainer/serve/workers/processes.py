"""The other processes that serve beside the first one, on the same port."""

import asyncio
import logging
import os
import sys
from contextlib import suppress

from prometheus_client.multiprocess import mark_process_dead

from perennial_trainer.serve.workers.count import PLACE, WORKERS

SOON, LATE, LONG = 1.0, 60.0, 60.0
"""Seconds before an ended process is started again, doubled up to LATE; after LONG it begins with SOON again."""

log = logging.getLogger(__name__)


class Workers:
    """Processes that load the model themselves and then accept connections; one that ends is started again."""

    def __init__(self) -> None:
        self._running: set[asyncio.subprocess.Process] = set()
        self._kept: list[asyncio.Task[None]] = []
        self._stopped = asyncio.Event()

    def start(self, count: int) -> None:
        """So many processes serve as long as this one does, as soon as they have loaded the model."""
        if count:
            log.info("%d more processes serve", count)
        self._kept = [asyncio.create_task(self._keep(place, count + 1)) for place in range(1, count + 1)]

    def stop(self) -> None:
        """They drain, as this process does."""
        self._stopped.set()
        for process in self._running:
            _terminate(process)

    async def ended(self) -> None:
        """All have ended."""
        await asyncio.gather(*self._kept)

    async def _keep(self, place: int, number: int) -> None:
        pause = SOON
        while not self._stopped.is_set():
            started = asyncio.get_running_loop().time()
            try:
                ended = f"ended with code {await self._run(place, number)}"
            except OSError as error:  # too many processes, or no memory
                ended = f"did not start: {error}"
            if self._stopped.is_set():
                return
            lived = asyncio.get_running_loop().time() - started
            pause = SOON if lived > LONG else pause
            log.warning("a process that serves %s: it is started again in %g s", ended, pause)
            try:
                await asyncio.wait_for(self._stopped.wait(), pause)
            except TimeoutError:
                pause = min(2 * pause, LATE)

    async def _run(self, place: int, number: int) -> int:
        """The exit code of a process, one of so many, once it has ended; its standard input ends with this process."""
        command = (sys.executable, "-m", "perennial_trainer.serving_process")
        environment = {**os.environ, PLACE: str(place), WORKERS: str(number)}
        process = await asyncio.create_subprocess_exec(*command, stdin=asyncio.subprocess.PIPE, env=environment)
        self._running.add(process)
        if self._stopped.is_set():
            _terminate(process)
        code = await process.wait()
        self._running.discard(process)
        mark_process_dead(place)  # type: ignore[no-untyped-call]
        return code


def _terminate(process: asyncio.subprocess.Process) -> None:
    """The process ends soon, if it has not ended already."""
    with suppress(ProcessLookupError):
        process.terminate()
