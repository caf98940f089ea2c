"""A program of a container as a process of this machine, with a process group of its own."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path


class Process:
    """Runs from its start on; everything it has started dies with it. `ended` gets the exit code as in `subprocess`."""

    def __init__(self, pid: int, ended: asyncio.Future[int]) -> None:
        self.pid, self._ended = pid, ended

    @classmethod
    async def start(cls, argv: Sequence[str], env: Mapping[str, str], directory: Path, output: Path) -> Process:
        """Raises OSError if there is no such program."""
        with open(output, "ab") as stream:
            process = await asyncio.create_subprocess_exec(
                *argv,
                env=dict(env),
                cwd=directory,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=stream,
                stderr=stream,
                process_group=0,
            )
        return cls(process.pid, asyncio.ensure_future(process.wait()))

    @property
    def runs(self) -> bool:
        return not self._ended.done()

    async def wait(self) -> int:
        """The exit code as a container runtime gives it: 128 + the number of the signal that ended the process."""
        code = await asyncio.shield(self._ended)
        self.kill()  # what it leaves behind
        return 128 - code if code < 0 else code

    def kill(self) -> None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)

    async def stop(self, grace: float) -> None:
        """The process has ended: by itself within `grace` seconds of SIGTERM, else by SIGKILL."""
        if not self._ended.done():
            with suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGTERM)
            with suppress(TimeoutError):
                await asyncio.wait_for(asyncio.shield(self._ended), grace)
        self.kill()
        await asyncio.shield(self._ended)
