"""What an object becomes when a patch is laid on it: JSON patch, merge patch, strategic merge patch."""

from __future__ import annotations

import copy
from typing import Any

from jsonpath import JSONPatch
from jsonpath.exceptions import JSONPatchError

from tests.cluster.errors import ApiError, bad_request
from tests.cluster.schema import Schema, child


def json_patch(target: Any, operations: Any) -> Any:
    """RFC 6902; 400 if the patch is malformed, 422 if it does not fit the object."""
    if not isinstance(operations, list):
        raise bad_request("error decoding patch: a JSON patch is a list of operations")
    try:
        patch = JSONPatch(operations)
    except JSONPatchError as error:
        raise bad_request(f"error decoding patch: {error}") from error
    try:
        return patch.apply(copy.deepcopy(target))
    except JSONPatchError as error:
        raise ApiError(422, "Invalid", "the server rejected our request due to an error in our request") from error


def merge_patch(target: Any, patch: Any) -> Any:
    """RFC 7386: null removes a field, objects merge, everything else replaces."""
    if not isinstance(patch, dict):
        return patch
    merged = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        else:
            merged[key] = merge_patch(merged.get(key), value)
    return merged


def strategic_patch(target: Any, patch: Any, schema: Schema) -> Any:
    """A merge patch that merges lists by the key that their schema names, e.g. containers by name."""
    if isinstance(patch, dict):
        return _strategic_object(target if isinstance(target, dict) else {}, patch, schema)
    return patch


def _strategic_object(target: dict[str, Any], patch: dict[str, Any], schema: Schema) -> Any:
    if patch.get("$patch") == "delete":
        return {}
    if patch.get("$patch") == "replace":
        return {key: value for key, value in patch.items() if key != "$patch"}
    merged = dict(target)
    if "$retainKeys" in patch:
        merged = {key: value for key, value in merged.items() if key in patch["$retainKeys"]}
    for key, value in patch.items():
        directive, _, field = key.partition("/")
        if directive == "$deleteFromPrimitiveList":
            merged[field] = [item for item in merged.get(field) or [] if item not in value]
        elif directive == "$setElementOrder":
            known = child(schema, field) or {}
            merged[field] = _strategic_list(merged.get(field) or [], patch.get(field) or [], known, value)
        elif directive in ("$patch", "$retainKeys") or f"$setElementOrder/{key}" in patch:
            continue
        elif value is None:
            merged.pop(key, None)
        elif isinstance(value, list):
            merged[key] = _strategic_list(merged.get(key) or [], value, child(schema, key) or {}, None)
        else:
            merged[key] = strategic_patch(merged.get(key), value, child(schema, key) or {})
    return merged


def _strategic_list(target: list[Any], patch: list[Any], schema: Schema, order: list[Any] | None) -> list[Any]:
    """The merged items: those of the patch in its order, those that only the target has where they were."""
    key = schema.get("x-kubernetes-patch-merge-key")
    if "merge" not in schema.get("x-kubernetes-patch-strategy", ""):
        return patch
    if {"$patch": "replace"} in patch:
        return [item for item in patch if item != {"$patch": "replace"}]

    def name(item: Any) -> Any:
        return item.get(key) if key else item

    merged = {name(item): item for item in target}
    for item in patch:
        if key and item.get("$patch") == "delete":
            merged.pop(name(item), None)
        else:
            merged[name(item)] = strategic_patch(merged.get(name(item)), item, schema.get("items") or {})
    before = [name(item) for item in target]
    wanted = [name(item) for item in (patch if order is None else order) if name(item) in merged]
    return [merged[one] for one in _interleaved([one for one in merged if one not in wanted], wanted, before)]


def _interleaved(kept: list[Any], wanted: list[Any], before: list[Any]) -> list[Any]:
    """Both lists as one: a kept item comes before a wanted one only if it did so before."""
    result: list[Any] = []
    waiting = list(kept)
    for item in wanted:
        while waiting and item in before and before.index(waiting[0]) < before.index(item):
            result.append(waiting.pop(0))
        result.append(item)
    return result + waiting
