"""What the watches have shown: every object that matters, by the ModelDeployment it belongs to."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection

from perennial_operator.cluster.cache_entry import Body, Kept, Key, Place, kept, key_of, place_of, uid_of, version_of
from perennial_operator.core.drift_reports import Report

REMEMBERED = 10_000
"""How many objects that have gone are remembered: as many as may go while an answer about one is on its way."""


class Cache:
    """The newest known state of each object. An older state never takes the place of a newer one.

    Watches, lists and the answers to our own writes come in any order, so versions decide, not arrival: Kubernetes
    guarantees that those of one resource grow.
    """

    def __init__(self) -> None:
        self._objects: dict[Key, dict[str, dict[str, Kept]]] = {}
        """ModelDeployment → kind → name."""
        self._homes: dict[Place, Key] = {}
        self._gone: OrderedDict[str, int] = OrderedDict()
        self._unsure: dict[Place, int] = {}
        self._training: set[Key] = set()
        self._queued: dict[Key, str] = {}

    def shown(self, event: str | None, body: Body) -> set[Key]:
        """What an event of a watch says is known; the keys this changes something for."""
        if event != "DELETED":
            return self.put(body)
        # Only open reports are watched, so that the end of a watch's interest is not the end of the report.
        return self._left(body) if body["kind"] == "DriftReport" else self.drop(body)

    def put(self, body: Body) -> set[Key]:
        """The object is known in this state, unless a newer one was; the keys this changes something for."""
        place, key = place_of(body), key_of(body)
        old = self._at(place)
        version = version_of(body)
        if version <= self._gone.get(uid_of(body), -1) or (old is not None and version <= old.version):
            return set()
        unsure_since = self._unsure.get(place, 0)
        changed = self._remove(place)
        if key is not None:
            self._objects.setdefault(key, {}).setdefault(place.kind, {})[place.name] = kept(body)
            self._homes[place] = key
            if unsure_since > version:
                self._unsure[place] = unsure_since
            self._note(key)
            changed.add(key)
        return changed

    def drop(self, body: Body) -> set[Key]:
        """The object is not there any more; the keys this changes something for."""
        old = self._at(place_of(body))
        self._tombstone(uid_of(body), version_of(body))
        if old is None or old.uid != uid_of(body) or version_of(body) < old.version:
            return set()
        return self._remove(place_of(body))

    def gone(self, key: Key, kind: str, name: str) -> None:
        """The object is not there any more, whatever state was known."""
        place = Place(kind, key.namespace, name)
        if known := self._at(place):
            self._tombstone(known.uid, known.version)
            self._remove(place)

    def _left(self, body: Body) -> set[Key]:
        """A drift report is open no more: its outcome stands, or it has gone; the key that has to find out which.

        None where that is known already, as it is of a report whose outcome was written from here.
        """
        place, version = place_of(body), version_of(body)
        old = self._at(place)
        if old is None or old.uid != uid_of(body) or version <= old.version:
            return set()
        self._unsure[place] = version
        return {self._homes[place]}

    def unsure(self, key: Key) -> list[str]:
        """Names of drift reports that are open no more, and of which no more is known."""
        return [place.name for place in self._unsure if self._homes[place] == key]

    def prune(self, kind: str, there: Collection[Place], listed_at: str, namespace: str | None = None) -> set[Key]:
        """Of the kind (in one namespace, or all) what a list did not show and is not newer than the list is gone.

        The keys that this changes something for.
        """
        changed: set[Key] = set()
        for place in [each for each in self._homes if each.kind == kind and namespace in (None, each.namespace)]:
            known = self._at(place)
            if known and place not in there and known.version <= int(listed_at or 0):
                self._tombstone(known.uid, int(listed_at or 0))
                changed |= self._remove(place)
        return changed

    def of(self, key: Key, kind: str) -> list[Body]:
        """Objects of the kind; of drift reports only those that are open."""
        return [known.body for known in self._all(key, kind).values() if not isinstance(known.what, Report)]

    def lasting(self, key: Key, kind: str) -> list[bytes | Report]:
        """What is kept of objects of the kind, but for those of a ModelDeployment of the name that was deleted.

        Kubernetes is about to collect those.
        """
        uid = self.uid(key, "ModelDeployment", key.name)
        return [known.what for known in self._all(key, kind).values() if known.owner in (None, uid)]

    def get(self, key: Key, kind: str, name: str) -> Body | None:
        """The object; None also of a drift report whose outcome stands."""
        known = self._all(key, kind).get(name)
        return known.body if known and not isinstance(known.what, Report) else None

    def uid(self, key: Key, kind: str, name: str) -> str | None:
        known = self._at(Place(kind, key.namespace, name))
        return known.uid if known else None

    def known(self) -> list[Key]:
        return list(self._objects)

    def trainings(self, starting: Collection[Key], but: Key | None = None) -> int:
        """How many ModelDeployments train or are among these; but for one."""
        more = sum(key not in self._training for key in starting if key != but)
        return len(self._training) - (but in self._training) + more

    def queue(self) -> list[Key]:
        """Keys that wait for a place in the fleet, the longest wait first."""
        return sorted(self._queued, key=lambda key: (self._queued[key], key))

    def _at(self, place: Place) -> Kept | None:
        home = self._homes.get(place)
        return self._objects[home][place.kind][place.name] if home else None

    def _all(self, key: Key, kind: str) -> dict[str, Kept]:
        return self._objects.get(key, {}).get(kind, {})

    def _remove(self, place: Place) -> set[Key]:
        home = self._homes.pop(place, None)
        if home is None:
            return set()
        known = self._objects[home]
        del known[place.kind][place.name]
        if not known[place.kind]:
            del known[place.kind]
        if not known:
            del self._objects[home]
        self._unsure.pop(place, None)
        self._note(home)
        return {home}

    def _tombstone(self, uid: str, version: int) -> None:
        """What is said of the object later and is not newer, such as the answer to a write before, revives nothing."""
        self._gone[uid] = max(version, self._gone.pop(uid, 0))
        if len(self._gone) > REMEMBERED:
            self._gone.popitem(last=False)

    def _note(self, key: Key) -> None:
        """Keep the fleet's books: who trains, who waits."""
        deployment = self._all(key, "ModelDeployment").get(key.name)
        phases = {known.books for known in self._all(key, "ModelVersion").values()}
        # Versions that outlive their ModelDeployment are nobody's trainings.
        (self._training.add if deployment and "Training" in phases else self._training.discard)(key)
        if deployment and deployment.books:
            self._queued[key] = deployment.books
        else:
            self._queued.pop(key, None)
