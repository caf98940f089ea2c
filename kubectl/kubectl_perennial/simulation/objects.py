"""The objects of one namespace in memory. Bodies are shared and never changed in place."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from perennial_operator.core.api.values import as_text

Body = dict[str, Any]
NAMESPACE = "default"
IDENTITY = ("creationTimestamp", "namespace", "uid", "generation")


@dataclass
class Objects:
    """What an API server stores."""

    now: datetime
    bodies: dict[tuple[str, str], Body] = field(default_factory=dict)
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
        self.note(old, stored)
        return stored

    def remove(self, kind: str, name: str) -> None:
        """The object and its dependents are deleted."""
        body = self.bodies.pop((kind, name), None)
        if body is None:
            return
        self.count += 1
        self.note(body, None)
        for owned in [place for place, each in self.bodies.items() if body["metadata"]["uid"] in owners(each)]:
            self.remove(*owned)

    def note(self, before: Body | None, after: Body | None) -> None:
        """Called after each write, for what watches the objects."""

    def all(self, kind: str) -> Iterator[Body]:
        return (body for (of, _), body in self.bodies.items() if of == kind)

    def with_owners(self, manifest: Mapping[str, Any]) -> Body:
        """The manifest with the uids of owners that were created in the same pass."""
        metadata = dict(manifest["metadata"])
        metadata["ownerReferences"] = [
            owner | {"uid": owner["uid"] or self.bodies[owner["kind"], owner["name"]]["metadata"]["uid"]}
            for owner in metadata.get("ownerReferences") or []
        ]
        return {**manifest, "metadata": metadata}


def owners(body: Mapping[str, Any]) -> set[str]:
    """The uids of the object's owners."""
    return {owner.get("uid", "") for owner in body["metadata"].get("ownerReferences") or []}
