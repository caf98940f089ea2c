"""An API server that fails a seeded share of the calls: late, lost, done without response, done twice, refused, outdated.

Watches end without an event every few seconds, or with 410.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from pathlib import Path
from random import Random

from aiohttp import web

from tests.e2e.proxy import WRITES, Proxy

WATCH_SECONDS = 4.0
"""How long a watch lasts on average."""
ANSWERS = {409: "Conflict", 429: "TooManyRequests", 500: "InternalError", 504: "Timeout"}


class FaultyApi(Proxy):
    """The proxy of the end-to-end tests, with faults for `share` of the calls until `stop_faults` is called."""

    def __init__(self, to: Path, directory: Path, seed: int, share: float) -> None:
        super().__init__(to, directory, lambda method, path: None)
        self._random, self._share = Random(seed), share
        self._lists: dict[str, web.Response] = {}
        self.calls = 0
        self.met: Counter[str] = Counter()
        """Fault → how often."""

    def stop_faults(self) -> None:
        """From now on no call fails."""
        self._share = 0.0

    async def _forward(self, request: web.Request) -> web.StreamResponse:
        self.calls += 1
        if request.query.get("watch"):
            return await self._watch(request)
        fault = self._fault(request)
        if fault:
            self.met[fault] += 1
        if fault == "late":
            await asyncio.sleep(self._random.uniform(0.05, 1.0))
        elif fault == "lost":
            return _hang_up(request)
        elif fault.isdecimal():
            return _refusal(int(fault))
        elif fault == "stale" and request.path_qs in self._lists:
            return _copy(self._lists[request.path_qs])
        answer = await super()._forward(request)
        if fault == "twice":
            answer = await super()._forward(request)
        if fault == "unanswered":
            return _hang_up(request)
        if request.method == "GET" and isinstance(answer, web.Response) and answer.status == 200:
            self._lists.setdefault(request.path_qs, answer)
            if self._random.random() < 0.3:
                self._lists[request.path_qs] = answer
        return answer

    def _fault(self, request: web.Request) -> str:
        if self._random.random() >= self._share:
            return ""
        writes = request.method in WRITES
        also = ("409", "twice", "unanswered") if writes else ("stale", "stale")
        # Kubernetes never returns an outdated single object, only outdated lists.
        also = also if writes or request.path.rstrip("/").endswith("s") else ()
        return self._random.choice(("late", "lost", "429", "500", "504", *also))

    async def _watch(self, request: web.Request) -> web.StreamResponse:
        if self._random.random() < self._share:
            fault = self._random.choice(("500", "429", "410"))
            self.met[f"watch {fault}"] += 1
            return await _expired(request) if fault == "410" else _refusal(int(fault))
        if not self._share:
            return await super()._forward(request)
        try:
            async with asyncio.timeout(self._random.expovariate(1 / WATCH_SECONDS)):
                return await super()._forward(request)
        except TimeoutError:
            self.met["watch cut"] += 1
            return _hang_up(request)


def _hang_up(request: web.Request) -> web.Response:
    if request.transport:
        request.transport.abort()
    return web.Response()


def _refusal(code: int) -> web.Response:
    status = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "reason": ANSWERS[code]}
    headers = {"Retry-After": "1"} if code == 429 else {}
    return web.json_response(status | {"message": f"a fault of the test: {code}"}, status=code, headers=headers)


async def _expired(request: web.Request) -> web.StreamResponse:
    """The response to a watch that begins too far in the past."""
    response = web.StreamResponse(headers={"Content-Type": "application/json"})
    await response.prepare(request)
    status = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": 410, "reason": "Expired"}
    event = {"type": "ERROR", "object": status | {"message": "too old resource version"}}
    await response.write(json.dumps(event).encode() + b"\n")
    return response


def _copy(answer: web.Response) -> web.Response:
    return web.Response(status=answer.status, body=answer.body, content_type=answer.content_type)
