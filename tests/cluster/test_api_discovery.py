"""What the server reports of itself, and objects as the rows that kubectl prints."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.cluster.objects import Obj
from tests.cluster.space import Calls, widget
from tests.cluster.tables import age

TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"


def named(items: list[Obj], name: str) -> Obj:
    return next(item for item in items if item["name"] == name)


def test_kinds_are_listed_with_their_subresources(api: Calls) -> None:
    assert named(api.get("/apis").ok["groups"], "test.dev")["preferredVersion"]["groupVersion"] == "test.dev/v1"
    result = api.get("/apis/test.dev/v1").ok["resources"]
    widgets, scale = named(result, "widgets"), named(result, "widgets/scale")
    assert (widgets["kind"], widgets["singularName"], widgets["namespaced"]) == ("Widget", "widget", True)
    assert (widgets["shortNames"], widgets["categories"]) == (["wd"], ["things"])
    assert {"create", "get", "list", "patch", "update", "watch", "delete"} <= set(widgets["verbs"])
    assert (scale["group"], scale["version"], scale["kind"]) == ("autoscaling", "v1", "Scale")
    assert named(api.get("/api/v1").ok["resources"], "pods/binding")["verbs"] == ["create"]


@pytest.mark.parametrize(("path", "object_path"), [("apis/apps/v1", "deployments"), ("apis/test.dev/v1", "widgets")])
def test_openapi_offers_validation_by_the_server(api: Calls, path: str, object_path: str) -> None:
    document = api.get(api.get("/openapi/v3").ok["paths"][path]["serverRelativeURL"]).ok
    patch = document["paths"][f"/{path}/namespaces/{{namespace}}/{object_path}/{{name}}"]["patch"]
    assert "fieldValidation" in {one["name"] for one in patch["parameters"]}


def test_openapi_has_the_schema_of_a_custom_kind(api: Calls) -> None:
    schemas = api.get("/openapi/v3/apis/test.dev/v1").ok["components"]["schemas"]
    (schema,) = [each for name, each in schemas.items() if name.endswith(".Widget")]
    assert schema["x-kubernetes-group-version-kind"] == [{"group": "test.dev", "version": "v1", "kind": "Widget"}]
    assert schema["properties"]["spec"]["properties"]["mode"]["type"] == "string"


@pytest.mark.parametrize(("include", "kind"), [("Object", "Widget"), ("Metadata", "PartialObjectMetadata")])
def test_a_table_has_the_columns_of_the_definition(api: Calls, widgets: str, include: str, kind: str) -> None:
    api.post(widgets, widget())
    conditions = [{"type": "Other", "status": "False"}, {"type": "Ready", "status": "True"}]
    api.merge(f"{widgets}/a/status", {"status": {"conditions": conditions}})
    result = api.call("GET", widgets, accept=TABLE, includeObject=include).ok
    shape = [(one["name"], one["type"], one["format"], one["priority"]) for one in result["columnDefinitions"]]
    assert shape == [
        ("Name", "string", "name", 0),
        ("Mode", "string", "", 0),
        ("Ready", "string", "", 0),
        ("Replicas", "integer", "", 1),
        ("Age", "date", "", 0),
    ]
    (row,) = result["rows"]
    assert row["cells"][:4] == ["a", "good", "True", 1] and row["cells"][4].endswith("s")
    assert (row["object"]["kind"], row["object"]["metadata"]["name"]) == (kind, "a")


@pytest.mark.parametrize(
    ("span", "text"),
    [
        ({"seconds": 0}, "0s"),
        ({"seconds": 119}, "119s"),
        ({"seconds": 120}, "2m"),
        ({"seconds": 125}, "2m5s"),
        ({"minutes": 179}, "179m"),
        ({"hours": 3, "minutes": 2}, "3h2m"),
        ({"hours": 47}, "47h"),
        ({"days": 3, "hours": 4}, "3d4h"),
        ({"days": 8, "hours": 4}, "8d"),
    ],
)
def test_an_age_is_as_coarse_as_kubernetes_prints_it(span: dict[str, int], text: str) -> None:
    assert age(timedelta(**span)) == text
