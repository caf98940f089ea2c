"""The operator's client in front of a cluster in memory; each call may fail in a given way."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from perennial_operator.cluster.client import Kube
from perennial_operator.cluster.errors import ConflictError, KubeError, RefusedError, UnavailableError
from perennial_operator.cluster.stored_fields import ANY, Path
from perennial_operator.crds.definitions import crd_definitions
from tests.simulation.cluster import Cluster
from tests.simulation.objects import Body


class DiedError(BaseException):
    """The operator was killed here."""


FATES: Mapping[str, tuple[bool, Callable[[], BaseException]]] = {
    "down": (False, lambda: UnavailableError("Unavailable", "the API server did not answer")),
    "conflict": (False, lambda: ConflictError("Conflict", "the object has been modified")),
    "refused": (False, lambda: RefusedError("Forbidden", "exceeded quota")),
    "unanswered": (True, lambda: UnavailableError("Unavailable", "the API server did not answer")),
    "dies before": (False, DiedError),
    "dies after": (True, DiedError),
}
"""Name → whether the call takes effect, and the error that the caller gets."""


definitions = cache(crd_definitions)


def without_declaration(schema: Mapping[str, Any], path: Path) -> Body:
    """The schema without the field at the path."""
    if "items" in schema:
        return {**schema, "items": without_declaration(schema["items"], path)}
    if path[0] == ANY:
        return {**schema, "additionalProperties": without_declaration(schema["additionalProperties"], path[1:])}
    properties = dict(schema["properties"])
    below = properties.pop(path[0])
    if path[1:]:
        properties[path[0]] = without_declaration(below, path[1:])
    return {**schema, "properties": properties}


@dataclass
class Client(Kube):
    """The calls that the operator makes."""

    cluster: Cluster = field(default_factory=Cluster)
    fates: list[str] = field(default_factory=list)
    """The fates of the next calls; later calls succeed."""
    hidden_schemas: bool = False
    quota: set[str] = field(default_factory=set)
    """Kinds of which no object is created."""
    calls: Counter[str] = field(default_factory=Counter)
    """Verb → how often it was called; "fault" → how many calls failed."""
    faults: Counter[str] = field(default_factory=Counter)
    """Fate → how many calls had it."""

    async def get(self, kind: str, namespace: str, name: str) -> Body | None:
        return self._fated("get", lambda: self.cluster.bodies.get((kind, name)))

    async def list(self, kind: str, namespace: str | None = None, selector: str = "") -> tuple[list[Body], str]:
        return self._fated("list", lambda: self.cluster.listed(kind, selector))

    async def schemas(self) -> Body:
        """The installed definitions; none can be read if `hidden_schemas` is set."""
        kinds = {} if self.hidden_schemas else definitions()
        schemas = {}
        for definition in kinds.values():
            names = definition["spec"]["names"]
            schema = definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
            for path in self.cluster.dropped.get(names["kind"], ()):
                schema = without_declaration(schema, path)
            of = {"group": definition["spec"]["group"], "version": "v1alpha1", "kind": names["kind"]}
            schemas[names["kind"]] = {**schema, "x-kubernetes-group-version-kind": [of]}
        return {"components": {"schemas": schemas}}

    async def create(self, manifest: Mapping[str, Any]) -> Body:
        if manifest["kind"] == "Event":
            return dict(manifest)
        self._within_quota(manifest)
        return self._fated("write", lambda: self.cluster.create(manifest))

    async def apply(self, manifest: Mapping[str, Any]) -> Body:
        if (manifest["kind"], manifest["metadata"]["name"]) not in self.cluster.bodies:
            self._within_quota(manifest)
        return self._fated("write", lambda: self.cluster.apply(manifest))

    async def delete(self, kind: str, namespace: str, name: str, uid: str | None = None) -> Body | None:
        return self._fated("write", lambda: self.cluster.delete(kind, name, uid))

    async def set_status(
        self, kind: str, namespace: str, name: str, status: Mapping[str, Any], resource_version: str | None = None
    ) -> Body:
        return self._fated("write", lambda: self.cluster.set_status(kind, name, status, resource_version))

    async def patch(
        self, kind: str, namespace: str, name: str, operations: Sequence[Mapping[str, Any]], resource_version: str
    ) -> Body:
        return self._fated("write", lambda: self.cluster.patch(kind, name, operations, resource_version))

    async def merge(self, kind: str, namespace: str, name: str, patch: Mapping[str, Any]) -> Body:
        raise AssertionError(f"the operator merges nothing into a {kind}")

    def _within_quota(self, manifest: Mapping[str, Any]) -> None:
        if manifest["kind"] in self.quota:
            self.calls["refused by quota"] += 1
            raise RefusedError("Forbidden", "exceeded quota")

    def _fated(self, verb: str, call: Callable[[], Any]) -> Any:
        self.calls[verb] += 1
        fate = self.fates.pop(0) if self.fates else ""
        if not fate:
            return call()
        self.calls["fault"] += 1
        self.faults[fate] += 1
        takes_effect, error = FATES[fate]
        if takes_effect:
            with suppress(KubeError):  # the caller gets no response
                call()
        raise error()
