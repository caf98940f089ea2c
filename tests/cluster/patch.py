"""What an object becomes when a patch is laid on it: JSON patch, merge patch."""

from __future__ import annotations

import copy
from typing import Any

from jsonpath import JSONPatch
from jsonpath.exceptions import JSONPatchError

from tests.cluster.errors import ApiError, bad_request


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
