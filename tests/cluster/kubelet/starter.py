"""Starts the processes of containers: a fork where the program's imports are in memory already, else a new one."""

from __future__ import annotations

import asyncio
import errno
import json
import subprocess
import sys
from collections import deque
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from pathlib import Path
from threading import Lock, Thread
from typing import ClassVar, NamedTuple

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
        self._forks: list[Process] = []

    async def start(self, argv: Sequence[str], env: Mapping[str, str], directory: Path, log: Path) -> Process:
        """Raises OSError if there is no such program."""
        is_known = list(argv[:2]) == [sys.executable, "-m"] and argv[2] in self._preloaded
        if not is_known or env.get("PYTHONPATH") != self._python_path:
            return await Process.start(argv, env, directory, log)
        fork = ForkServer.of(self._preloaded[argv[2]], env).fork(argv[2:], env, directory, log)
        pid = await asyncio.wrap_future(fork.started)
        self._forks.append(Process(pid, asyncio.wrap_future(fork.ended)))
        return self._forks[-1]

    async def close(self) -> None:
        """Every fork has ended."""
        await asyncio.gather(*(process.stop(0) for process in self._forks if process.runs))


class Fork(NamedTuple):
    """What is told of one fork: its pid, and its exit code as in `subprocess`."""

    started: Future[int]
    ended: Future[int]


class ForkServer:
    """A process that everything in this one shares: its imports take seconds. It ends with this process."""

    _all: ClassVar[dict[object, ForkServer]] = {}
    _one_at_a_time = Lock()

    def __init__(self, modules: Sequence[str], env: Mapping[str, str]) -> None:
        command = [sys.executable, "-P", str(FORK_SERVER), *modules]
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(command, env=dict(env), stdin=pipe, stdout=pipe, process_group=0)
        self._starting: deque[Fork] = deque()
        self._running: dict[int, Fork] = {}
        Thread(target=self._follow, daemon=True).start()

    @classmethod
    def of(cls, modules: Sequence[str], env: Mapping[str, str]) -> ForkServer:
        """The server with these imports for programs with this environment, started if there is none."""
        own = {key: value for key, value in env.items() if key.startswith(READ_AT_START)}
        key = tuple(modules), *sorted(own.items())
        with cls._one_at_a_time:
            if key not in cls._all or cls._all[key]._process.poll() is not None:
                cls._all[key] = cls(modules, {"PATH": env["PATH"], **own})
            return cls._all[key]

    @classmethod
    def end_all(cls) -> None:
        """No server is left, nor what it has forked."""
        with cls._one_at_a_time:
            while cls._all:
                _, server = cls._all.popitem()
                assert server._process.stdin
                server._process.stdin.close()
                server._process.wait()

    def fork(self, argv: Sequence[str], env: Mapping[str, str], directory: Path, output: Path) -> Fork:
        """A fork that runs `python -m` with these arguments; its `started` is an OSError if the server has ended."""
        request = {"argv": list(argv), "env": dict(env), "directory": str(directory), "output": str(output)}
        fork = Fork(Future(), Future())
        assert self._process.stdin
        with self._one_at_a_time:
            self._starting.append(fork)
            self._process.stdin.write(json.dumps(request).encode() + b"\n")
            self._process.stdin.flush()
        return fork

    def _follow(self) -> None:
        assert self._process.stdout
        for line in self._process.stdout:
            kind, pid, *code = line.decode().split()
            if kind == "started":
                fork = self._running[int(pid)] = self._starting.popleft()
                fork.started.set_result(int(pid))
            else:
                self._running.pop(int(pid)).ended.set_result(int(code[0]))
        for fork in self._starting:
            fork.started.set_exception(OSError(errno.EPIPE, ENDED))
        for fork in self._running.values():
            fork.ended.set_result(-9)
