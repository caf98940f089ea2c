"""What a list shows: always all of the newest state, as a server may answer that has not reached `limit`."""

from __future__ import annotations

from collections.abc import Mapping

from tests.cluster.errors import ApiError, bad_request
from tests.cluster.selectors import Matches
from tests.cluster.store import Object, Storage, Store


def listed(
    store: Store, storage: Storage, namespace: str, matches: Matches, query: Mapping[str, str]
) -> tuple[list[Object], Object]:
    """The objects and the list's metadata; 504 for a state that is still to come."""
    version = parsed_version(query.get("resourceVersion", ""))
    if version > store.version:
        raise ApiError(
            504,
            "Timeout",
            f"Too large resource version: {version}, current: {store.version}",
            causes=[{"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}],
            retryAfterSeconds=1,
        )
    items = [item for item in store.all(storage, namespace).values() if matches(item)]
    return items, {"resourceVersion": str(store.version)}


def parsed_version(text: str) -> int:
    try:
        return int(text or 0)
    except ValueError as error:
        why = f'Invalid value: "{text}": strconv.ParseUint: parsing "{text}": invalid syntax'
        raise bad_request(f"resourceVersion: {why}") from error
