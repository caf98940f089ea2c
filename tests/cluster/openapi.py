"""The OpenAPI documents: they say to kubectl and Helm that the server validates fields itself.

Of custom kinds they have the schemas.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from zlib import crc32

import orjson

from tests.cluster import builtin
from tests.cluster.errors import unknown_path
from tests.cluster.kinds import Kind, Kinds

INFO = {"title": "Kubernetes", "version": builtin.VERSION}


def version_2() -> dict[str, Any]:
    return {"swagger": "2.0", "info": INFO, "paths": {}, "definitions": {}}


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
    """The kinds of one version of one group; 404 if there are none."""
    there = [kind for kind in kinds if _path(kind) == path]
    if not there:
        raise unknown_path()
    paths = dict(item for kind in there for item in _operations(kind))
    schemas = dict(_schema(kind) for kind in there if kind.custom)
    return {"openapi": "3.0.0", "info": INFO, "paths": paths, "components": {"schemas": schemas}}


def _schema(kind: Kind) -> tuple[str, Any]:
    name = ".".join((*reversed(kind.group.split(".")), kind.version, kind.name))
    return name, {**kind.schema, "x-kubernetes-group-version-kind": [_type(kind)]}


def _type(kind: Kind) -> dict[str, str]:
    return {"group": kind.group, "version": kind.version, "kind": kind.name}


def _operations(kind: Kind) -> Iterator[tuple[str, Any]]:
    root = f"/{_path(kind)}" + ("/namespaces/{namespace}" if kind.namespaced else "") + f"/{kind.plural}"
    operation = {
        "parameters": [
            {"name": name, "in": "query", "schema": {"type": "string", "uniqueItems": True}}
            for name in ("dryRun", "fieldManager", "fieldValidation")
        ],
        "responses": {"200": {"description": "OK"}},
        "x-kubernetes-group-version-kind": _type(kind),
    }
    yield root, {"post": {**operation, "x-kubernetes-action": "post"}}
    methods = ("get", "put", "patch")
    yield root + "/{name}", {method: {**operation, "x-kubernetes-action": method} for method in methods}
