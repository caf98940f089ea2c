"""A proxy between the operator and its API server that tells of each write when it is done and not yet answered."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Self

import aiohttp
import yaml
from aiohttp import web

from tests.cluster import Connection

WRITES = {"POST", "PUT", "PATCH", "DELETE"}


class Proxy:
    """While the context lasts, `kubeconfig` leads through the proxy to the API server of `to`.

    `written(method, path)` is called in the proxy's thread after the API server has done a write and before the caller
    hears of it: a caller killed there has done it and does not know.
    """

    def __init__(self, to: Path, directory: Path, written: Callable[[str, str], None]) -> None:
        self._to, self._written = Connection.of(to), written
        self._directory = directory
        self.kubeconfig = directory / "proxied-kubeconfig"
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxy", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        url = asyncio.run_coroutine_threadsafe(self._start(), self._loop).result(10)
        self.kubeconfig.write_text(
            yaml.safe_dump(
                {
                    "apiVersion": "v1",
                    "kind": "Config",
                    "current-context": "proxy",
                    "contexts": [{"name": "proxy", "context": {"cluster": "proxy", "user": "proxy"}}],
                    "clusters": [{"name": "proxy", "cluster": {"server": url}}],
                    "users": [{"name": "proxy", "user": {"token": "unused"}}],
                }
            )
        )
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._stop(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _start(self) -> str:
        self._session = aiohttp.ClientSession(
            self._to.url,
            headers=self._to.headers,
            connector=aiohttp.TCPConnector(ssl=self._to.tls or False, limit=0),
            auto_decompress=False,
        )
        application = web.Application(client_max_size=2**24)
        application.router.add_route("*", "/{tail:.*}", self._forward)
        self._runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.5)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        return f"http://127.0.0.1:{self._runner.addresses[0][1]}"

    async def _stop(self) -> None:
        await self._session.close()
        await self._runner.cleanup()
        left = asyncio.all_tasks() - {asyncio.current_task()}
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)

    async def _forward(self, request: web.Request) -> web.StreamResponse:
        kept = {k: v for k, v in request.headers.items() if k in ("Accept", "Content-Type", "User-Agent")}
        timeout = aiohttp.ClientTimeout(total=None)
        async with self._session.request(
            request.method, request.path_qs, headers=kept, data=await request.read(), timeout=timeout
        ) as answer:
            if not request.query.get("watch"):
                body = await answer.read()
                if request.method in WRITES and answer.status < 400:
                    await asyncio.get_running_loop().run_in_executor(None, self._written, request.method, request.path)
                return web.Response(status=answer.status, body=body, content_type=answer.content_type)
            response = web.StreamResponse(status=answer.status, headers={"Content-Type": answer.content_type})
            await response.prepare(request)
            async for chunk in answer.content.iter_any():
                await response.write(chunk)
            return response
