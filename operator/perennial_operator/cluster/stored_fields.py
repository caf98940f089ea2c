"""Which fields of a value does the API server not store?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

KEEPS_ALL = "x-kubernetes-preserve-unknown-fields"
ANY = "*"
"""In a path: each key of a map."""

Path = tuple[str, ...]


def lost_fields(sent: Any, stored: Any, path: Path = ()) -> Iterator[Path]:
    """Fields that were sent and are not stored; an item of a list has the path of the list."""
    if isinstance(sent, Mapping):
        for name, value in sent.items():
            if isinstance(stored, Mapping) and name in stored:
                yield from lost_fields(value, stored[name], (*path, name))
            elif value is not None:
                yield (*path, name)
    elif isinstance(sent, list) and isinstance(stored, list):
        for one, other in zip(sent, stored, strict=False):
            yield from lost_fields(one, other, path)


def undeclared_fields(wanted: Mapping[str, Any], installed: Mapping[str, Any], path: Path = ()) -> Iterator[Path]:
    """Fields that the wanted schema declares and the installed one does not, so that the API server drops them."""
    if installed.get(KEEPS_ALL):
        return
    declared = installed.get("properties") or {}
    for name, schema in (wanted.get("properties") or {}).items():
        if name in declared:
            yield from undeclared_fields(schema, declared[name], (*path, name))
        else:
            yield (*path, name)
    for keyword, more in (("items", ()), ("additionalProperties", (ANY,))):
        inner, other = wanted.get(keyword), installed.get(keyword)
        if isinstance(inner, Mapping) and isinstance(other, Mapping):
            yield from undeclared_fields(inner, other, (*path, *more))


def has_field(value: Any, path: Path) -> bool:
    """Whether the value has a field at the path, in one of its items at least."""
    if not path:
        return value is not None
    if isinstance(value, list):
        return any(has_field(item, path) for item in value)
    if not isinstance(value, Mapping):
        return False
    inner = list(value.values()) if path[0] == ANY else [value.get(path[0])]
    return any(has_field(each, path[1:]) for each in inner)


def without_field(value: Any, path: Path) -> Any:
    """The value without the field at the path, in each of its items."""
    if isinstance(value, list):
        return [without_field(item, path) for item in value]
    if not isinstance(value, Mapping):
        return value
    first, rest = path[0], path[1:]
    changed = {k: without_field(v, rest) if rest and first in (ANY, k) else v for k, v in value.items()}
    return {k: v for k, v in changed.items() if rest or first not in (ANY, k)}
