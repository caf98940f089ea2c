"""The objects of one namespace, and the history that watches deliver.

Bodies are shared and never changed in place.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from perennial_operator.core.api.values import as_text
from perennial_operator.core.drift_reports import is_final
from tests.builders import NOON

Body = dict[str, Any]
NAMESPACE = "default"


IDENTITY = ("creationTimestamp", "namespace", "uid", "generation")


@dataclass
class Objects:
    """What an API server stores."""

    now: datetime = NOON
    bodies: dict[tuple[str, str], Body] = field(default_factory=dict)
    past: defaultdict[str, list[tuple[str, Body]]] = field(default_factory=lambda: defaultdict(list))
    """Kind → the events of its watch, in order."""
    made: list[Body] = field(default_factory=list)
    """Every created object, in order."""
    count: int = 1
    """The newest resourceVersion."""

    def put(self, body: Mapping[str, Any], uid: str = "") -> Body:
        """The object is stored; a new one gets a new uid, or this one, and one that is replaced keeps its identity."""
        self.count += 1
        place = body["kind"], body["metadata"]["name"]
        old = self.bodies.get(place)
        identity = {key: old["metadata"][key] for key in IDENTITY} if old else {"creationTimestamp": as_text(self.now)}
        metadata = {**identity, **body["metadata"], "resourceVersion": str(self.count)}
        if old is None:
            metadata |= {"namespace": NAMESPACE, "uid": uid or f"uid-{self.count}", "generation": 1}
        stored = self.bodies[place] = {"status": {}, **body, "metadata": metadata}
        if old is None:
            self.made.append(stored)
        if is_watched(stored):
            self.past[stored["kind"]].append(("MODIFIED", stored))
        elif old:
            self._leaves_the_watch(old)
        return stored

    def remove(self, kind: str, name: str) -> None:
        """The object and its dependents are deleted."""
        body = self.bodies.pop((kind, name), None)
        if body is None:
            return
        self.count += 1
        self._leaves_the_watch(body)
        for owned in [place for place, each in self.bodies.items() if body["metadata"]["uid"] in owners(each)]:
            self.remove(*owned)

    def orphan(self, kind: str, name: str) -> None:
        """The object is deleted with --cascade=orphan: its dependents stay, without it as their owner."""
        uid = self.bodies[kind, name]["metadata"]["uid"]
        for place, body in list(self.bodies.items()):
            if uid in owners(body):
                self.change(*place, {"ownerReferences": []})
        self.remove(kind, name)

    def _leaves_the_watch(self, old: Body) -> None:
        if is_watched(old):
            metadata = {**old["metadata"], "resourceVersion": str(self.count)}
            self.past[old["kind"]].append(("DELETED", {**old, "metadata": metadata}))

    def change(self, kind: str, name: str, metadata: Mapping[str, Any] = {}, **fields: Any) -> Body:
        """The object with these fields and metadata changed."""
        body = self.bodies[kind, name]
        return self.put({**body, **fields, "metadata": {**body["metadata"], **metadata}})

    def edit(self, kind: str, name: str, spec: Mapping[str, Any]) -> Body:
        """The object with another spec, in the next generation."""
        generation = self.bodies[kind, name]["metadata"]["generation"] + 1
        return self.change(kind, name, {"generation": generation}, spec=dict(spec))

    def annotate(self, kind: str, name: str, key: str, value: str) -> Body:
        annotations = self.bodies[kind, name]["metadata"].get("annotations") or {}
        return self.change(kind, name, {"annotations": {**annotations, key: value}})

    def all(self, kind: str) -> Iterator[Body]:
        return (body for (of, _), body in self.bodies.items() if of == kind)

    def listed(self, kind: str, selector: str = "") -> tuple[list[Body], str]:
        """The objects of the kind with these labels, and the resourceVersion of the list."""
        wanted = dict(term.split("=") for term in selector.split(",") if "=" in term)
        items = [body for body in self.all(kind) if wanted.items() <= (body["metadata"].get("labels") or {}).items()]
        return items, str(self.count)

    def collect(self) -> None:
        """Dependents that were created after the deletion of their owner are deleted."""
        uids = {body["metadata"]["uid"] for body in self.bodies.values()}
        for place, body in list(self.bodies.items()):
            if (of := owners(body)) and not of & uids:
                self.remove(*place)


def owners(body: Mapping[str, Any]) -> set[str]:
    """The uids of the object's owners."""
    return {owner.get("uid", "") for owner in body["metadata"].get("ownerReferences") or []}


def is_watched(body: Mapping[str, Any]) -> bool:
    """Whether the object is watched: of drift reports, only the open ones."""
    return body["kind"] != "DriftReport" or not is_final(body)
