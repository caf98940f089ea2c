"""Objects as the rows that kubectl prints (meta.k8s.io/v1 Table)."""

from __future__ import annotations

import re
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
# A field whose own name has dots is written with backslashes in Kubernetes, in brackets in RFC 9535.
_ESCAPED = re.compile(r"\.((?:[^.\[\]\\]|\\.)*\\\.(?:[^.\[\]\\]|\\.)*)")


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
    bracketed = _ESCAPED.sub(lambda result: "['" + result[1].replace("\\.", ".") + "']", path.strip("{}"))
    return jsonpath.compile("$" + bracketed)


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def age(span: timedelta) -> str:
    """`119s`, `2m5s`, `3h2m`, `47h`, `3d4h`, `2y15d`: the two coarsest units that matter, as Kubernetes prints them."""
    seconds = int(span.total_seconds())
    if seconds < -1:
        return "<invalid>"
    minutes, hours, days, years = seconds // 60, seconds // 3600, seconds // 86400, seconds // (365 * 86400)
    if seconds < 120:
        return f"{max(seconds, 0)}s"
    if minutes < 10:
        return f"{minutes}m" + _rest(seconds % 60, "s")
    if minutes < 180:
        return f"{minutes}m"
    if hours < 8:
        return f"{hours}h" + _rest(minutes % 60, "m")
    if hours < 48:
        return f"{hours}h"
    if hours < 192:
        return f"{days}d" + _rest(hours % 24, "h")
    if years < 2:
        return f"{days}d"
    return f"{years}y" + (_rest(days % 365, "d") if years < 8 else "")


def _rest(count: int, unit: str) -> str:
    return f"{count}{unit}" if count else ""
