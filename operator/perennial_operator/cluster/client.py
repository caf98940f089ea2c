"""The only module that talks to Kubernetes: plain objects in and out, errors that say what can be done about them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

import aiohttp
from kubernetes.aio import client, config

from perennial_operator.cluster.codec import loads

Body = dict[str, Any]

FIELD_MANAGER = "perennial"
TIMEOUT_SECONDS = 30
PAGE = 100
"""Objects that a list is answered at a time: some hundred kilobytes, which are read in a few milliseconds."""

PATHS: Mapping[str, str] = {
    "ModelDeployment": "/apis/perennial.dev/v1alpha1/{}/modeldeployments",
    "ModelVersion": "/apis/perennial.dev/v1alpha1/{}/modelversions",
    "DriftReport": "/apis/perennial.dev/v1alpha1/{}/driftreports",
    "Job": "/apis/batch/v1/{}/jobs",
    "Deployment": "/apis/apps/v1/{}/deployments",
    "Service": "/api/v1/{}/services",
    "Pod": "/api/v1/{}/pods",
    "HTTPRoute": "/apis/gateway.networking.k8s.io/v1/{}/httproutes",
    "InferenceService": "/apis/serving.kserve.io/v1beta1/{}/inferenceservices",
    "Event": "/api/v1/{}/events",
    "Lease": "/apis/coordination.k8s.io/v1/{}/leases",
}

VERBS: Mapping[str, str] = {
    "ModelDeployment": "list patch/status",
    "ModelVersion": "get list create delete patch/status",
    "DriftReport": "get list create delete patch/status",
    "Job": "get list create delete",
    "Deployment": "get list create patch delete",
    "Service": "get list create patch",
    "Pod": "list",
    "HTTPRoute": "get patch",
    "InferenceService": "get create patch delete",
    "Event": "get create patch",
    "Lease": "get create patch",
}
"""Kind → what may be done to it. Nothing else is sent, so the roles of an installation, which grant this, suffice."""


class KubeError(Exception):
    """The API server did not do what it was asked."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason, self.message = reason, message


class GoneError(KubeError):
    """There is no such object."""


class UnknownKindError(GoneError):
    """The API server does not have the kind."""


class ExistsError(KubeError):
    """An object of that name is there already."""


class ConflictError(KubeError):
    """The object has changed since it was read: look again."""


class RefusedError(KubeError):
    """The same again would be refused again: a right is missing, a quota is used up, or the object is invalid."""


class UnavailableError(KubeError):
    """The API server is out of reach or overloaded: try again later."""


