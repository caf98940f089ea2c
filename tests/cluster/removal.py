"""How objects go: what holds them, and what goes with them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.cluster import lifecycle
from tests.cluster.errors import not_found
from tests.cluster.kinds import Kind, Kinds, custom_kinds
from tests.cluster.store import Object, Store


class Removal:
    def __init__(self, store: Store, kinds: Kinds) -> None:
        self._store = store
        self._kinds = kinds

    def delete(self, kind: Kind, namespace: str, name: str, options: Mapping[str, Any]) -> tuple[Object, bool]:
        """The object as it was last, and whether it is gone; finalizers, contents or a grace period may hold it."""
        item = self._store.get(kind.storage, (namespace, name))
        if item is None:
            raise not_found(kind, name)
        lifecycle.check_uid(kind, item, (options.get("preconditions") or {}).get("uid"))
        grace = _grace_seconds(kind, item, options)
        metadata = item["metadata"]
        if "deletionTimestamp" not in metadata or grace < metadata["deletionGracePeriodSeconds"]:
            when = lifecycle.timestamp(datetime.now(UTC) + timedelta(seconds=grace))
            item = lifecycle.marked_for_deletion(kind, item, grace, when)
        if item != self._store.get(kind.storage, (namespace, name)) and self.is_held(kind, item):
            item = self._store.put(kind.storage, (namespace, name), item)
            for below, content in list(self._contents(kind, item)):
                self.delete(
                    below,
                    content["metadata"].get("namespace", ""),
                    content["metadata"]["name"],
                    {"gracePeriodSeconds": 0},
                )
        there = self._store.get(kind.storage, (namespace, name))
        if there is None or self.is_held(kind, item):
            return item, there is None
        return self.remove(kind, item), True

    def is_held(self, kind: Kind, item: Object) -> bool:
        metadata = item["metadata"]
        current = metadata.get("finalizers") or metadata.get("deletionGracePeriodSeconds")
        return bool(current) or any(True for _ in self._contents(kind, item))

    def remove(self, kind: Kind, item: Object) -> Object:
        """The object as it was last. What waited for it to go, its namespace or its definition, may go too."""
        namespace = item["metadata"].get("namespace", "")
        gone = self._store.remove(kind.storage, (namespace, item["metadata"]["name"]))
        if kind.name == "CustomResourceDefinition":
            self._kinds.forget(item)
        for holder, name in (("namespaces", namespace), ("customresourcedefinitions", kind.resource)):
            around = next(other for other in self._kinds if other.plural == holder)
            current = self._store.get(around.storage, ("", name))
            if current and "deletionTimestamp" in current["metadata"] and not self.is_held(around, current):
                self.remove(around, current)
        return gone

    def _contents(self, kind: Kind, item: Object) -> Iterator[tuple[Kind, Object]]:
        """What must go before this object does."""
        if kind.name == "Namespace" and not kind.custom:
            inside = {other.storage: other for other in self._kinds if other.namespaced}
            for storage, other in inside.items():
                for content in self._store.all(storage, item["metadata"]["name"]).values():
                    yield other, content
        elif kind.name == "CustomResourceDefinition":
            for other in list(custom_kinds(item))[:1]:
                for content in self._store.all(other.storage).values():
                    yield other, content


def _grace_seconds(kind: Kind, item: Object, options: Mapping[str, Any]) -> int:
    """Only a pod that a node has, and that still runs, is given time."""
    finished = item.get("status", {}).get("phase") in ("Succeeded", "Failed")
    if kind.custom or kind.plural != "pods" or finished or not item["spec"].get("nodeName"):
        return 0
    asked = options.get("gracePeriodSeconds")
    return int(item["spec"].get("terminationGracePeriodSeconds", 30) if asked is None else asked)
