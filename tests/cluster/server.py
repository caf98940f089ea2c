"""The HTTP side: which handler answers a request, and what refusals look like."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from aiohttp import web

from tests.cluster import discovery, openapi
from tests.cluster.bodies import json_response
from tests.cluster.errors import ApiError, unknown_path
from tests.cluster.kinds import Kinds
from tests.cluster.resources import Resources
from tests.cluster.store import Store
from tests.cluster.verbs import Options, Verbs

MAX_BODY = 3 * 1024 * 1024
USER = "local"
NAMESPACES = ("default", "kube-system", "kube-public", "kube-node-lease")


class Server:
    """One cluster: its objects, its kinds, and the application that serves them."""

    def __init__(self) -> None:
        self.store = Store()
        self.kinds = Kinds()
        self._verbs = Verbs(self.store, self.kinds)
        spaces = self.kinds.stored(("", "namespaces"))
        for name in NAMESPACES:
            self._verbs.create(
                spaces, "", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}, Options()
            )

    def app(self) -> web.Application:
        resources = Resources(self.store, self.kinds, self._verbs)
        app = web.Application(client_max_size=MAX_BODY, middlewares=[_refusals])
        routes = app.router
        routes.add_get("/version", self._version)
        for path in ("/healthz", "/readyz", "/livez"):
            routes.add_get(path, _ok)
        routes.add_get("/api", self._groups)
        routes.add_get("/apis", self._groups)
        routes.add_get("/api/{version}", self._resource_list)
        routes.add_get("/apis/{group}/{version}", self._resource_list)
        routes.add_get("/openapi/v2", self._openapi_v2)
        routes.add_get("/openapi/v3", self._openapi_index)
        routes.add_get("/openapi/v3/{path:.+}", self._openapi)
        routes.add_post("/apis/authentication.k8s.io/v1/selfsubjectreviews", _who_asks)
        routes.add_route("*", "/api/{rest:.*}", resources.handle)
        routes.add_route("*", "/apis/{rest:.*}", resources.handle)
        return app

    async def _version(self, _: web.Request) -> web.Response:
        return json_response(discovery.version())

    async def _groups(self, request: web.Request) -> web.Response:
        core = request.path == "/api"
        return json_response(discovery.core_versions() if core else discovery.group_list(self.kinds))

    async def _resource_list(self, request: web.Request) -> web.Response:
        group, version = request.match_info.get("group", ""), request.match_info["version"]
        return json_response(discovery.resource_list(self.kinds, group, version))

    async def _openapi_v2(self, _: web.Request) -> web.Response:
        return json_response(openapi.version_2())

    async def _openapi_index(self, _: web.Request) -> web.Response:
        return json_response(openapi.index(self.kinds))

    async def _openapi(self, request: web.Request) -> web.Response:
        return json_response(openapi.document(self.kinds, request.match_info["path"]))


async def _who_asks(_: web.Request) -> web.Response:
    """The one user there is; the local cluster asks for no credentials."""
    kind = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
    return json_response({**kind, "status": {"userInfo": {"username": USER}}}, 201)


async def _ok(_: web.Request) -> web.Response:
    return web.Response(text="ok")


@web.middleware
async def _refusals(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    try:
        return await handler(request)
    except ApiError as error:
        return json_response(error.status, error.code)
    except web.HTTPNotFound:
        return json_response(unknown_path().status, 404)
