"""What the watches have shown: every object that matters, trimmed, by the ModelDeployment it belongs to."""

from __future__ import annotations

from collections import OrderedDict, defaultdict
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from perennial_operator.core.names import DEPLOYMENT

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


class Cache:
    """The newest known state of each object. An older state never takes the place of a newer one.

    Watches, lists and the answers to our own writes come in any order, so versions decide, not arrival: Kubernetes
    guarantees that those of one resource grow.
    """

    def __init__(self) -> None:
        self._objects: defaultdict[Key, dict[Place, Body]] = defaultdict(dict)
        self._homes: dict[Place, Key] = {}
        self._gone: OrderedDict[str, int] = OrderedDict()
        self._training: set[Key] = set()
        self._queued: dict[Key, str] = {}

    def put(self, body: Body) -> set[Key]:
        """The object is known in this state, unless a newer one was; the keys this changes something for."""
        place, key = place_of(body), key_of(body)
        old = self._at(place)
        uid, version = body["metadata"].get("uid", ""), _version(body)
        if version <= self._gone.get(uid, -1) or (old is not None and version <= _version(old)):
            return set()
        changed = self._remove(place)
        if key is not None:
            self._objects[key][place] = trimmed(body)
            self._homes[place] = key
            self._note(key)
            changed.add(key)
        return changed

    def drop(self, body: Body) -> set[Key]:
        """The object is not there any more; the keys this changes something for."""
        old = self._at(place_of(body))
        self._bury(body)
        if old is None or old["metadata"].get("uid") != body["metadata"].get("uid") or _version(body) < _version(old):
            return set()
        return self._remove(place_of(body))

    def replace(self, kind: str, items: Iterable[Body], listed_at: str, namespace: str | None = None) -> set[Key]:
        """The kind is known as it was listed (in one namespace, or all): what is missing there and not newer is gone.

        The keys that this changes something for.
        """
        changed: set[Key] = set()
        there = set()
        for body in items:
            there.add(place_of(body))
            changed |= self.put(body)
        known = [place for place in self._homes if place.kind == kind and namespace in (None, place.namespace)]
        for place in known:
            body = self._objects[self._homes[place]][place]
            if place not in there and _version(body) <= int(listed_at or 0):
                changed |= self.drop({**body, "metadata": {**body["metadata"], "resourceVersion": listed_at}})
        return changed

    def of(self, key: Key, kind: str) -> list[Body]:
        return [body for place, body in self._objects.get(key, {}).items() if place.kind == kind]

    def get(self, key: Key, kind: str, name: str) -> Body | None:
        return self._objects.get(key, {}).get(Place(kind, key.namespace, name))

    def known(self) -> list[Key]:
        return list(self._objects)

    def training(self) -> frozenset[Key]:
        """Keys of ModelDeployments with a version that trains."""
        return frozenset(self._training)

    def queue(self) -> list[Key]:
        """Keys that wait for a place in the fleet, the longest wait first."""
        return sorted(self._queued, key=lambda key: (self._queued[key], key))

    def _at(self, place: Place) -> Body | None:
        home = self._homes.get(place)
        return self._objects[home][place] if home else None

    def _remove(self, place: Place) -> set[Key]:
        home = self._homes.pop(place, None)
        if home is None:
            return set()
        del self._objects[home][place]
        self._note(home)
        return {home}

    def _bury(self, body: Body) -> None:
        """What is said of the object later and is not newer, such as the answer to a write before, revives nothing."""
        uid = body["metadata"].get("uid", "")
        self._gone[uid] = max(_version(body), self._gone.pop(uid, 0))
        if len(self._gone) > REMEMBERED:
            self._gone.popitem(last=False)

    def _note(self, key: Key) -> None:
        """Keep the fleet's books: who trains, who waits."""
        objects = self._objects[key]
        if not objects:
            del self._objects[key]
        deployment = objects.get(Place("ModelDeployment", *key))
        phases = [
            part(body, "status").get("phase") or "Training"
            for place, body in objects.items()
            if place.kind == "ModelVersion"
        ]
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


def trimmed(body: Body) -> Body:
    """The object without what no decision needs."""
    metadata = {k: v for k, v in body["metadata"].items() if k != "managedFields"}
    if LAST_APPLIED in (metadata.get("annotations") or {}):
        metadata["annotations"] = {k: v for k, v in metadata["annotations"].items() if k != LAST_APPLIED}
    kept = {**body, "metadata": metadata}
    if body["kind"] == "Pod":
        kept.pop("spec", None)
    return kept


def part(body: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """A part of an object; an empty one where it is none, as may be where no schema has been asked."""
    found = body.get(name)
    return found if isinstance(found, Mapping) else {}


def _version(body: Body) -> int:
    text = body["metadata"].get("resourceVersion", "")
    return int(text) if text.isdigit() else 0
