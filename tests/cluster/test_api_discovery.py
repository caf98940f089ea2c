"""What the server says of itself."""

from __future__ import annotations

from typing import Any

import pytest

from tests.cluster.calls import Calls
from tests.cluster.objects import Obj

AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"


def named(items: list[Obj], name: str, key: str = "name") -> Obj:
    return next(item for item in items if item[key] == name)


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/livez"])
def test_it_is_well(api: Calls, path: str) -> None:
    assert api.get(path).body == "ok"


def test_it_says_which_version_it_is(api: Calls) -> None:
    assert api.get("/version").ok["gitVersion"].startswith("v1.36")


def test_groups_are_listed_with_their_versions(api: Calls) -> None:
    groups = api.get("/apis").ok["groups"]
    assert named(groups, "apps")["preferredVersion"] == {"groupVersion": "apps/v1", "version": "v1"}
    assert named(groups, "test.dev")["versions"] == [{"groupVersion": "test.dev/v1", "version": "v1"}]
    assert api.get("/apis/test.dev").ok["name"] == "test.dev"
    assert api.get("/apis/nothing.dev").code == 404


def test_kinds_are_listed_with_their_names_and_subresources(api: Calls) -> None:
    result = api.get("/apis/test.dev/v1").ok
    widgets = named(result["resources"], "widgets")
    assert (result["groupVersion"], widgets["kind"], widgets["namespaced"]) == ("test.dev/v1", "Widget", True)
    assert (
        widgets["shortNames"] == ["wd"] and widgets["categories"] == ["things"] and widgets["singularName"] == "widget"
    )
    assert {"create", "get", "list", "patch", "update", "watch", "delete", "deletecollection"} <= set(widgets["verbs"])
    scale = named(result["resources"], "widgets/scale")
    assert (scale["group"], scale["version"], scale["kind"]) == ("autoscaling", "v1", "Scale")
    assert "pods/binding" in {one["name"] for one in api.get("/api/v1").ok["resources"]}


@pytest.mark.parametrize(("path", "group", "resource"), [("/api", None, "pods"), ("/apis", "test.dev", "widgets")])
def test_all_kinds_are_listed_at_once(api: Calls, path: str, group: str | None, resource: str) -> None:
    result = api.call("GET", path, accept=AGGREGATED).ok
    assert (result["kind"], result["apiVersion"]) == ("APIGroupDiscoveryList", "apidiscovery.k8s.io/v2")
    (version,) = next(item for item in result["items"] if item["metadata"].get("name") == group)["versions"]
    entry = named(version["resources"], resource, "resource")
    assert entry["scope"] == "Namespaced" and "status" in {one["subresource"] for one in entry["subresources"]}


def test_openapi_describes_a_custom_kind(api: Calls) -> None:
    place = api.get("/openapi/v3").ok["paths"]["apis/test.dev/v1"]["serverRelativeURL"]
    result = api.get(place).ok
    widget = result["components"]["schemas"]["dev.test.v1.Widget"]
    assert widget["x-kubernetes-group-version-kind"] == [{"group": "test.dev", "version": "v1", "kind": "Widget"}]
    assert widget["properties"]["spec"]["properties"]["mode"]["description"] == "How it is done."
    patch = result["paths"]["/apis/test.dev/v1/namespaces/{namespace}/widgets/{name}"]["patch"]
    assert "fieldValidation" in {one.get("name") for one in patch["parameters"]}


def test_openapi_describes_the_built_in_kinds(api: Calls) -> None:
    schemas = api.get(api.get("/openapi/v3").ok["paths"]["apis/apps/v1"]["serverRelativeURL"]).ok["components"][
        "schemas"
    ]
    containers = schemas["io.k8s.api.core.v1.PodSpec"]["properties"]["containers"]
    assert containers["type"] == "array" and containers["x-kubernetes-patch-merge-key"] == "name"

    def references(node: Any) -> set[str]:
        if isinstance(node, list):
            return set().union(*map(references, node))
        if not isinstance(node, dict):
            return set()
        own = {node["$ref"]} if isinstance(node.get("$ref"), str) else set()
        return own | set().union(*map(references, node.values()))

    assert {reference.rpartition("/")[2] for reference in references(schemas)} <= schemas.keys()


def test_everything_is_allowed(api: Calls) -> None:
    review: Obj = {"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview"}
    review |= {"spec": {"resourceAttributes": {"verb": "delete", "resource": "pods"}}}
    answer = api.post("/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", review)
    assert answer.ok["status"]["allowed"] is True
