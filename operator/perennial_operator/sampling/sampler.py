"""Request statistics from serving pods and query results from Prometheus, read only if an analysis is due."""

from __future__ import annotations

import asyncio

import aiohttp
from yarl import URL

from perennial_operator.core.api.analysis import Query
from perennial_operator.core.api.request_stats import Tally
from perennial_operator.core.traffic.predecessor import compared_versions
from perennial_operator.core.world import Sample, World
from perennial_operator.sampling.metrics_text import UnreadableError, tally
from perennial_operator.sampling.prometheus_api import NoResponseError, values

POD_SECONDS, PROMETHEUS_SECONDS = 2.0, 5.0
CONCURRENT_REQUESTS = 32
LARGEST_BODY = 2**20
"""Bytes of a response that are read: a pod may run any image."""


class Sampler:
    """Sends HTTP requests without credentials, and follows no redirects."""

    def __init__(self, prometheus: str = "") -> None:
        self._prometheus = prometheus
        self._http: aiohttp.ClientSession | None = None
        self._slots = asyncio.Semaphore(CONCURRENT_REQUESTS)

    async def close(self) -> None:
        if self._http:
            await self._http.close()

    async def sample(self, world: World) -> Sample:
        """Statistics of the two versions that are compared, results of the queries, and why any of them is missing."""
        analysis = world.spec.rollout.analysis
        compared = compared_versions(world) or ()
        versions = [version.name for version in compared if analysis and analysis.min_requests]
        pods = [
            (v, pod, address)
            for v in versions
            if v in world.serving
            for pod, address in world.serving[v].addresses.items()
        ]
        queries = analysis.queries if analysis else []
        statistics, results = await asyncio.gather(
            asyncio.gather(*(self._pod(*pod) for pod in pods)),
            asyncio.gather(*(self._query(query, world) for query in queries)),
        )
        tallies: dict[str, dict[str, Tally]] = {}
        for (version, pod, _), each in zip(pods, statistics, strict=True):
            if isinstance(each, Tally):
                tallies.setdefault(version, {})[pod] = each
        return Sample(
            tallies,
            {query.name: each for query, each in zip(queries, results, strict=True) if not isinstance(each, str)},
            tuple(each for each in (*statistics, *results) if isinstance(each, str)),
        )

    async def _pod(self, version: str, pod: str, address: str) -> Tally | str:
        """The pod's statistics, or why they are missing."""
        try:
            text = await self._get(URL(f"http://{address}/metrics"), POD_SECONDS)
            return tally(text.decode(errors="replace"), version)
        except (NoResponseError, UnreadableError) as error:
            return f"pod {pod} at {address}: {error}"

    async def _query(self, query: Query, world: World) -> tuple[float, ...] | str:
        """The values of the query's series, or why they are missing."""
        if not self._prometheus:
            return "the operator has no Prometheus configured; its administrator sets PERENNIAL_PROMETHEUS"
        compared = compared_versions(world)
        assert compared
        variables = {"namespace": world.deployment.metadata.namespace, "model": world.name}
        variables |= {"candidate": compared[0].name, "live": compared[1].name}
        text = query.query
        for name, value in variables.items():
            text = text.replace(f"$({name})", value)
        try:
            url = URL(self._prometheus.rstrip("/") + "/api/v1/query").with_query(query=text)
            return values(await self._get(url, PROMETHEUS_SECONDS))
        except NoResponseError as error:
            return f"query {query.name}: {error}"

    async def _get(self, url: URL, seconds: float) -> bytes:
        """The body, also of a 400 or 422, which Prometheus explains. NoResponseError if there was no response."""
        hint = "does a NetworkPolicy let the operator in?"
        try:
            async with (
                self._slots,
                asyncio.timeout(seconds),
                self._session().get(url, allow_redirects=False) as response,
            ):
                if response.status not in (200, 400, 422):
                    raise NoResponseError(f"it responded with {response.status}")
                return await _limited(response.content)
        except TimeoutError as error:
            raise NoResponseError(f"no response within {seconds:g} s; {hint}") from error
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise NoResponseError(f"no response ({type(error).__name__}); {hint}") from error

    def _session(self) -> aiohttp.ClientSession:
        if self._http is None:
            # No connection is kept open: a pod that is being deleted would wait for it to close.
            connector = aiohttp.TCPConnector(force_close=True)
            self._http = aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar())
        return self._http


async def _limited(content: aiohttp.StreamReader) -> bytes:
    body = b""
    while more := await content.read(LARGEST_BODY):
        body += more
        if len(body) > LARGEST_BODY:
            raise NoResponseError(f"the response has more than {LARGEST_BODY} bytes")
    return body
