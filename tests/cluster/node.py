"""What kubelet and kube-controller-manager do for a cluster, done here by local processes for any API server."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from ipaddress import IPv4Network
from pathlib import Path
from typing import Self, TypeVar

import aiohttp

from tests.cluster.client import Api, Connection
from tests.cluster.controllers.loop import Loop
from tests.cluster.controllers.passes import Passes
from tests.cluster.kubelet.kubelet import Kubelet
from tests.cluster.kubelet.pod_context import Host
from tests.cluster.kubelet.starter import Starter
from tests.cluster.kubelet.volumes import claim_directory
from tests.cluster.mirror import BUILT_IN, Mirror

START_SECONDS = 60.0
STOP_GRACE = 2.0

T = TypeVar("T")


class _Stopped(Exception):
    """The context has been left."""


class LocalNode:
    """While the context lasts, pods of the kubeconfig's cluster run as processes of this machine; none outlives it.

    `environment` is passed to every container. `hurry` divides the periods and delays of probes and the back-offs of
    containers; `backoff` is the seconds before a Job's first retry. `entrypoints` says what an image would run that is
    given no `command`. A container of `python -m M` is a fork of a process that has imported `preloaded[M]`, unless it
    has a PYTHONPATH of its own. Pods get addresses from `network`; all of 127.0.0.0/8 is this machine's on Linux.

    Left out: images, mount namespaces (mount paths are rewritten in commands and environments instead), limits, init
    containers, hooks, probes but httpGet and exec, volumes but claims, ConfigMaps and emptyDir, Services' addresses,
    Indexed Jobs, every controller not named in `controllers`, and pods of a node that was there before.
    """

    def __init__(
        self,
        kubeconfig: Path,
        directory: Path,
        environment: Mapping[str, str] | None = None,
        *,
        hurry: float = 1.0,
        backoff: float = 0.2,
        entrypoints: Mapping[str, Sequence[str]] | None = None,
        preloaded: Mapping[str, Sequence[str]] | None = None,
        network: str = "127.0.0.0/8",
        name: str = "local",
    ) -> None:
        self._kubeconfig, self._directory, self._name = kubeconfig, directory.resolve(), name
        self._environment, self._entrypoints = dict(environment or {}), dict(entrypoints or {})
        self._preloaded = dict(preloaded or {})
        self._hurry, self._backoff, self._network = hurry, backoff, IPv4Network(network)
        self._started: Future[None] = Future()
        self._thread = threading.Thread(target=self._main, name="local-node", daemon=True)
        self._failure: BaseException | None = None

    def __enter__(self) -> Self:
        self._thread.start()
        self._started.result(START_SECONDS)
        return self

    def __exit__(self, *_: object) -> None:
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()
        if self._failure:
            raise self._failure

    @property
    def processes(self) -> dict[str, int]:
        """Pod name → process id of its first running container, at this moment."""
        return self._in_loop(lambda: self._kubelet.processes())

    def kill(self, pod_name: str) -> None:
        """The processes of the pod get SIGKILL, as from a person. Raises LookupError if no such pod runs."""
        self._in_loop(lambda: self._kubelet.named(pod_name).kill())

    def volume(self, claim: str, namespace: str = "default") -> Path:
        """The directory of a PersistentVolumeClaim, there even before the claim."""
        directory = claim_directory(self._directory, namespace, claim)
        directory.mkdir(parents=True, exist_ok=True)
        return directory

    def _in_loop(self, ask: Callable[[], T]) -> T:
        async def answer() -> T:
            return ask()

        return asyncio.run_coroutine_threadsafe(answer(), self._loop).result()

    def _main(self) -> None:
        try:
            asyncio.run(self._serve())
        except BaseException as error:
            if self._started.done():
                self._failure = error
            else:
                self._started.set_exception(error)

    async def _serve(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        probing = aiohttp.TCPConnector(limit=0, force_close=True)  # a kept connection would hold up a server's stop
        async with Api(Connection.of(self._kubeconfig)) as api, aiohttp.ClientSession(connector=probing) as http:
            mirror = Mirror(api)
            starter = Starter(self._preloaded, self._environment.get("PYTHONPATH"))
            host = Host(api, http, self._directory, self._environment, self._entrypoints, self._hurry, starter)
            self._kubelet = Kubelet(host, mirror, self._name, self._network)
            try:
                versions = [(resource, await mirror.list(resource)) for resource in BUILT_IN]
                async with asyncio.TaskGroup() as tasks:
                    controllers = Loop(api, mirror, Passes(api, mirror, self._backoff, tasks))
                    for resource, version in versions:
                        tasks.create_task(mirror.follow(resource, version))
                    tasks.create_task(controllers.run())
                    self._started.set_result(None)
                    await self._stop.wait()
                    raise _Stopped
            except* _Stopped:
                pass
            finally:
                await self._kubelet.close(STOP_GRACE)
                await starter.close()
