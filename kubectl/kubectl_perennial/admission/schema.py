"""What an object keeps of what was sent: unknown fields and stray nulls fall away, missing ones get defaults."""

from __future__ import annotations

import copy
from typing import Any

import orjson

Schema = dict[str, Any]

PRESERVE = "x-kubernetes-preserve-unknown-fields"
EMBEDDED = "x-kubernetes-embedded-resource"


def normalize(value: Any, schema: Schema) -> tuple[Any, list[str]]:
    """The value as a structural schema has it, and the paths of what was dropped, e.g. `spec.steps[0].wait`."""
    unknown: list[str] = []
    return _with_defaults(_pruned(value, schema, "", unknown), schema), unknown


def _pruned(value: Any, schema: Schema, path: str, unknown: list[str]) -> Any:
    if isinstance(value, list):
        items = schema.get("items") or {PRESERVE: True}
        return [_pruned(item, items, f"{path}[{index}]", unknown) for index, item in enumerate(value)]
    if not isinstance(value, dict):
        return _quantity(value) if schema.get("x-quantity") else value
    kept: dict[str, Any] = {}
    for key, item in value.items():
        known = child(schema, key)
        here = f"{path}.{key}" if path else key
        if known is None:
            unknown.append(here)
        elif item in ([], {}) and known.get("x-omit-empty"):
            continue
        elif item is not None or known.get("nullable") or not known or PRESERVE in known:
            kept[key] = _pruned(item, known, here, unknown)
    return kept


def child(schema: Schema, key: str) -> Schema | None:
    """The schema of an object's field; None where the field is unknown and not to be kept."""
    if key in schema.get("properties", {}):
        result: Schema = schema["properties"][key]
        return result
    additional = schema.get("additionalProperties")
    if isinstance(additional, dict):
        return additional
    if additional is True or schema.get(PRESERVE) or not schema:
        return {PRESERVE: True}
    if schema.get(EMBEDDED) and key in ("apiVersion", "kind", "metadata"):
        return {PRESERVE: True}
    return None


def _with_defaults(value: Any, schema: Schema) -> Any:
    if isinstance(value, list):
        items = schema.get("items") or {}
        return [_with_defaults(item, items) for item in value]
    if not isinstance(value, dict):
        return value
    for key, known in schema.get("properties", {}).items():
        if "default" in known and value.get(key) is None and (key not in value or not known.get("nullable")):
            value[key] = copy.deepcopy(known["default"])
    return {key: _with_defaults(item, child(schema, key) or {}) for key, item in value.items()}


def _quantity(value: Any) -> Any:
    """Go keeps amounts such as `cpu: 2` as text."""
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value


def dotted(path: tuple[str | int, ...]) -> str:
    """`spec.steps[0].weight`, as Kubernetes writes a field's path."""
    text = ""
    for step in path:
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else step
    return text


def item_step(item: Any, schema: Schema) -> str:
    """How an item of an associative list is named."""
    if schema["x-kubernetes-list-type"] == "set" or not isinstance(item, dict):
        return f"v:{compact(item)}"
    known = schema.get("items", {}).get("properties", {})
    keys = {key: item.get(key, known.get(key, {}).get("default")) for key in schema["x-kubernetes-list-map-keys"]}
    return f"k:{compact({key: value for key, value in sorted(keys.items()) if value is not None})}"


def compact(value: Any) -> str:
    """As JSON."""
    return orjson.dumps(value).decode()
