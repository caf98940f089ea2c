"""The newest known state of every watched object, by the ModelDeployment it belongs to."""

from __future__ import annotations

from collections import OrderedDict, defaultdict
from collections.abc import Collection, Mapping

from perennial_operator.cluster.cache_entry import (
    BLOCKED,
    Body,
    CacheEntry,
    Key,
    PackedReport,
    Place,
    State,
    Uid,
    read,
    read_report,
    text_of,
)
from perennial_operator.cluster.fleet import Trainings
from perennial_operator.core.drift_reports import Report

TOMBSTONES = 10_000
"""Deleted objects that are remembered: more than can be deleted while one response is on its way."""


class Cache:
    """An older state never replaces a newer one.

    Watch events, lists and responses to our own writes arrive in any order, so the resourceVersion decides: Kubernetes
    guarantees that it grows within one resource.
    """

    def __init__(self) -> None:
        self._entries: defaultdict[tuple[str, str], dict[str, CacheEntry]] = defaultdict(dict)
        """Kind and namespace → name."""
        self._by_key: dict[Key, dict[str, dict[str, CacheEntry]]] = {}
        """ModelDeployment → kind → name."""
        self._tombstones: OrderedDict[Uid, int] = OrderedDict()
        """uid → the newest version that is known to be outdated."""
        self._unresolved: dict[Place, int] = {}
        """Drift report that left the watch → the version at which it did."""
        self.trainings = Trainings()

    def apply_event(self, event: str | None, body: Body) -> set[Key]:
        """The cache reflects the watch event; the affected keys."""
        if event != "DELETED":
            return self.put(body)
        return self._report_left_watch(body) if body["kind"] == "DriftReport" else self.drop(body)

    def put(self, body: Body) -> set[Key]:
        """The cache holds the object in this state or a newer one; the affected keys."""
        state = State.of(body)
        place, version = state.place, state.version
        old = self._at(place)
        if version <= self._tombstones.get(state.uid, -1) or (old is not None and version <= old.version):
            return set()
        left_at = self._unresolved.get(place, 0)
        affected = self._remove(place)
        if state.key is not None:
            self._add(place, state.entry(state.key))
            if left_at > version:
                self._unresolved[place] = left_at
            affected.add(state.key)
        return affected

    def drop(self, body: Body) -> set[Key]:
        """The cache holds no state of the object up to this one; the affected keys."""
        deleted = State.of(body)
        old = self._at(deleted.place)
        self._tombstone(deleted.uid, deleted.version)
        if old is None or old.uid != deleted.uid or deleted.version < old.version:
            return set()
        return self._remove(deleted.place)

    def remove(self, key: Key, kind: str, name: str) -> None:
        """The cache does not hold the object, in whatever state it was known."""
        place = Place(kind, key.namespace, name)
        if entry := self._at(place):
            self._tombstone(entry.uid, entry.version)
            self._remove(place)

    def _report_left_watch(self, body: Body) -> set[Key]:
        """The report left the watch: it is final or deleted; the next pass checks which. The affected key.

        None if the cache knows the newer state already, as it does if this operator wrote the outcome.
        """
        event = State.of(body)
        old = self._at(event.place)
        if old is None or old.uid != event.uid or event.version <= old.version:
            return set()
        self._unresolved[event.place] = event.version
        return {old.key}

    def unresolved_reports(self, key: Key) -> list[str]:
        """Names of drift reports that left the watch and are either final or deleted."""
        return [place.name for place in self._unresolved if (entry := self._at(place)) and entry.key == key]

    def prune(self, kind: str, listed: Collection[Place], list_version: str, namespace: str | None = None) -> set[Key]:
        """Objects of the kind (in one namespace, or all) that the list lacks and that are not newer are removed.

        Returns the affected keys.
        """
        affected: set[Key] = set()
        at = int(list_version or 0)
        known = [
            (Place(kind, each, name), entry)
            for (of_kind, each), entries in self._entries.items()
            if of_kind == kind and namespace in (None, each)
            for name, entry in entries.items()
        ]
        for place, entry in known:
            if place not in listed and entry.version <= at:
                self._tombstone(entry.uid, at)
                affected |= self._remove(place)
        return affected

    def objects(self, key: Key, kind: str) -> list[Body]:
        """Objects of the kind, without final drift reports."""
        return [read(text) for text in self.texts(key, kind)]

    def texts(self, key: Key, kind: str) -> list[bytes]:
        """The same packed."""
        contents = [entry.content for entry in self._of(key, kind).values()]
        return [each for each in contents if not isinstance(each, PackedReport)]

    def contents(self, key: Key, kind: str) -> list[bytes | Report]:
        """Contents of the kind's objects: a final drift report as a Report, anything else packed.

        Without those owned by an earlier ModelDeployment of the name, which Kubernetes is about to delete.
        """
        uid = self.uid(key, "ModelDeployment", key.name)
        return [
            read_report(name, entry.content) if isinstance(entry.content, PackedReport) else entry.content
            for name, entry in self._of(key, kind).items()
            if entry.owner in (None, uid)
        ]

    def get(self, key: Key, kind: str, name: str) -> Body | None:
        """The object; None also for a final drift report."""
        entry = self._of(key, kind).get(name)
        return read(entry.content) if entry and not isinstance(entry.content, PackedReport) else None

    def uid(self, key: Key, kind: str, name: str) -> str | None:
        entry = self._at(Place(kind, key.namespace, name))
        return text_of(entry.uid) if entry else None

    def all_keys(self) -> list[Key]:
        return list(self._by_key)

    def count_trainings(self, reserved: Collection[Key], but: Key | None = None) -> int:
        """How many ModelDeployments hold a place for a training or have reserved one, not counting `but`."""
        return self.trainings.places_taken(reserved, but)

    def queued(self) -> list[Key]:
        """Keys that wait for a place, in the order in which they get one."""
        return self.trainings.queue()

    def _at(self, place: Place) -> CacheEntry | None:
        return self._entries[place[:2]].get(place.name)

    def _of(self, key: Key, kind: str) -> Mapping[str, CacheEntry]:
        """By name."""
        return self._by_key.get(key, {}).get(kind, {})

    def _add(self, place: Place, entry: CacheEntry) -> None:
        self._entries[place[:2]][place.name] = entry
        self._by_key.setdefault(entry.key, {}).setdefault(place.kind, {})[place.name] = entry
        if entry.began:
            self.trainings.add_begun(place.namespace, entry.uid, entry.began)
        self._update_fleet(entry.key)

    def _remove(self, place: Place) -> set[Key]:
        """The entry is removed; its key, if there was one."""
        entry = self._entries[place[:2]].pop(place.name, None)
        if entry is None:
            return set()
        kinds = self._by_key[entry.key]
        del kinds[place.kind][place.name]
        if not kinds[place.kind]:
            del kinds[place.kind]
        if not kinds:
            del self._by_key[entry.key]
        self._unresolved.pop(place, None)
        self._update_fleet(entry.key)
        return {entry.key}

    def _tombstone(self, uid: Uid, version: int) -> None:
        """A late state of the object up to this version, such as the response to an earlier write, is ignored."""
        self._tombstones[uid] = max(version, self._tombstones.pop(uid, 0))
        if len(self._tombstones) > TOMBSTONES:
            self._tombstones.popitem(last=False)

    def _update_fleet(self, key: Key) -> None:
        """The sets of training and of queued ModelDeployments are right for this key."""
        deployment = self._by_key.get(key, {}).get("ModelDeployment", {}).get(key.name)
        phases = {entry.fleet_state for entry in self._of(key, "ModelVersion").values()}
        blocked = any(entry.fleet_state == BLOCKED for kind in ("Job", "Pod") for entry in self._of(key, kind).values())
        # Versions that outlive their ModelDeployment hold no place.
        trains = deployment is not None and "Training" in phases
        self.trainings.update(key, trains, blocked, deployment.fleet_state if deployment else "")
