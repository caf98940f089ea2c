"""The objects of one namespace, and the history that watches deliver.

Bodies are shared and never changed in place.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from kubectl_perennial.simulation import objects
from kubectl_perennial.simulation.objects import NAMESPACE, Body, owners
from perennial_operator.core.drift_reports import is_final
from tests.builders import NOON

__all__ = ["NAMESPACE", "Body", "Objects", "is_watched", "owners"]


@dataclass
class Objects(objects.Objects):
    """What an API server stores, and the events of its watches."""

    now: datetime = NOON
    past: defaultdict[str, list[tuple[str, Body]]] = field(default_factory=lambda: defaultdict(list))
    """Kind → the events of its watch, in order."""

    def note(self, before: Body | None, after: Body | None) -> None:
        if after and is_watched(after):
            self.past[after["kind"]].append(("MODIFIED", after))
        elif before and is_watched(before):
            metadata = {**before["metadata"], "resourceVersion": str(self.count)}
            self.past[before["kind"]].append(("DELETED", {**before, "metadata": metadata}))

    def orphan(self, kind: str, name: str) -> None:
        """The object is deleted with --cascade=orphan: its dependents stay, without it as their owner."""
        uid = self.bodies[kind, name]["metadata"]["uid"]
        for place, body in list(self.bodies.items()):
            if uid in owners(body):
                self.change(*place, {"ownerReferences": []})
        self.remove(kind, name)

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


def is_watched(body: Mapping[str, Any]) -> bool:
    """Whether the object is watched: of drift reports, only the open ones."""
    return body["kind"] != "DriftReport" or not is_final(body)
