"""The operator's HTTP endpoints: liveness, readiness and metrics."""

from __future__ import annotations

from collections.abc import Callable

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

Check = Callable[[], str]
"""Returns the problem, or an empty text."""


class Endpoints:
    """The HTTP servers of the probes and of the metrics."""

    def __init__(self, alive: Check, ready: Check, registry: CollectorRegistry, address: str | None = None) -> None:
        self._alive, self._ready, self._registry, self._address = alive, ready, registry, address
        self._runners: list[web.AppRunner] = []

    async def start(self, probes_port: int, metrics_port: int) -> None:
        """Each server listens on its port; port 0 disables it."""
        if probes_port:
            await self._serve(probes_port, {"/healthz": self._probe(self._alive), "/readyz": self._probe(self._ready)})
        if metrics_port:
            await self._serve(metrics_port, {"/metrics": self._metrics})

    async def stop(self) -> None:
        for runner in self._runners:
            await runner.cleanup()

    async def _serve(self, port: int, routes: dict[str, object]) -> None:
        application = web.Application()
        for path, handler in routes.items():
            application.router.add_get(path, handler)  # type: ignore[arg-type]
        runner = web.AppRunner(application, access_log=None, shutdown_timeout=1)
        await runner.setup()
        self._runners.append(runner)
        await web.TCPSite(runner, self._address, port).start()

    def _probe(self, check: Check) -> object:
        async def respond(_: web.Request) -> web.Response:
            problem = check()
            return web.Response(status=503 if problem else 200, text=problem or "ok")

        return respond

    async def _metrics(self, _: web.Request) -> web.Response:
        return web.Response(body=generate_latest(self._registry), headers={"Content-Type": CONTENT_TYPE_LATEST})
