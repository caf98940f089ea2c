"""What a list shows: which state of the cluster, which objects of it, and how a long one is continued."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass

import orjson

from tests.cluster.errors import ApiError, Cause, bad_request, expired, invalid_options
from tests.cluster.selectors import Matches
from tests.cluster.store import Key, Object, Storage, Store


@dataclass(frozen=True)
class Page:
    """Part of a list; `version` is the state that all its parts show, `following` is the token of the next part."""

    items: list[Object]
    version: int
    following: str = ""
    remaining: int | None = None

    @property
    def metadata(self) -> Object:
        found: Object = {"resourceVersion": str(self.version)}
        found |= {"continue": self.following} if self.following else {}
        return found | ({"remainingItemCount": self.remaining} if self.remaining is not None else {})


def page(store: Store, storage: Storage, namespace: str, matches: Matches, query: Mapping[str, str]) -> Page:
    """The part of the list that `limit`, `continue`, `resourceVersion` and `resourceVersionMatch` ask for."""
    version, start = _state(store, query)
    there = store.all(storage, namespace) if version == store.version else store.at(storage, version, namespace)
    found = [(key, item) for key, item in there.items() if key > start and matches(item)]
    limit = int(query.get("limit") or 0)
    if not limit or len(found) <= limit:
        return Page([item for _, item in found], version)
    selected = query.get("labelSelector") or query.get("fieldSelector")
    remaining = None if selected else len(found) - limit
    return Page([item for _, item in found[:limit]], version, _token(version, found[limit - 1][0]), remaining)


def _state(store: Store, query: Mapping[str, str]) -> tuple[int, Key]:
    """Which version to show, and the key after which to begin."""
    asked, match = query.get("resourceVersion", ""), query.get("resourceVersionMatch", "")
    if token := query.get("continue"):
        if asked not in ("", "0"):
            raise bad_request("specifying resource version is not allowed when using continue")
        return _from_token(store, token)
    if match:
        _check_match(asked, match)
    version = parsed_version(asked)
    if version > store.version:
        raise ApiError(
            504,
            "Timeout",
            f"Too large resource version: {version}, current: {store.version}",
            causes=[{"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}],
            retryAfterSeconds=1,
        )
    return (version if match == "Exact" else store.version), ("", "")


def _check_match(asked: str, match: str) -> None:
    field, kind = "resourceVersionMatch", "FieldValueForbidden"
    if not asked:
        why = "Forbidden: resourceVersionMatch is forbidden unless resourceVersion is provided"
    elif match not in ("Exact", "NotOlderThan"):
        kind, why = (
            "FieldValueNotSupported",
            f'Unsupported value: "{match}": supported values: "Exact", "NotOlderThan", ""',
        )
    elif match == "Exact" and asked == "0":
        why = 'Forbidden: resourceVersionMatch "exact" is forbidden for resourceVersion "0"'
    else:
        return
    raise invalid_options("ListOptions", [Cause(field, kind, why)])


def parsed_version(text: str) -> int:
    try:
        return int(text or 0)
    except ValueError as error:
        why = f'Invalid value: "{text}": strconv.ParseUint: parsing "{text}": invalid syntax'
        raise bad_request(f"resourceVersion: {why}") from error


def _token(version: int, last: Key) -> str:
    return base64.urlsafe_b64encode(orjson.dumps({"v": "meta.k8s.io/v1", "rv": version, "start": last})).decode()


def _from_token(store: Store, token: str) -> tuple[int, Key]:
    try:
        found = orjson.loads(base64.urlsafe_b64decode(token))
        version, (namespace, name) = int(found["rv"]), found["start"]
    except (binascii.Error, ValueError, KeyError, TypeError) as error:
        raise bad_request(f"continue key is not valid: {error}") from error
    if version < store.compacted:
        raise expired(
            "The provided continue parameter is too old to display a consistent list result. You can start a new list"
            " without the continue parameter."
        )
    return version, (namespace, name)
