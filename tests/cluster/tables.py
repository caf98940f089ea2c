"""Objects as the rows that kubectl prints (meta.k8s.io/v1 Table)."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

import jsonpath

from tests.cluster.kinds import Kind
from tests.cluster.store import Object

Column = Mapping[str, Any]

NAME: Column = {"name": "Name", "type": "string", "format": "name", "jsonPath": ".metadata.name"}
AGE: Column = {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"}


def table(kind: Kind, items: Iterable[Object], metadata: Object, include: str, now: datetime) -> Object:
    """The Table of these objects; `include` says what each row carries beside its cells: Metadata, Object or None."""
    columns = _columns(kind)
    return {
        "kind": "Table",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": metadata,
        "columnDefinitions": [_definition(column) for column in columns],
        "rows": [
            {"cells": [_cell(column, item, now) for column in columns], **_carried(item, include)} for item in items
        ],
    }


def _columns(kind: Kind) -> Sequence[Column]:
    own = kind.columns or (AGE,)
    return own if any(column["name"] == "Name" for column in own) else (NAME, *own)


def _definition(column: Column) -> Object:
    return {
        "name": column["name"],
        "type": column.get("type", "string"),
        "format": column.get("format", ""),
        "description": column.get("description", ""),
        "priority": column.get("priority", 0),
    }


def _carried(item: Object, include: str) -> Object:
    if include == "None":
        return {}
    if include == "Object":
        return {"object": item}
    return {"object": {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": item["metadata"]}}


def _cell(column: Column, item: Object, now: datetime) -> Any:
    value = field(item, column["jsonPath"])
    match column.get("type", "string"):
        case "date":
            return None if value is None else age(now - _moment(value))
        case "string":
            return value if value is None or isinstance(value, str) else _text(value)
    return value


def field(item: Object, path: str) -> Any:
    """The first value at a path such as `.status.conditions[?(@.type=="Ready")].status`; None if there is none."""
    return next((result.obj for result in _query(path).finditer(item)), None)


@cache
def _query(path: str) -> jsonpath.CompoundJSONPath | jsonpath.JSONPath:
    return jsonpath.compile("$" + path.strip("{}"))


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


# Up to so many seconds an age is given in this unit, and the rest in that one.
_AGES = (
    (120, "s", ""),
    (600, "m", "s"),
    (180 * 60, "m", ""),
    (8 * 3600, "h", "m"),
    (48 * 3600, "h", ""),
    (8 * 86400, "d", "h"),
    (math.inf, "d", ""),
)
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def age(span: timedelta) -> str:
    """`119s`, `2m5s`, `3h2m`, `47h`, `3d4h`: the one or two coarsest units, as Kubernetes prints them."""
    seconds = max(0, int(span.total_seconds()))
    unit, small = next((unit, small) for limit, unit, small in _AGES if seconds < limit)
    count, rest = divmod(seconds, _SECONDS[unit])
    left = rest // _SECONDS[small] if small else 0
    return f"{count}{unit}" + (f"{left}{small}" if left else "")
