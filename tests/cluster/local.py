"""A Kubernetes API in this process, on a free port of the loopback address."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from typing import Self

import yaml
from aiohttp import web

from tests.cluster.server import Server


class LocalCluster:
    """`.url` and `.kubeconfig` lead to an empty cluster while the context lasts; stop and start keep its objects."""

    def __init__(self, directory: Path, port: int = 0) -> None:
        self.kubeconfig = directory / "kubeconfig"
        self.url = ""
        self.server = Server()
        self._directory = directory
        self._port = port
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._runner: web.AppRunner | None = None

    def start(self) -> None:
        loop = self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=loop.run_forever, name="local-cluster", daemon=True)
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._serve(), loop).result()
        self.url = f"http://127.0.0.1:{self._port}"
        self._directory.mkdir(parents=True, exist_ok=True)
        self.kubeconfig.write_text(yaml.safe_dump(kubeconfig(self.url)))

    async def _serve(self) -> None:
        self._runner = web.AppRunner(self.server.app(), access_log=None, shutdown_timeout=1, handler_cancellation=True)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self._port)
        await site.start()
        self._port = self._runner.addresses[0][1]

    def stop(self) -> None:
        """Open watches end, the port is free again; nothing happens if it is not running."""
        loop, thread, runner = self._loop, self._thread, self._runner
        self._loop = self._thread = self._runner = None
        if loop and thread and runner:
            loop.call_soon_threadsafe(self.server.store.hang_up)
            asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result()
            loop.call_soon_threadsafe(loop.stop)
            thread.join()
            loop.close()

    def compact(self) -> None:
        """From now on older resourceVersions answer 410."""
        if self._loop:
            self._loop.call_soon_threadsafe(self.server.store.compact)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def kubeconfig(url: str) -> dict[str, object]:
    """A client configuration with a token that nobody checks."""
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "local",
        "contexts": [{"name": "local", "context": {"cluster": "local", "user": "local", "namespace": "default"}}],
        "clusters": [{"name": "local", "cluster": {"server": url}}],
        "users": [{"name": "local", "user": {"token": "local"}}],
    }
