"""Which fields an object has, as sets of paths, and how managedFields writes such sets (fieldsV1).

A path is a tuple of steps as fieldsV1 names them: `f:<field>`, `k:<keys of a list item>`, `v:<item of a set>`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from enum import Enum
from typing import Any

import orjson

from kubectl_perennial.admission.schema import Schema, child, compact, item_step
from tests.cluster.store import Object

Path = tuple[str, ...]
Fields = frozenset[Path]

_METADATA = (
    "name",
    "namespace",
    "creationTimestamp",
    "selfLink",
    "uid",
    "generation",
    "managedFields",
    "resourceVersion",
)
UNOWNED = {("f:apiVersion",), ("f:kind",), ("f:metadata",), *(("f:metadata", f"f:{field}") for field in _METADATA)}


class Shape(Enum):
    """What stands for the value of a field that has fields of its own."""

    OBJECT = "object"
    LIST = "list"


def nodes(item: Object, schema: Schema) -> dict[Path, Any]:
    """Every field that can have an owner, with its value; for one with fields of its own, only that it is there."""
    return {path: value for path, value, _ in _walk(item, schema, ()) if path and path not in UNOWNED}


def applied(item: Object, schema: Schema) -> Fields:
    """The fields that applying this object claims: leaves, list items, and empty objects."""
    result = [(path, value, own) for path, value, own in _walk(item, schema, ()) if path and path not in UNOWNED]
    parents = {path[:-1] for path, _, _ in result}
    return frozenset(path for path, value, own in result if own or (path not in parents and value is not Shape.LIST))


def _walk(value: Any, schema: Schema, path: Path, own: bool = False) -> Iterator[tuple[Path, Any, bool]]:
    """Each field with its value, and whether it counts besides its children: items, and entries of a map, do."""
    if isinstance(value, dict) and schema.get("x-kubernetes-map-type") != "atomic":
        yield path, Shape.OBJECT, own
        declared = schema.get("properties", {})
        for key, item in value.items():
            yield from _walk(item, child(schema, key) or {}, (*path, f"f:{key}"), key not in declared)
    elif isinstance(value, list) and is_associative(schema):
        yield path, Shape.LIST, own
        for item in value:
            yield from _walk(item, schema.get("items") or {}, (*path, item_step(item, schema)), True)
    else:
        yield path, value, own


def is_associative(schema: Schema) -> bool:
    return schema.get("x-kubernetes-list-type") in ("map", "set")


def to_v1(fields: Iterable[Path]) -> Object:
    """`{"f:spec": {"f:replicas": {}}}`; a path that is itself a member beside its children has a `"."`."""
    members = set(fields)
    parents = {path[:length] for path in members for length in range(1, len(path))}
    root: Object = {}
    for path in sorted(members):
        node = root
        for step in path:
            node = node.setdefault(step, {})
        if path in parents:
            node["."] = {}
    return root


def from_v1(node: Object, path: Path = ()) -> Iterator[Path]:
    if path and (not node or "." in node):
        yield path
    for step, below in node.items():
        if step != ".":
            yield from from_v1(below, (*path, step))


def readable(path: Path) -> str:
    """`.spec.steps[name="a"].weight`, as conflicts name a field."""
    text = ""
    for step in path:
        kind, name = step[0], step[2:]
        if kind == "f":
            text += f".{name}"
        elif kind == "k":
            text += "[" + ",".join(f"{key}={compact(value)}" for key, value in orjson.loads(name).items()) + "]"
        else:
            text += f"[={name}]"
    return text
