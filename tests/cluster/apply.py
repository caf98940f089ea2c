"""What an object becomes when somebody applies a part of it (server-side apply)."""

from __future__ import annotations

from collections.abc import Set
from typing import Any

from kubectl_perennial.admission.schema import Schema, child, item_step
from tests.cluster.fields import UNOWNED, Fields, Path, is_associative


def merged(live: Any, config: Any, schema: Schema) -> Any:
    """The live value with the applied one laid over it; associative lists merge by their keys, others are replaced."""
    if isinstance(config, dict) and isinstance(live, dict) and schema.get("x-kubernetes-map-type") != "atomic":
        over = {key: merged(live.get(key), value, child(schema, key) or {}) for key, value in config.items()}
        return {**live, **over}
    if isinstance(config, list) and isinstance(live, list) and is_associative(schema):
        return _merged_list(live, config, schema)
    return config


def _merged_list(live: list[Any], config: list[Any], schema: Schema) -> list[Any]:
    """In the order of the applied list; an item that only the live list has stays before the one that it preceded."""
    items = schema.get("items") or {}
    wanted = {item_step(item, schema): item for item in config}
    there = [(item_step(item, schema), item) for item in live]
    known = dict(there)
    result: list[Any] = []
    waiting = list(there)
    for step, item in wanted.items():
        while waiting and waiting[0][0] not in wanted:
            result.append(waiting.pop(0)[1])
        result.append(merged(known[step], item, items) if step in known else item)
        waiting = [entry for entry in waiting if entry[0] != step]
    return result + [item for step, item in waiting if step not in wanted]


def without(item: Any, dropped: Fields, kept: Fields, schema: Schema) -> Any:
    """The object without the fields that its manager no longer applies, and without what they leave empty.

    `dropped` are fields that nobody else has; `kept` are all that still have an owner.
    """
    inside = {path[:length] for path in kept for length in range(len(path) + 1)}
    doomed = {path[:length] for path in dropped for length in range(1, len(path) + 1)} - inside - UNOWNED
    doomed |= {
        path for path in dropped if path[-1].startswith(("k:", "v:"))
    }  # an item goes with what others have in it
    return _pruned(item, schema, (), doomed, kept) if doomed else item


def _pruned(value: Any, schema: Schema, path: Path, doomed: Set[Path], kept: Fields) -> Any:
    if isinstance(value, dict):
        below = {key: (*path, f"f:{key}") for key in value}
        left = {
            key: _pruned(item, child(schema, key) or {}, below[key], doomed, kept)
            for key, item in value.items()
            if below[key] not in doomed
        }
        return {
            key: item for key, item in left.items() if item or not value[key] or (item == {} and below[key] in kept)
        }
    if isinstance(value, list) and is_associative(schema):
        steps = [(*path, item_step(item, schema)) for item in value]
        items = schema.get("items") or {}
        return [
            _pruned(item, items, step, doomed, kept)
            for item, step in zip(value, steps, strict=True)
            if step not in doomed
        ]
    return value
