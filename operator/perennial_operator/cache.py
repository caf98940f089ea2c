"""What the watches have shown: every object that matters, trimmed, by the ModelDeployment it belongs to."""

from __future__ import annotations

from collections import OrderedDict, defaultdict
from collections.abc import Collection, Mapping
from sys import intern
from typing import Any, NamedTuple

from perennial_operator.core.names import DEPLOYMENT
from perennial_operator.core.reports import Report, is_judged, judged

OWN = ("ModelVersion", "DriftReport")
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
"""A second copy of the spec, left by kubectl apply."""
REMEMBERED = 10_000
"""How many objects that have gone are remembered: as many as may go while an answer about one is on its way."""


class Key(NamedTuple):
    """The ModelDeployment that a pass is about."""

    namespace: str
    name: str


class Place(NamedTuple):
    """Where an object is; one at a time, whatever its uid."""

    kind: str
    namespace: str
    name: str


Body = Mapping[str, Any]


class Judged(NamedTuple):
    """What is kept of a drift report whose outcome stands."""

    uid: str
    version: int
    owner: str | None
    """The uid of the ModelDeployment that it goes with, if it does."""
    report: Report


class Cache:
    """The newest known state of each object. An older state never takes the place of a newer one.

    Watches, lists and the answers to our own writes come in any order, so versions decide, not arrival: Kubernetes
    guarantees that those of one resource grow.
    """

    def __init__(self) -> None:
        self._objects: defaultdict[Key, dict[Place, Body | Judged]] = defaultdict(dict)
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
        uid, version = _uid(body), _version(body)
        if version <= self._gone.get(uid, -1) or (old is not None and version <= _version(old)):
            return set()
        unsure_since = self._unsure.get(place, 0)
        changed = self._remove(place)
        if key is not None:
            self._objects[key][place] = kept(body)
            self._homes[place] = key
            if unsure_since > version:
                self._unsure[place] = unsure_since
            self._note(key)
            changed.add(key)
        return changed

    def drop(self, body: Body) -> set[Key]:
        """The object is not there any more; the keys this changes something for."""
        old = self._at(place_of(body))
        self._bury(_uid(body), _version(body))
        if old is None or _uid(old) != _uid(body) or _version(body) < _version(old):
            return set()
        return self._remove(place_of(body))

    def gone(self, key: Key, kind: str, name: str) -> None:
        """The object is not there any more, whatever state was known."""
        place = Place(kind, key.namespace, name)
        if known := self._at(place):
            self._bury(_uid(known), _version(known))
            self._remove(place)

    def _left(self, body: Body) -> set[Key]:
        """A drift report is open no more: its outcome stands, or it has gone; the key that has to find out which.

        None where that is known already, as it is of a report whose outcome was written from here.
        """
        place, version = place_of(body), _version(body)
        old = self._at(place)
        if old is None or _uid(old) != _uid(body) or version <= _version(old):
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
            known_of = self._objects[self._homes[place]][place]
            if place not in there and _version(known_of) <= int(listed_at or 0):
                self._bury(_uid(known_of), int(listed_at or 0))
                changed |= self._remove(place)
        return changed

    def of(self, key: Key, kind: str) -> list[Body]:
        """Objects of the kind; of drift reports only those that are open."""
        there = self._objects.get(key, {})
        return [body for place, body in there.items() if place.kind == kind and not isinstance(body, Judged)]

    def judged(self, key: Key) -> list[Judged]:
        """Drift reports whose outcome stands."""
        return [each for each in self._objects.get(key, {}).values() if isinstance(each, Judged)]

    def get(self, key: Key, kind: str, name: str) -> Body | None:
        """The object; None also of a drift report whose outcome stands."""
        there = self._objects.get(key, {}).get(Place(kind, key.namespace, name))
        return None if isinstance(there, Judged) else there

    def uid(self, key: Key, kind: str, name: str) -> str | None:
        known = self._at(Place(kind, key.namespace, name))
        return _uid(known) if known else None

    def known(self) -> list[Key]:
        return list(self._objects)

    def training(self) -> frozenset[Key]:
        """Keys of ModelDeployments with a version that trains."""
        return frozenset(self._training)

    def queue(self) -> list[Key]:
        """Keys that wait for a place in the fleet, the longest wait first."""
        return sorted(self._queued, key=lambda key: (self._queued[key], key))

    def _at(self, place: Place) -> Body | Judged | None:
        home = self._homes.get(place)
        return self._objects[home][place] if home else None

    def _remove(self, place: Place) -> set[Key]:
        home = self._homes.pop(place, None)
        if home is None:
            return set()
        del self._objects[home][place]
        self._unsure.pop(place, None)
        self._note(home)
        return {home}

    def _bury(self, uid: str, version: int) -> None:
        """What is said of the object later and is not newer, such as the answer to a write before, revives nothing."""
        self._gone[uid] = max(version, self._gone.pop(uid, 0))
        if len(self._gone) > REMEMBERED:
            self._gone.popitem(last=False)

    def _note(self, key: Key) -> None:
        """Keep the fleet's books: who trains, who waits."""
        objects = self._objects[key]
        if not objects:
            del self._objects[key]
        deployment = self.get(key, "ModelDeployment", key.name)
        phases = [part(body, "status").get("phase") or "Training" for body in self.of(key, "ModelVersion")]
        # Versions that outlive their ModelDeployment are nobody's trainings.
        (self._training.add if deployment and "Training" in phases else self._training.discard)(key)
        since = part(deployment, "status").get("queuedSince") if deployment else None
        if isinstance(since, str):
            self._queued[key] = since
        else:
            self._queued.pop(key, None)


def place_of(body: Body) -> Place:
    metadata = body["metadata"]
    return Place(body["kind"], metadata.get("namespace", "default"), metadata["name"])


def key_of(body: Body) -> Key | None:
    """The ModelDeployment an object belongs to, or None if it belongs to none."""
    metadata = body["metadata"]
    if body["kind"] == "ModelDeployment":
        name = metadata["name"]
    elif body["kind"] in OWN:
        name = part(body, "spec").get("modelDeployment")
    else:
        name = part(metadata, "labels").get(DEPLOYMENT)
    return Key(metadata.get("namespace", "default"), name) if isinstance(name, str) else None


def kept(body: Body) -> Body | Judged:
    """The object without what no decision needs."""
    if body["kind"] == "DriftReport" and is_judged(body):
        owners = body["metadata"].get("ownerReferences") or []
        owner = next((intern(each["uid"]) for each in owners if each["kind"] == "ModelDeployment"), None)
        return Judged(_uid(body), _version(body), owner, judged(body))
    metadata = {k: v for k, v in body["metadata"].items() if k != "managedFields"}
    if LAST_APPLIED in (metadata.get("annotations") or {}):
        metadata["annotations"] = {k: v for k, v in metadata["annotations"].items() if k != LAST_APPLIED}
    trimmed = {**body, "metadata": metadata}
    if body["kind"] == "Pod":
        trimmed.pop("spec", None)
    return trimmed


def part(body: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """A part of an object; an empty one where it is none, as may be where no schema has been asked."""
    found = body.get(name)
    return found if isinstance(found, Mapping) else {}


def _uid(known: Body | Judged) -> str:
    return known.uid if isinstance(known, Judged) else str(known["metadata"].get("uid", ""))


def _version(known: Body | Judged) -> int:
    if isinstance(known, Judged):
        return known.version
    text = known["metadata"].get("resourceVersion", "")
    return int(text) if text.isdigit() else 0
