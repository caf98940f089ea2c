"""What lies behind a pod or a service: its HTTP port through the API server, and a pod's log."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from aiohttp import ClientError, ClientSession, web

from tests.cluster.errors import ApiError, bad_request
from tests.cluster.routes import Target
from tests.cluster.selectors import match_labels
from tests.cluster.store import Object, Store

LOG_FILE = "cluster.local/log-file"
PODS = ("", "pods")
FOLLOW_SECONDS = 0.1
_NOT_PASSED = {"host", "authorization", "accept-encoding", "content-length", "transfer-encoding", "connection"}


@dataclass(frozen=True)
class Address:
    """The `https:name:port` of a proxy's URL; scheme and port may be missing."""

    scheme: str
    name: str
    port: str

    @classmethod
    def of(cls, text: str) -> Address:
        parts = text.split(":")
        scheme, name, port = parts if len(parts) == 3 else ("http", *[*parts, ""][:2])
        return cls(scheme or "http", name, port)


class Proxy:
    def __init__(self, store: Store) -> None:
        self._store = store
        self._http: ClientSession

    async def session(self, _: web.Application) -> AsyncIterator[None]:
        """While the application runs there is a connection pool."""
        async with ClientSession(auto_decompress=False) as self._http:
            yield

    async def forward(self, request: web.Request, where: Target, item: Object) -> web.StreamResponse:
        """The answer of the pod, or of one of the service's ready pods; 503 if there is none, 502 if it is silent."""
        address = Address.of(where.name)
        pod, port = (
            (item, _pod_port(item, address.port)) if where.kind.name == "Pod" else self._behind(item, address.port)
        )
        ip = pod.get("status", {}).get("podIP")
        if not ip:
            raise _unavailable(f"pod {pod['metadata']['name']} has no address yet")
        url = f"{address.scheme}://{ip}:{port}/{where.rest}"
        headers = {key: value for key, value in request.headers.items() if key.lower() not in _NOT_PASSED}
        try:
            async with self._http.request(
                request.method,
                url,
                params=request.query,
                data=await request.read(),
                headers=headers,
                allow_redirects=False,
            ) as answer:
                kept = {key: value for key, value in answer.headers.items() if key.lower() not in _NOT_PASSED}
                return web.Response(status=answer.status, body=await answer.read(), headers=kept)
        except (ClientError, OSError) as error:
            why = f"error trying to reach service: {error}"
            raise ApiError(502, "BadGateway", why) from error

    def _behind(self, service: Object, port: str) -> tuple[Object, int]:
        name, spec = service["metadata"]["name"], service["spec"]
        ports = spec.get("ports") or []
        wanted = next((one for one in ports if port in ("", one.get("name"), str(one["port"]))), None)
        if wanted is None:
            raise _unavailable(f'no service port "{port}" found for service "{name}"')
        pods = self._store.all(PODS, service["metadata"]["namespace"]).values()
        selector = spec.get("selector") or {}
        ready = [pod for pod in pods if selector and match_labels(selector, pod) and _is_ready(pod)]
        if not ready:
            raise _unavailable(f'no endpoints available for service "{name}"')
        pod = random.choice(ready)
        return pod, _pod_port(pod, str(wanted["targetPort"]))


def _unavailable(why: str) -> ApiError:
    return ApiError(503, "ServiceUnavailable", why)


def _is_ready(pod: Object) -> bool:
    conditions = pod.get("status", {}).get("conditions") or ()
    ready = any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)
    return ready and "deletionTimestamp" not in pod["metadata"]


def _pod_port(pod: Object, port: str) -> int:
    """A port by its number or name; without one the first that a container declares, or 80."""
    if port.isdecimal():
        return int(port)
    declared = [one for container in pod["spec"]["containers"] for one in container.get("ports") or ()]
    found = [one["containerPort"] for one in declared if port in ("", one.get("name"))]
    if port and not found:
        raise _unavailable(f'pod {pod["metadata"]["name"]} has no port "{port}"')
    return int(found[0]) if found else 80


async def log(request: web.Request, store: Store, pod: Object) -> web.StreamResponse:
    """What a container has written, as far as the node keeps it; with `follow` also what it writes until it ends."""
    file, query = _log_file(pod, request.query.get("container", "")), request.query
    response = web.StreamResponse(headers={"Content-Type": "text/plain"})
    text = file.read_bytes() if file.exists() else b""
    position = len(text)
    if lines := query.get("tailLines"):
        text = b"".join(text.splitlines(keepends=True)[-int(lines) :] if int(lines) else [])
    if limit := query.get("limitBytes"):
        text = text[: int(limit)]
    await response.prepare(request)
    await response.write(text)
    key = (pod["metadata"]["namespace"], pod["metadata"]["name"])
    while query.get("follow") in ("1", "true"):
        now = store.get(PODS, key)
        with file.open("rb") as log_file:
            log_file.seek(position)
            more = log_file.read()
        position += len(more)
        await response.write(more)
        if not more and (now is None or now.get("status", {}).get("phase") in ("Succeeded", "Failed")):
            break
        await asyncio.sleep(FOLLOW_SECONDS)
    return response


def _log_file(pod: Object, container: str) -> Path:
    """The node names the first container's file; the others' are beside it."""
    names = [one["name"] for part in ("containers", "initContainers") for one in pod["spec"].get(part) or ()]
    title = pod["metadata"]["name"]
    if container and container not in names:
        raise bad_request(f"container {container} is not valid for pod {title}")
    first = (pod["metadata"].get("annotations") or {}).get(LOG_FILE)
    if first is None:
        waiting = f'container "{container or names[0]}" in pod "{title}" is waiting to start: ContainerCreating'
        raise bad_request(waiting)
    return Path(first) if not container else Path(first).with_name(f"{container}.log")
