"""The Kubernetes API: plain objects in and out. No other module calls it, except kopf's watches."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

import aiohttp
from kubernetes.aio import client, config

from perennial_operator.cluster.codec import loads
from perennial_operator.cluster.errors import GoneError, UnavailableError, UnknownKindError, error_of
from perennial_operator.cluster.permitted_calls import SCHEMAS, path_of

Body = dict[str, Any]

FIELD_MANAGER = "perennial"
TIMEOUT_SECONDS = 30
PAGE = 100
"""Objects in one page of a list: some hundred kilobytes, which are decoded in a few milliseconds."""


class Kube:
    """A connection to one API server."""

    def __init__(self, api: client.ApiClient, count_call: Callable[[str], None] = lambda _: None) -> None:
        """`count_call` is called with the HTTP method of each request."""
        self._api, self._count_call = api, count_call

    @classmethod
    async def connect(cls, count_call: Callable[[str], None] = lambda _: None) -> Kube:
        """A connection with the pod's own credentials, or else those of the kubeconfig."""
        configuration = client.Configuration()
        configuration.retries = None
        # Otherwise each call first reads ~/.netrc, in a thread; kopf's watches do not use the environment either.
        configuration.client_session_kwargs = {"trust_env": False}
        try:
            config.load_incluster_config(client_configuration=configuration)
        except config.ConfigException:
            await config.load_kube_config(client_configuration=configuration)
        return cls(client.ApiClient(configuration), count_call)

    async def close(self) -> None:
        await self._api.close()

    async def get(self, kind: str, namespace: str, name: str) -> Body | None:
        """The object, or None. UnknownKindError if the API server does not have the kind."""
        try:
            return await self._call("GET", path_of("get", kind, namespace, name))
        except UnknownKindError:
            raise
        except GoneError:
            return None

    async def list(self, kind: str, namespace: str | None = None, selector: str = "") -> tuple[list[Body], str]:
        """Every object of the kind, and the version of the list. `selector` is a label selector."""
        pages = [page async for page in self.pages(kind, namespace, selector)]
        return [item for items, _ in pages for item in items], pages[-1][1]

    async def pages(
        self, kind: str, namespace: str | None = None, selector: str = ""
    ) -> AsyncIterator[tuple[Sequence[Body], str]]:
        """The same as `list`, page by page, so that only one page is in memory."""
        query = {"limit": str(PAGE), **({"labelSelector": selector} if selector else {})}
        while True:
            page = await self._call("GET", path_of("list", kind, namespace), query=query)
            items = page.get("items") or []
            for item in items:
                item["metadata"].pop("managedFields", None)  # half of the list's size, and not used here
                item["kind"] = kind
            yield items, page["metadata"].get("resourceVersion", "")
            if not (next_page := page["metadata"].get("continue")):
                return
            query["continue"] = next_page

    async def schemas(self) -> Body:
        """The OpenAPI document of our kinds, which every account may read."""
        return await self._call("GET", SCHEMAS)

    async def create(self, manifest: Mapping[str, Any]) -> Body:
        """The created object. ExistsError if the name is taken."""
        namespace = manifest["metadata"]["namespace"]
        return await self._call(
            "POST", path_of("create", manifest["kind"], namespace), manifest, query={"fieldManager": FIELD_MANAGER}
        )

    async def apply(self, manifest: Mapping[str, Any]) -> Body:
        """The object with these fields, by server-side apply; fields of other managers keep their values."""
        metadata = manifest["metadata"]
        return await self._call(
            "PATCH",
            path_of("create patch", manifest["kind"], metadata["namespace"], metadata["name"]),
            manifest,
            query={"fieldManager": FIELD_MANAGER, "force": "true"},
            content="application/apply-patch+yaml",
        )

    async def delete(self, kind: str, namespace: str, name: str, uid: str | None = None) -> Body | None:
        """The object and its dependents are being deleted; with `uid`, only if the object still has that uid.

        Returns the object if a finalizer keeps it, None if it is deleted.
        """
        options: Body = {"propagationPolicy": "Background"}
        if uid:
            options["preconditions"] = {"uid": uid}
        response = await self._call("DELETE", path_of("delete", kind, namespace, name), options)
        return response if response.get("metadata", {}).get("finalizers") else None

    async def set_status(
        self, kind: str, namespace: str, name: str, status: Mapping[str, Any], resource_version: str | None = None
    ) -> Body:
        """The object with its whole status replaced; ConflictError if it is no longer at `resource_version`."""
        path = path_of("patch/status", kind, namespace, name) + "/status"
        return await self._patch(path, [{"op": "add", "path": "/status", "value": dict(status)}], resource_version)

    async def patch(
        self, kind: str, namespace: str, name: str, operations: Sequence[Mapping[str, Any]], resource_version: str
    ) -> Body:
        """The object after this JSON patch; ConflictError if it is no longer at `resource_version`."""
        return await self._patch(path_of("patch", kind, namespace, name), operations, resource_version)

    async def merge(self, kind: str, namespace: str, name: str, patch: Mapping[str, Any]) -> Body:
        """The object after this JSON merge patch."""
        path = path_of("patch", kind, namespace, name)
        return await self._call("PATCH", path, patch, content="application/merge-patch+json")

    async def _patch(self, path: str, operations: Sequence[Mapping[str, Any]], resource_version: str | None) -> Body:
        patch = list(operations)
        if resource_version:
            # Set, not tested: the response to a patch that sets another version than the stored one is 409.
            patch.append({"op": "replace", "path": "/metadata/resourceVersion", "value": resource_version})
        query, content = {"fieldManager": FIELD_MANAGER}, "application/json-patch+json"
        return await self._call("PATCH", path, patch, query=query, content=content)

    async def _call(
        self,
        method: str,
        path: str,
        body: Any = None,
        query: Mapping[str, str] | None = None,
        content: str = "application/json",
    ) -> Body:
        self._count_call(method)
        headers = {"Accept": "application/json", "Content-Type": content, **self._api.default_headers}
        data = await self._send(method, f"{path}?{urlencode(query)}" if query else path, body, headers)
        try:
            parsed: Body = loads(data)
        except ValueError as error:
            message = f"the response is not from an API server: {data[:100]!r}"
            raise UnavailableError("Unavailable", message) from error
        return parsed

    async def _send(self, method: str, path: str, body: Any, headers: dict[str, str]) -> bytes:
        try:
            # Without param_serialize, which would walk and copy the whole body.
            await self._api.update_params_for_auth(headers, [], ["BearerToken"], path, method, body)
            url = f"{self._api.configuration.host}{path}"
            response = await self._api.call_api(method, url, headers, body, _request_timeout=TIMEOUT_SECONDS)
            data: bytes = await response.read()
        except (TimeoutError, aiohttp.ClientError, OSError, config.ConfigException) as error:
            cause = str(error) or type(error).__name__
            raise UnavailableError("Unavailable", f"the API server did not respond: {cause}") from error
        if response.status >= 400:
            raise error_of(response.status, response.reason, data)
        return data
