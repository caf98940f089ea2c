"""How requests about objects are answered: one method for each form of request."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any

import orjson
from aiohttp import web

from kubectl_perennial.admission.causes import Cause
from tests.cluster import scale, tables
from tests.cluster.bodies import json_response, read_body, wants_table
from tests.cluster.errors import ApiError, bad_request, deleted, invalid_options, success
from tests.cluster.kinds import Kind, Kinds
from tests.cluster.patch import json_patch, merge_patch
from tests.cluster.routes import Target, target
from tests.cluster.selectors import Matches, field_selector, label_selector
from tests.cluster.store import Object, Store
from tests.cluster.verbs import Options, Verbs
from tests.cluster.watch import Watch, stream

APPLY = "application/apply-patch+yaml"
TRUE = ("1", "true")


class Resources:
    def __init__(self, store: Store, kinds: Kinds, verbs: Verbs) -> None:
        self._store = store
        self._kinds = kinds
        self._verbs = verbs

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """The answer to any request below `/api/v1` and `/apis/<group>/<version>`."""
        where, options = target(self._kinds, request.path), _options(request)
        if where.subresource == "binding":
            pod = self._verbs.get(where.kind, where.namespace, where.name)
            self._verbs.bind(where.kind, pod, await read_body(request))
            return json_response(success(), 201)
        answer = await self._answer(request, where, options)
        for warning in options.warnings:
            quoted = warning.replace('"', '\\"')
            answer.headers.add("Warning", f'299 - "{quoted}"')
        return answer

    async def _answer(self, request: web.Request, where: Target, options: Options) -> web.StreamResponse:
        kind, namespace, name = where.kind, where.namespace, where.name
        match request.method, bool(name):
            case "GET", True:
                return self._shown(request, where, self._verbs.get(kind, namespace, name))
            case "GET", False if request.query.get("watch") in TRUE:
                return await self._watch(request, where)
            case "GET", False:
                return self._list(request, where)
            case "POST", False:
                made = self._verbs.create(kind, namespace, await read_body(request), options)
                return self._shown(request, where, made, 201)
            case "PUT", True:
                body = await read_body(request)
                return self._update(request, where, lambda _: body, options)
            case "PATCH", True:
                return await self._patch(request, where, options)
            case "DELETE", True:
                how = await _delete_options(request, kind)
                item, gone = self._verbs.removal.delete(kind, namespace, name, how)
                as_status = gone and kind.name != "Pod"
                return json_response(deleted(kind, item)) if as_status else self._shown(request, where, item)
        raise ApiError(405, "MethodNotAllowed", "the server does not allow this method on the requested resource")

    def _update(
        self, request: web.Request, where: Target, change: Callable[[Object], Any], options: Options
    ) -> web.Response:
        if where.subresource == "scale":
            change = scale.through(where.kind, change)
        item = self._verbs.update(where.kind, where.namespace, where.name, where.subresource, change, options)
        return self._shown(request, where, item)

    async def _patch(self, request: web.Request, where: Target, options: Options) -> web.Response:
        patch, kind = await read_body(request), where.kind
        changes: dict[str, Callable[[Object], Any]] = {
            "application/json-patch+json": lambda old: json_patch(old, patch),
            "application/merge-patch+json": lambda old: merge_patch(old, patch),
        }
        if request.content_type == APPLY:
            if "fieldManager" not in request.query:
                required = Cause("fieldManager", "FieldValueRequired", "Required value: is required for apply patch")
                raise invalid_options("PatchOptions", [required])
            item, new = self._verbs.apply(kind, where.namespace, where.name, where.subresource, patch, options)
            return self._shown(request, where, item, 201 if new else 200)
        if request.content_type not in changes:
            known = ", ".join([*changes, APPLY])
            why = f"the body of the request was in an unknown format - accepted media types include: {known}"
            raise ApiError(415, "UnsupportedMediaType", why)
        return self._update(request, where, changes[request.content_type], options)

    def _shown(self, request: web.Request, where: Target, item: Object, code: int = 200) -> web.Response:
        """One object in the form that the client asked for."""
        if where.subresource == "scale":
            return json_response(scale.of(where.kind, item), code)
        if wants_table(request):
            metadata = {"resourceVersion": item["metadata"]["resourceVersion"]}
            return json_response(_table(request, where, [item], metadata), code)
        return json_response(_form(where, item), code)

    def _list(self, request: web.Request, where: Target) -> web.Response:
        matches = _selector(request, where)
        items = [item for item in self._store.all(where.kind.storage, where.namespace).values() if matches(item)]
        metadata = {"resourceVersion": str(self._store.version)}  # always all of the newest state
        if wants_table(request):
            return json_response(_table(request, where, items, metadata))
        return json_response(_list_of(where, items, metadata))

    async def _watch(self, request: web.Request, where: Target) -> web.StreamResponse:
        watch = _watch(request, where)
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        await response.prepare(request)
        as_table = wants_table(request)
        async for type_, item in stream(self._store, watch):
            if type_ != "ERROR":
                item = _form(where, {"kind": where.kind.name, **item})
            if type_ != "ERROR" and as_table:
                metadata = {"resourceVersion": item["metadata"]["resourceVersion"]}
                item = _table(request, where, [item] if type_ != "BOOKMARK" else [], metadata)
            await response.write(orjson.dumps({"type": type_, "object": item}) + b"\n")
        return response


def _watch(request: web.Request, where: Target) -> Watch:
    query = request.query
    if "sendInitialEvents" in query:  # clients then list first
        why = "Forbidden: sendInitialEvents is not known to the local cluster"
        raise invalid_options("ListOptions", [Cause("sendInitialEvents", "FieldValueForbidden", why)])
    return Watch(
        storage=where.kind.storage,
        namespace=where.namespace,
        matches=_selector(request, where),
        start=int(query.get("resourceVersion") or 0) or None,
        bookmarks=query.get("allowWatchBookmarks") in TRUE,
        seconds=float(query.get("timeoutSeconds") or 1800),
    )


def _list_of(where: Target, items: Iterable[Object], metadata: Object) -> Object:
    kind = where.kind
    shown = [_form(where, item) for item in items]
    if not kind.custom:  # only unstructured items say what they are
        shown = [{key: value for key, value in item.items() if key not in ("apiVersion", "kind")} for item in shown]
    return {"kind": f"{kind.name}List", "apiVersion": kind.api_version, "metadata": metadata, "items": shown}


def _form(where: Target, item: Object) -> Object:
    """A stored object in the version that was asked for."""
    return {**item, "apiVersion": where.kind.api_version}


def _table(request: web.Request, where: Target, items: Iterable[Object], metadata: Object) -> Object:
    return tables.table(where.kind, items, metadata, request.query.get("includeObject", "Metadata"), datetime.now(UTC))


def _selector(request: web.Request, where: Target) -> Matches:
    labels = label_selector(request.query.get("labelSelector", ""))
    fields = field_selector(request.query.get("fieldSelector", ""), where.kind.selectable)
    return lambda item: labels(item) and fields(item)


def _options(request: web.Request) -> Options:
    query = request.query
    agent = request.headers.get("User-Agent", "unknown").partition("/")[0]
    validation = query.get("fieldValidation") or "Warn"
    if validation not in ("Ignore", "Warn", "Strict"):
        raise bad_request(f'fieldValidation: Unsupported value: "{validation}"')
    return Options(
        manager=query.get("fieldManager") or agent,
        validation=validation,
        dry_run="All" in query.getall("dryRun", []),
        force=query.get("force") in TRUE,
    )


async def _delete_options(request: web.Request, kind: Kind) -> dict[str, Any]:
    """400 for the other ways to cascade, which the local cluster does not imitate."""
    result = {**dict(request.query), **(await read_body(request) or {})}
    policy = result.get("propagationPolicy") or ("Orphan" if kind.resource == "jobs.batch" else "Background")
    if policy != "Background":
        raise bad_request(f"propagationPolicy {policy} is not known to the local cluster: delete with Background")
    return result
