"""What the cluster holds and what has happened to it: objects by kind, one counter of versions, a window of events.

Stored objects are never changed in place: a write puts a new one, so a reader may keep what it got.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tests.cluster.errors import ApiError, expired

Object = dict[str, Any]
Storage = tuple[str, str]  # group, plural
Key = tuple[str, str]  # namespace ("" where there is none), name

WINDOW = 20_000


@dataclass(frozen=True)
class Event:
    """One write. `old` is None for a new object, `new` is None for one that is gone."""

    version: int
    storage: Storage
    key: Key
    old: Object | None
    new: Object | None


class Store:
    def __init__(self) -> None:
        self.version = 1
        self.compacted = 0
        self._objects: dict[Storage, dict[Key, Object]] = {}
        self._events: deque[Event] = deque()
        self._watchers: dict[asyncio.Queue[Event | None], Storage] = {}

    def get(self, storage: Storage, key: Key) -> Object | None:
        return self._objects.get(storage, {}).get(key)

    def all(self, storage: Storage, namespace: str = "") -> dict[Key, Object]:
        """The objects of one kind in the order of their keys; an empty namespace means every one."""
        result = self._objects.get(storage, {})
        return {key: result[key] for key in sorted(result) if namespace in ("", key[0])}

    def put(self, storage: Storage, key: Key, new: Object) -> Object:
        """The object as stored, with its new resourceVersion; watchers have been told."""
        self.version += 1
        new = {**new, "metadata": {**new["metadata"], "resourceVersion": str(self.version)}}
        current = self._objects.setdefault(storage, {})
        self._tell(Event(self.version, storage, key, current.get(key), new))
        current[key] = new
        return new

    def remove(self, storage: Storage, key: Key) -> Object:
        self.version += 1
        old = self._objects[storage].pop(key)
        self._tell(Event(self.version, storage, key, old, None))
        return {**old, "metadata": {**old["metadata"], "resourceVersion": str(self.version)}}

    def _tell(self, event: Event) -> None:
        self._events.append(event)
        if len(self._events) > WINDOW:
            self.compacted = self._events.popleft().version
        for queue, storage in self._watchers.items():
            if storage == event.storage:
                queue.put_nowait(event)

    def compact(self) -> None:
        """Everything before now is forgotten: older versions answer 410, as after etcd's compaction."""
        self._events.clear()
        self.compacted = self.version

    def since(self, storage: Storage, version: int) -> Iterator[Event]:
        if version < self.compacted:
            raise too_old(version, self.compacted)
        return (event for event in self._events if event.storage == storage and event.version > version)

    def subscribe(self, storage: Storage) -> asyncio.Queue[Event | None]:
        queue: asyncio.Queue[Event | None] = asyncio.Queue()
        self._watchers[queue] = storage
        return queue

    def unsubscribe(self, queue: asyncio.Queue[Event | None]) -> None:
        self._watchers.pop(queue, None)

    def hang_up(self) -> None:
        """Every open watch ends."""
        for queue in self._watchers:
            queue.put_nowait(None)


def too_old(version: int, oldest: int) -> ApiError:
    return expired(f"too old resource version: {version} ({oldest})")
