"""Do the installed CustomResourceDefinitions have every field that this operator writes?

An API server drops a field that its definition does not declare, and reports success. A write that contains such a
field would be repeated forever, so it is refused here, before it is sent.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from perennial_operator.cluster.client import Kube
from perennial_operator.cluster.errors import KubeError, RefusedError
from perennial_operator.cluster.stored_fields import Path, has_field, lost_fields, undeclared_fields, without_field
from perennial_operator.core.api.meta import GROUP, VERSION

OUTDATED, NOT_STORED = "OutdatedCRDs", "NotStored"
"""The reasons of a write that the definition does not allow for, and of one that was stored incompletely."""
MOST_NAMED = 3
"""Fields that one sentence names."""
FIX = "install the CRDs of this version of the operator: kubectl apply --server-side -f manifests/crds"


class InstalledCrds:
    """What is known of the installed definitions: their schemas, and responses that lacked a field."""

    def __init__(self, kube: Kube, wanted: Mapping[str, Mapping[str, Any]] | None = None) -> None:
        """`wanted`: kind → the schema of what this operator writes."""
        self._kube, self._wanted = kube, wanted or {}
        self._undeclared: dict[str, list[Path]] = {}
        self._dropped: dict[str, list[Path]] = {}
        """Fields that a response lacked, although the definition declares them or could not be read."""

    async def check(self) -> bool:
        """The installed schemas are compared with the wanted ones; whether more or less can be written since.

        A definition that cannot be read says nothing. Fields that responses lacked are tried once more.
        """
        before = self._undeclared, self._dropped
        self._dropped = {}
        try:
            document = await self._kube.schemas()
        except KubeError:
            return bool(before[1])
        compared = {
            kind: sorted(undeclared_fields(self._wanted[kind], schema))
            for kind, schema in _schemas(document).items()
            if kind in self._wanted
        }
        self._undeclared = {kind: paths for kind, paths in compared.items() if paths}
        return before != (self._undeclared, self._dropped)

    def undeclared(self) -> list[str]:
        """A sentence for each definition that lacks a field."""
        return [_outdated(kind, paths) for kind, paths in self._undeclared.items()]

    def count(self) -> int:
        """The fields that this operator writes and the API server does not store."""
        return sum(len(paths) for missing in (self._undeclared, self._dropped) for paths in missing.values())

    def storable(self, kind: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """The body without the fields that the API server would drop."""
        for path in (*self._undeclared.get(kind, ()), *self._dropped.get(kind, ())):
            body = without_field(body, path)
        return dict(body)

    def refusal(self, kind: str, body: Mapping[str, Any] | None = None) -> RefusedError | None:
        """Why the body (or one with every field) must not be sent: the API server would store it without a field."""
        for reason, sentence, missing in (
            (OUTDATED, _outdated, self._undeclared),
            (NOT_STORED, _not_stored, self._dropped),
        ):
            if lost := [path for path in missing.get(kind, ()) if body is None or has_field(body, path)]:
                return RefusedError(reason, sentence(kind, lost))
        return None

    def check_response(self, kind: str, sent: Mapping[str, Any], stored: Mapping[str, Any]) -> None:
        """RefusedError if the object was stored without a field; until the next check no such field is sent again."""
        if lost := list(dict.fromkeys(lost_fields(sent, stored))):
            known = self._dropped.setdefault(kind, [])
            known += [path for path in lost if path not in known]
            raise RefusedError(NOT_STORED, _not_stored(kind, lost))


def _schemas(document: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """Kind → its schema in an OpenAPI document."""
    ours, schemas = (GROUP, VERSION), {}
    for schema in ((document.get("components") or {}).get("schemas") or {}).values():
        for each in schema.get("x-kubernetes-group-version-kind") or []:
            if (each.get("group"), each.get("version")) == ours and "properties" in schema:
                schemas[each["kind"]] = schema
    return schemas


def _outdated(kind: str, paths: Sequence[Path]) -> str:
    name = f"{kind.lower()}s.{GROUP}"
    return f"the CustomResourceDefinition {name} lacks {_listed(paths)}, which this operator writes; {FIX}"


def _not_stored(kind: str, paths: Sequence[Path]) -> str:
    return f"the API server stored a {kind} without {_listed(paths)}; does an admission webhook remove it? Else {FIX}"


def _listed(paths: Sequence[Path]) -> str:
    more = f" and {len(paths) - MOST_NAMED} more fields" if len(paths) > MOST_NAMED else ""
    return ", ".join(".".join(path) for path in paths[:MOST_NAMED]) + more
