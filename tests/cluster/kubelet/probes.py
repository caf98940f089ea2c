"""Whether a container answers, as its probes ask."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any

import aiohttp

from tests.cluster.objects import Obj

Execute = Callable[[Sequence[str]], Awaitable[int]]


async def verdicts(probe: Obj, attempt: Callable[[], Awaitable[bool]], hurry: float) -> AsyncIterator[bool]:
    """True when successThreshold, False when failureThreshold attempts in a row have agreed; again for each new row."""
    await asyncio.sleep(probe.get("initialDelaySeconds", 0) / hurry)
    thresholds = {True: probe.get("successThreshold", 1), False: probe.get("failureThreshold", 3)}
    last, row = None, 0
    while True:
        result = await attempt()
        last, row = result, row + 1 if result == last else 1
        if row == thresholds[result]:
            yield result
        await asyncio.sleep(probe.get("periodSeconds", 10) / hurry)


async def attempt(probe: Obj, container: Obj, address: str, http: aiohttp.ClientSession, execute: Execute) -> bool:
    """One httpGet or exec; no answer within timeoutSeconds is a failure, and so is an unknown port."""
    try:
        async with asyncio.timeout(probe.get("timeoutSeconds", 1)):
            if "exec" in probe:
                return await execute(probe["exec"]["command"]) == 0
            ask = probe["httpGet"]
            url = f"http://{address}:{_port(ask['port'], container)}/{ask.get('path', '/').lstrip('/')}"
            async with http.get(url) as answer:
                return 200 <= answer.status < 400
    except (aiohttp.ClientError, OSError, TimeoutError, ValueError):
        return False


def _port(port: Any, container: Obj) -> int:
    """The number of a port, which may be given by the name that the container declares."""
    named = {declared.get("name"): declared["containerPort"] for declared in container.get("ports") or []}
    return int(named.get(port, port))