class Kube:
    """A connection to one API server."""

    def __init__(self, api: client.ApiClient, called: Callable[[str], None] = lambda _: None) -> None:
        """`called` is told the HTTP verb of each call."""
        self._api, self._called = api, called

    @classmethod
    async def connect(cls, called: Callable[[str], None] = lambda _: None) -> Kube:
        """A connection with the pod's own credentials, or else the kubeconfig's."""
        configuration = client.Configuration()
        configuration.retries = None
        # Else each call first reads ~/.netrc, in a thread; kopf's watches trust no environment either.
        configuration.client_session_kwargs = {"trust_env": False}
        try:
            config.load_incluster_config(client_configuration=configuration)
        except config.ConfigException:
            await config.load_kube_config(client_configuration=configuration)
        return cls(client.ApiClient(configuration), called)

    async def close(self) -> None:
        await self._api.close()

    async def get(self, kind: str, namespace: str, name: str) -> Body | None:
        """The object, or None. UnknownKindError where there can be none."""
        try:
            return await self._call("GET", _path("get", kind, namespace, name))
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
        """The same part by part, so that no more than one of them need be held."""
        query = {"limit": str(PAGE), **({"labelSelector": selector} if selector else {})}
        while True:
            page = await self._call("GET", _path("list", kind, namespace), query=query)
            items = page.get("items") or []
            for item in items:
                item["metadata"].pop("managedFields", None)  # half of what is listed, and nobody's business here
                item["kind"] = kind
            yield items, page["metadata"].get("resourceVersion", "")
            if not (onward := page["metadata"].get("continue")):
                return
            query["continue"] = onward

    async def create(self, manifest: Mapping[str, Any]) -> Body:
        """The object as it was made. ExistsError if the name is taken."""
        namespace = manifest["metadata"]["namespace"]
        return await self._call(
            "POST", _path("create", manifest["kind"], namespace), manifest, query={"fieldManager": FIELD_MANAGER}
        )

    async def apply(self, manifest: Mapping[str, Any]) -> Body:
        """The object with these fields, by server-side apply; fields of others stay theirs."""
        metadata = manifest["metadata"]
        return await self._call(
            "PATCH",
            _path("create patch", manifest["kind"], metadata["namespace"], metadata["name"]),
            manifest,
            query={"fieldManager": FIELD_MANAGER, "force": "true"},
            content="application/apply-patch+yaml",
        )

    async def delete(self, kind: str, namespace: str, name: str, uid: str | None = None) -> Body | None:
        """The object is on its way out, with all that it owns; with `uid`, only if it is still that one.

        The object while a finalizer holds it, None if it has gone.
        """
        options: Body = {"propagationPolicy": "Background"}
        if uid:
            options["preconditions"] = {"uid": uid}
        answer = await self._call("DELETE", _path("delete", kind, namespace, name), options)
        return answer if answer.get("metadata", {}).get("finalizers") else None

    async def set_status(
        self, kind: str, namespace: str, name: str, status: Mapping[str, Any], resource_version: str | None = None
    ) -> Body:
        """The object with this status and no other; ConflictError if it is no longer at `resource_version`."""
        path = _path("patch/status", kind, namespace, name) + "/status"
        return await self._patch(path, [{"op": "add", "path": "/status", "value": dict(status)}], resource_version)

    async def patch(
        self, kind: str, namespace: str, name: str, operations: Sequence[Mapping[str, Any]], resource_version: str
    ) -> Body:
        """The object with these operations of a JSON patch done; ConflictError if it is not at `resource_version`."""
        return await self._patch(_path("patch", kind, namespace, name), operations, resource_version)

    async def merge(self, kind: str, namespace: str, name: str, patch: Mapping[str, Any]) -> Body:
        """The object with these fields changed."""
        path = _path("patch", kind, namespace, name)
        return await self._call("PATCH", path, patch, content="application/merge-patch+json")

    async def _patch(self, path: str, operations: Sequence[Mapping[str, Any]], resource_version: str | None) -> Body:
        patch = list(operations)
        if resource_version:
            # Written, not tested: a patch that sets another version than the stored one is answered 409.
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
        self._called(method)
        headers = {"Accept": "application/json", "Content-Type": content, **self._api.default_headers}
        data = await self._answer(method, f"{path}?{urlencode(query)}" if query else path, body, headers)
        try:
            parsed: Body = loads(data)
        except ValueError as error:
            message = f"something else than the API server answered: {data[:100]!r}"
            raise UnavailableError("Unavailable", message) from error
        return parsed

    async def _answer(self, method: str, path: str, body: Any, headers: dict[str, str]) -> bytes:
        try:
            # Past param_serialize, which would walk and copy all of it.
            await self._api.update_params_for_auth(headers, [], ["BearerToken"], path, method, body)
            url = f"{self._api.configuration.host}{path}"
            response = await self._api.call_api(method, url, headers, body, _request_timeout=TIMEOUT_SECONDS)
            data: bytes = await response.read()
        except (TimeoutError, aiohttp.ClientError, OSError, config.ConfigException) as error:
            because = str(error) or type(error).__name__
            raise UnavailableError("Unavailable", f"the API server did not answer: {because}") from error
        if response.status >= 400:
            raise _translated(response.status, response.reason, data)
        return data


def _path(verbs: str, kind: str, namespace: str | None, name: str = "") -> str:
    """Where to call for this; RefusedError if VERBS does not allow all of the verbs."""
    if not set(verbs.split()) <= set(VERBS[kind].split()):
        message = f"the operator must not {verbs} a {kind}; allow it in VERBS of kube.py and in every role"
        raise RefusedError("Forbidden", message)
    place = PATHS[kind].format(f"namespaces/{namespace}") if namespace else PATHS[kind].replace("{}/", "")
    return f"{place}/{name}" if name else place


def _translated(code: int, said: str, data: bytes) -> KubeError:
    """The error that an answer of 400 or more means; with the server's own reason and words, where it has any."""
    try:
        status = loads(data)
        reason, message = status.get("reason"), status.get("message")
        named = bool((status.get("details") or {}).get("name"))
    except (ValueError, AttributeError):
        reason = message = None
        named = False
    reason, message = reason or said or str(code), message or f"the API server answered {code}"
    if code == 404:
        # Of an object that is not there the name is told; of a kind, at most that.
        return (GoneError if named else UnknownKindError)(reason, message)
    if code == 409:
        return (ExistsError if reason == "AlreadyExists" else ConflictError)(reason, message)
    if code in (400, 403, 405, 413, 415, 422):
        return RefusedError(reason, message)
    return UnavailableError(reason, message)
