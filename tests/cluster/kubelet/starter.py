"""Starts the processes of containers: a fork where the program's imports are in memory already, else a new one."""

from __future__ import annotations

import asyncio
import errno
import json
import sys
from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.cluster.kubelet.processes import Process

FORK_SERVER = Path(__file__).with_name("fork_server.py")
ENDED = "the fork server has ended"
READ_AT_START = ("PYTHON", "LD_", "LC_", "LANG", "OMP_", "GOMP_", "OPENBLAS_", "MALLOC_")
"""Beginnings of the variables that Python and its libraries read once: they must be the fork server's own."""


class Starter:
    """`preloaded` is the modules to import once for each program that containers run as `python -m PROGRAM`.

    A container with another PYTHONPATH than `python_path` gets a new process: it may have a sitecustomize of its own.
    """

    def __init__(self, preloaded: Mapping[str, Sequence[str]], python_path: str | None) -> None:
        self._preloaded, self._python_path = preloaded, python_path
        self._servers: dict[object, asyncio.Task[_ForkServer]] = {}

    async def start(self, argv: Sequence[str], env: Mapping[str, str], directory: Path, log: Path) -> Process:
        """Raises OSError if there is no such program."""
        is_known = list(argv[:2]) == [sys.executable, "-m"] and argv[2] in self._preloaded
        if not is_known or env.get("PYTHONPATH") != self._python_path:
            return await Process.start(argv, env, directory, log)
        own = {key: value for key, value in env.items() if key.startswith(READ_AT_START)}
        key = argv[2], *sorted(own.items())
        if key not in self._servers:
            started = _ForkServer.start(self._preloaded[argv[2]], {"PATH": env["PATH"], **own})
            self._servers[key] = asyncio.create_task(started)
        server = await self._servers[key]
        return await server.fork({"argv": argv[2:], "env": env, "directory": str(directory), "output": str(log)})

    async def close(self) -> None:
        """Every fork server has ended, and with it what it has forked."""
        for server in await asyncio.gather(*self._servers.values()):
            await server.close()


class _ForkServer:
    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._starting: deque[asyncio.Future[Process]] = deque()
        self._running: dict[int, asyncio.Future[int]] = {}
        self._replies = asyncio.create_task(self._follow())

    @classmethod
    async def start(cls, modules: Sequence[str], env: Mapping[str, str]) -> _ForkServer:
        pipe = asyncio.subprocess.PIPE
        command = [sys.executable, "-P", str(FORK_SERVER), *modules]
        return cls(await asyncio.create_subprocess_exec(*command, env=env, stdin=pipe, stdout=pipe, process_group=0))

    async def fork(self, request: Mapping[str, object]) -> Process:
        assert self._process.stdin
        if self._replies.done():
            raise OSError(errno.EPIPE, ENDED)
        self._starting.append(asyncio.get_running_loop().create_future())
        started = self._starting[-1]
        self._process.stdin.write(json.dumps(request).encode() + b"\n")
        return await asyncio.shield(started)

    async def close(self) -> None:
        assert self._process.stdin
        self._process.stdin.close()
        await self._process.wait()
        await self._replies

    async def _follow(self) -> None:
        assert self._process.stdout
        async for line in self._process.stdout:
            kind, pid, *code = line.decode().split()
            if kind == "started":
                self._running[int(pid)] = asyncio.get_running_loop().create_future()
                self._starting.popleft().set_result(Process(int(pid), self._running[int(pid)]))
            else:
                self._running.pop(int(pid)).set_result(int(code[0]))
        for started in self._starting:
            started.set_exception(OSError(errno.EPIPE, ENDED))
        for ended in self._running.values():
            ended.set_result(-9)
