"""The OpenAPI documents that clients read: kubectl's explain, its validation, and merge keys."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from zlib import crc32

import orjson

from tests.cluster import builtin
from tests.cluster.errors import unknown_path
from tests.cluster.kinds import Kind, Kinds

COMPONENTS = "#/components/schemas/"
OBJECT_META = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"


def version_2() -> dict[str, Any]:
    """As little as keeps old clients content; the third version has it all."""
    return {
        "swagger": "2.0",
        "info": {"title": "Kubernetes", "version": builtin.VERSION},
        "paths": {},
        "definitions": {},
    }


def index(kinds: Kinds) -> dict[str, Any]:
    """Where each group's document is; the hash changes when its kinds do."""
    paths = {path: document(kinds, path) for path in sorted({_path(kind) for kind in kinds})}
    return {
        "paths": {
            path: {"serverRelativeURL": f"/openapi/v3/{path}?hash={crc32(orjson.dumps(result)):08X}"}
            for path, result in paths.items()
        }
    }


def _path(kind: Kind) -> str:
    return f"apis/{kind.api_version}" if kind.group else f"api/{kind.version}"


def document(kinds: Kinds, path: str) -> dict[str, Any]:
    """The kinds of one version of one group, with all that they refer to; 404 if there are none."""
    served = [kind for kind in kinds if _path(kind) == path]
    if not served:
        raise unknown_path()
    schemas: dict[str, Any] = {}
    for kind in served:
        if kind.custom:
            schemas[_component(kind)] = _custom(kind)
            _collect(OBJECT_META, schemas)
        else:
            _collect(_component(kind), schemas)
    return {
        "openapi": "3.0.0",
        "info": {"title": "Kubernetes", "version": builtin.VERSION},
        "paths": {path: item for kind in served for path, item in _paths(kind)},
        "components": {"schemas": schemas},
    }


def _component(kind: Kind) -> str:
    if kind.custom:
        return ".".join([*reversed(kind.group.split(".")), kind.version, kind.name])
    return builtin.definition_name(kind.group, kind.version, kind.name)


def _identity(kind: Kind) -> dict[str, str]:
    return {"group": kind.group, "version": kind.version, "kind": kind.name}


def _custom(kind: Kind) -> dict[str, Any]:
    properties = {**kind.schema["properties"], "metadata": {"allOf": [{"$ref": COMPONENTS + OBJECT_META}]}}
    properties |= {key: builtin.published(properties[key]) for key in ("apiVersion", "kind")}
    return {**kind.schema, "properties": properties, "x-kubernetes-group-version-kind": [_identity(kind)]}


def _collect(name: str, schemas: dict[str, Any]) -> None:
    """This definition and all that it refers to."""
    if name in schemas:
        return
    schemas[name] = result = builtin.published(builtin.definitions()[name])
    for reference in _references(result):
        _collect(reference.removeprefix(COMPONENTS), schemas)


def _references(node: Any) -> Iterator[str]:
    if isinstance(node, list):
        for item in node:
            yield from _references(item)
    elif isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"]
        for item in node.values():
            yield from _references(item)


def _paths(kind: Kind) -> Iterator[tuple[str, Any]]:
    """What tells kubectl that the server validates fields itself, and which schema an answer has."""
    root = f"/{_path(kind)}" + ("/namespaces/{namespace}" if kind.namespaced else "") + f"/{kind.plural}"
    schema = {"schema": {"$ref": COMPONENTS + _component(kind)}}
    parameters = [
        {"name": name, "in": "query", "schema": {"type": "string", "uniqueItems": True}}
        for name in ("dryRun", "fieldManager", "fieldValidation")
    ]
    operation = {
        "parameters": parameters,
        "responses": {"200": {"description": "OK", "content": {"application/json": schema}}},
        "x-kubernetes-group-version-kind": _identity(kind),
    }
    yield root, {"post": {**operation, "x-kubernetes-action": "post"}}
    methods = ("get", "put", "patch")
    yield root + "/{name}", {method: {**operation, "x-kubernetes-action": method} for method in methods}
