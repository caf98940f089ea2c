"""How the node and its controllers talk to an API server: any that a kubeconfig names."""

from __future__ import annotations

import json
import ssl
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
from kubernetes.client import Configuration
from kubernetes.config import load_kube_config

from tests.cluster.objects import Obj

UNREACHABLE = 503
MERGE_PATCH = "application/merge-patch+json"


class Refused(Exception):
    """The API server answered a call with an error, or (code 503) not at all."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code


@dataclass(frozen=True)
class Resource:
    """A kind as URLs name it."""

    api_version: str
    kind: str
    plural: str
    namespaced: bool = True

    def path(self, namespace: str = "", name: str = "", subresource: str = "") -> str:
        root = f"/{'apis' if '/' in self.api_version else 'api'}/{self.api_version}"
        scope = f"namespaces/{namespace}" if namespace and self.namespaced else ""
        return "/".join(part for part in (root, scope, self.plural, name, subresource) if part)


@dataclass(frozen=True)
class Connection:
    """What a kubeconfig's current context says of its API server; `tls` is None over plain HTTP."""

    url: str
    headers: dict[str, str]
    tls: ssl.SSLContext | None

    @classmethod
    def of(cls, kubeconfig: Path) -> Connection:
        reported = Configuration()
        load: Callable[..., None] = load_kube_config
        load(str(kubeconfig), client_configuration=reported, persist_config=False)
        token = reported.get_api_key_with_prefix("BearerToken", alias="authorization")
        headers = {"Authorization": token} if token else {}
        if not reported.host.startswith("https"):
            return cls(reported.host, headers, None)
        tls = ssl.create_default_context(cafile=reported.ssl_ca_cert)
        if reported.cert_file:
            tls.load_cert_chain(reported.cert_file, reported.key_file)
        if not reported.verify_ssl:
            tls.check_hostname, tls.verify_mode = False, ssl.CERT_NONE
        return cls(reported.host, headers, tls)


class Api:
    """One connection pool to an API server."""

    def __init__(self, to: Connection) -> None:
        self.to = to

    async def __aenter__(self) -> Api:
        self._session = aiohttp.ClientSession(
            self.to.url,
            headers=self.to.headers,
            connector=aiohttp.TCPConnector(ssl=self.to.tls or False, limit=0),
            read_bufsize=2**24,  # a line of a watch is a whole object
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()

    async def call(
        self, method: str, path: str, body: Obj | None = None, content_type: str = "application/json", **params: Any
    ) -> Obj:
        """The decoded answer. Raises Refused for every other outcome."""
        headers = {"Content-Type": content_type} if body is not None else {}
        data = json.dumps(body) if body is not None else None
        try:
            async with self._session.request(method, path, data=data, headers=headers, params=params) as answer:
                text = await answer.text()
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise Refused(UNREACHABLE, f"{method} {path}: {error!r}") from error
        if not answer.ok:
            raise Refused(answer.status, f"{method} {path}: {text[:1000]}")
        decoded: Obj = json.loads(text)
        return decoded

    async def patch(self, path: str, patch: Obj) -> Obj:
        """The object after a JSON merge patch."""
        return await self.call("PATCH", path, patch, MERGE_PATCH)

    async def watch(self, path: str, version: str) -> AsyncIterator[Obj]:
        """The events after `version` until the server ends the watch. Raises Refused, with 410 if that is too old."""
        params = {"watch": "true", "allowWatchBookmarks": "true", "resourceVersion": version, "timeoutSeconds": "300"}
        timeout = aiohttp.ClientTimeout(total=None, sock_read=330)
        try:
            async with self._session.get(path, params=params, timeout=timeout) as answer:
                if not answer.ok:
                    raise Refused(answer.status, f"watch {path}: {(await answer.text())[:1000]}")
                async for line in answer.content:
                    event = json.loads(line)
                    if event["type"] == "ERROR":
                        raise Refused(event["object"].get("code", UNREACHABLE), f"watch {path}: {event['object']}")
                    yield event
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise Refused(UNREACHABLE, f"watch {path}: {error!r}") from error
