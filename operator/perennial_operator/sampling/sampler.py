"""What do the serving pods and Prometheus say at this moment? Asked only where an analysis is due."""

from __future__ import annotations

import asyncio

import aiohttp
from yarl import URL

from perennial_operator.core.api.analysis import Query
from perennial_operator.core.api.request_stats import Tally
from perennial_operator.core.world import Sample, World
from perennial_operator.sampling.metrics_text import UnreadableError, tally
from perennial_operator.sampling.prometheus_api import NoAnswerError, values

POD_SECONDS, PROMETHEUS_SECONDS = 2.0, 5.0
AT_ONCE = 32
LARGEST = 2**20
"""Bytes of an answer that are read; the pods' image may be anybody's."""


class Sampler:
    """Asks over HTTP, without any credential, and follows nobody elsewhere."""

    def __init__(self, prometheus: str = "") -> None:
        self._prometheus = prometheus
        self._http: aiohttp.ClientSession | None = None
        self._places = asyncio.Semaphore(AT_ONCE)

    async def close(self) -> None:
        if self._http:
            await self._http.close()

    async def sample(self, world: World) -> Sample:
        """What candidate and live version have answered, and what the queries say; what is missing has a sentence."""
        analysis = world.spec.rollout.analysis
        versions = [v.name for v in (world.candidate, world.live) if v and analysis and analysis.min_requests]
        pods = [(v, pod, at) for v in versions if v in world.serving for pod, at in world.serving[v].addresses.items()]
        queries = analysis.queries if analysis else []
        figures, answers = await asyncio.gather(
            asyncio.gather(*(self._pod(*pod) for pod in pods)),
            asyncio.gather(*(self._query(query, world) for query in queries)),
        )
        told: dict[str, dict[str, Tally]] = {}
        for (version, pod, _), said in zip(pods, figures, strict=True):
            if isinstance(said, Tally):
                told.setdefault(version, {})[pod] = said
        return Sample(
            told,
            {q.name: said for q, said in zip(queries, answers, strict=True) if not isinstance(said, str)},
            tuple(said for said in (*figures, *answers) if isinstance(said, str)),
        )

    async def _pod(self, version: str, pod: str, address: str) -> Tally | str:
        try:
            text = await self._get(URL(f"http://{address}/metrics"), POD_SECONDS)
            return tally(text.decode(errors="replace"), version)
        except (NoAnswerError, UnreadableError) as error:
            return f"pod {pod} at {address}: {error}"

    async def _query(self, query: Query, world: World) -> tuple[float, ...] | str:
        if not self._prometheus:
            return "the operator knows no Prometheus; its administrator sets PERENNIAL_PROMETHEUS"
        assert world.candidate and world.live
        known = {"namespace": world.deployment.metadata.namespace, "model": world.name}
        known |= {"candidate": world.candidate.name, "live": world.live.name}
        text = query.query
        for name, value in known.items():
            text = text.replace(f"$({name})", value)
        try:
            url = URL(self._prometheus.rstrip("/") + "/api/v1/query").with_query(query=text)
            return values(await self._get(url, PROMETHEUS_SECONDS))
        except NoAnswerError as error:
            return f"query {query.name}: {error}"

    async def _get(self, url: URL, seconds: float) -> bytes:
        """The body, also of a refusal that Prometheus explains. NoAnswerError says why there is none."""
        let_in = "does a NetworkPolicy let the operator in?"
        try:
            async with (
                self._places,
                asyncio.timeout(seconds),
                self._session().get(url, allow_redirects=False) as answer,
            ):
                if answer.status not in (200, 400, 422):
                    raise NoAnswerError(f"it answered {answer.status}")
                return await _limited(answer.content)
        except TimeoutError as error:
            raise NoAnswerError(f"no answer within {seconds:g} s; {let_in}") from error
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise NoAnswerError(f"no answer ({type(error).__name__}); {let_in}") from error

    def _session(self) -> aiohttp.ClientSession:
        if self._http is None:
            # No connection is kept: a pod that is about to go would wait for it to end.
            connector = aiohttp.TCPConnector(force_close=True)
            self._http = aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar())
        return self._http


async def _limited(content: aiohttp.StreamReader) -> bytes:
    body = b""
    while more := await content.read(LARGEST):
        body += more
        if len(body) > LARGEST:
            raise NoAnswerError(f"the answer has more than {LARGEST} bytes")
    return body
