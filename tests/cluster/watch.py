"""What a watch tells: the objects that match at its start, then every change as seen through its selectors."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass

from tests.cluster.errors import ApiError
from tests.cluster.selectors import Matches
from tests.cluster.store import Event, Object, Storage, Store

BOOKMARK_SECONDS = 5.0


@dataclass(frozen=True)
class Watch:
    """One watch. `start` None: the objects that are there, then every change."""

    storage: Storage
    namespace: str
    matches: Matches
    start: int | None
    bookmarks: bool
    seconds: float


async def stream(store: Store, watch: Watch) -> AsyncIterator[tuple[str, Object]]:
    """(type, object) pairs: ADDED, MODIFIED, DELETED, BOOKMARK, and at most one ERROR, the last."""
    queue = store.subscribe(watch.storage)
    try:
        end = asyncio.get_running_loop().time() + watch.seconds
        try:
            backlog = list(store.since(watch.storage, store.version if watch.start is None else watch.start))
        except ApiError as error:
            yield "ERROR", error.status
            return
        if watch.start is None:
            for item in store.all(watch.storage, watch.namespace).values():
                if watch.matches(item):
                    yield "ADDED", item
        for event in backlog:
            if seen := as_seen(event, watch):
                yield seen
        async for seen in _live(store, watch, queue, end):
            yield seen
    finally:
        store.unsubscribe(queue)


async def _live(
    store: Store, watch: Watch, queue: asyncio.Queue[Event | None], end: float
) -> AsyncIterator[tuple[str, Object]]:
    clock = asyncio.get_running_loop().time
    while (left := end - clock()) > 0:
        try:
            event = await asyncio.wait_for(queue.get(), min(left, BOOKMARK_SECONDS))
        except TimeoutError:
            if watch.bookmarks:
                yield "BOOKMARK", {"metadata": {"resourceVersion": str(store.version), "creationTimestamp": None}}
            continue
        if event is None:
            return
        if seen := as_seen(event, watch):
            yield seen


def as_seen(event: Event, watch: Watch) -> tuple[str, Object] | None:
    """The event through the selectors: what begins to match is ADDED, what no longer matches is DELETED."""
    if watch.namespace not in ("", event.key[0]):
        return None
    before = event.old if event.old is not None and watch.matches(event.old) else None
    after = event.new if event.new is not None and watch.matches(event.new) else None
    if after is not None:
        return ("ADDED" if before is None else "MODIFIED"), after
    if before is None:
        return None
    metadata = {**before["metadata"], "resourceVersion": str(event.version)}
    return "DELETED", {**before, "metadata": metadata}
