"""What a URL asks for: kind, namespace, name and subresource."""

from __future__ import annotations

from dataclasses import dataclass

from tests.cluster.errors import unknown_path
from tests.cluster.kinds import Kind, Kinds


@dataclass(frozen=True)
class Target:
    """What a request is about."""

    kind: Kind
    namespace: str = ""
    name: str = ""
    subresource: str = ""


def target(kinds: Kinds, path: str) -> Target:
    """The target of `/api/v1/…` or `/apis/<group>/<version>/…`; 404 if nothing is served there."""
    steps = path.strip("/").split("/")
    if steps[0] == "api" and len(steps) > 2:
        group, version, rest = "", steps[1], steps[2:]
    elif steps[0] == "apis" and len(steps) > 3:
        group, version, rest = steps[1], steps[2], steps[3:]
    else:
        raise unknown_path()
    namespace = ""
    if rest[0] == "namespaces" and len(rest) > 2 and kinds.find(group, version, rest[2]):
        namespace, rest = rest[1], rest[2:]
    kind = kinds.find(group, version, rest[0])
    if kind is None or (namespace and not kind.namespaced):
        raise unknown_path()
    name, subresource = [*rest, "", ""][1:3]
    if kind.namespaced and name and not namespace:
        raise unknown_path()
    if subresource and subresource not in kind.subresources:
        raise unknown_path()
    return Target(kind, namespace, name, subresource)
