"""What the server reports of itself: its version, its groups and their kinds."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tests.cluster import builtin
from tests.cluster.errors import unknown_path
from tests.cluster.kinds import Kind, Kinds

VERBS = ["create", "delete", "get", "list", "patch", "update", "watch"]
SUBRESOURCE_VERBS = {
    "status": ["get", "patch", "update"],
    "scale": ["get", "patch", "update"],
    "binding": ["create"],
}


def version() -> dict[str, str]:
    major, minor, _ = builtin.VERSION.removeprefix("v").split(".")
    return {"major": major, "minor": minor, "gitVersion": f"{builtin.VERSION}+local", "platform": "local"}


def core_versions() -> dict[str, Any]:
    return {"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": []}


def group_list(kinds: Kinds) -> dict[str, Any]:
    groups = [_group(name, list(versions)) for name, versions in kinds.versions().items() if name]
    return {"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}


def _group(name: str, versions: list[str]) -> dict[str, Any]:
    result = [{"groupVersion": f"{name}/{version}", "version": version} for version in versions]
    return {"kind": "APIGroup", "apiVersion": "v1", "name": name, "versions": result, "preferredVersion": result[0]}


def resource_list(kinds: Kinds, group: str, version: str) -> dict[str, Any]:
    """The kinds of one version of one group, subresources beside them."""
    resources = [entry for kind in kinds.versions().get(group, {}).get(version, ()) for entry in _entries(kind)]
    if not resources:
        raise unknown_path()
    api_version = f"{group}/{version}" if group else version
    return {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": api_version, "resources": resources}


def _entries(kind: Kind) -> Iterator[dict[str, Any]]:
    entry = {"name": kind.plural, "singularName": kind.name.lower(), "namespaced": kind.namespaced, "kind": kind.name}
    names = {"shortNames": list(kind.short_names), "categories": list(kind.categories)}
    yield {**entry, "verbs": VERBS, **{key: value for key, value in names.items() if value}}
    for name in kind.subresources:
        below = entry | {"name": f"{kind.plural}/{name}", "singularName": "", "verbs": SUBRESOURCE_VERBS[name]}
        yield below | ({"group": "autoscaling", "version": "v1", "kind": "Scale"} if name == "scale" else {})
