"""What the server says of itself: its version, its groups and their kinds."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tests.cluster import builtin
from tests.cluster.errors import unknown_path
from tests.cluster.kinds import Kind, Kinds

VERBS = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"]
SUBRESOURCE_VERBS = {
    "status": ["get", "patch", "update"],
    "scale": ["get", "patch", "update"],
    "binding": ["create"],
    "finalize": ["update"],
}
REVIEWS = {
    "selfsubjectaccessreviews": "SelfSubjectAccessReview",
    "selfsubjectrulesreviews": "SelfSubjectRulesReview",
    "subjectaccessreviews": "SubjectAccessReview",
    "localsubjectaccessreviews": "LocalSubjectAccessReview",
}
REVIEW_GROUP = "authorization.k8s.io"
AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"


def version() -> dict[str, str]:
    major, minor, _ = builtin.VERSION.removeprefix("v").split(".")
    return {"major": major, "minor": minor, "gitVersion": f"{builtin.VERSION}+local", "platform": "local"}


def core_versions() -> dict[str, Any]:
    return {"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": []}


def group_list(kinds: Kinds) -> dict[str, Any]:
    groups = [group(kinds, name) for name in kinds.versions() if name]
    return {"kind": "APIGroupList", "apiVersion": "v1", "groups": [*groups, _group(REVIEW_GROUP, ["v1"])]}


def group(kinds: Kinds, name: str) -> dict[str, Any]:
    if name == REVIEW_GROUP:
        return _group(name, ["v1"])
    if name not in kinds.versions():
        raise unknown_path()
    return _group(name, list(kinds.versions()[name]))


def _group(name: str, versions: list[str]) -> dict[str, Any]:
    result = [{"groupVersion": f"{name}/{version}", "version": version} for version in versions]
    return {"kind": "APIGroup", "apiVersion": "v1", "name": name, "versions": result, "preferredVersion": result[0]}


def resource_list(kinds: Kinds, group: str, version: str) -> dict[str, Any]:
    """The kinds of one version of one group, subresources beside them."""
    if group == REVIEW_GROUP:
        resources = [_entry(plural, False, name, ["create"]) for plural, name in REVIEWS.items()]
    else:
        resources = [entry for kind in kinds.versions().get(group, {}).get(version, ()) for entry in _entries(kind)]
    if not resources:
        raise unknown_path()
    api_version = f"{group}/{version}" if group else version
    return {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": api_version, "resources": resources}


def _entry(name: str, namespaced: bool, kind: str, verbs: list[str]) -> dict[str, Any]:
    singular = "" if "/" in name else kind.lower()
    return {"name": name, "singularName": singular, "namespaced": namespaced, "kind": kind, "verbs": verbs}


def _entries(kind: Kind) -> Iterator[dict[str, Any]]:
    yield _entry(kind.plural, kind.namespaced, kind.name, VERBS) | _names(kind)
    for name in kind.subresources:
        response = _response(kind, name)
        entry = _entry(f"{kind.plural}/{name}", kind.namespaced, response["kind"], _verbs(name))
        yield entry | (response if name == "scale" else {})


def _names(kind: Kind) -> dict[str, list[str]]:
    result = {"shortNames": list(kind.short_names), "categories": list(kind.categories)}
    return {key: value for key, value in result.items() if value}


def _verbs(subresource: str) -> list[str]:
    return SUBRESOURCE_VERBS.get(subresource, ["get"])


def _response(kind: Kind, subresource: str = "") -> dict[str, str]:
    """What kind the answers are of."""
    if subresource == "scale":
        return {"group": "autoscaling", "version": "v1", "kind": "Scale"}
    return {"group": kind.group, "version": kind.version, "kind": kind.name}


def aggregated(kinds: Kinds, *, core: bool) -> dict[str, Any]:
    """Every kind in one answer (apidiscovery.k8s.io/v2): of the legacy API, or of all named groups."""
    items = [
        {
            "metadata": {"name": group} if group else {},
            "versions": [
                {"version": version, "resources": [_discovered(kind) for kind in result], "freshness": "Current"}
                for version, result in versions.items()
            ],
        }
        for group, versions in kinds.versions().items()
        if (not group) is core
    ]
    return {"kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2", "metadata": {}, "items": items}


def _discovered(kind: Kind) -> dict[str, Any]:
    below = [
        {"subresource": name, "responseKind": _response(kind, name), "verbs": _verbs(name)}
        for name in kind.subresources
    ]
    return {
        "resource": kind.plural,
        "responseKind": _response(kind),
        "scope": "Namespaced" if kind.namespaced else "Cluster",
        "singularResource": kind.name.lower(),
        "verbs": VERBS,
        "subresources": below,
        **_names(kind),
    }
