"""The life of an object: made, changed, deleted."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.cluster.calls import Calls, Folder, config_map, widget


@pytest.fixture
def maps(folder: Folder) -> str:
    return folder.path("configmaps")


@pytest.fixture
def widgets(folder: Folder) -> str:
    return folder.path("widgets")


def test_a_new_object_gets_what_only_the_server_may_give(api: Calls, widgets: str) -> None:
    made = api.post(widgets, widget(uid="mine", generation=7, creationTimestamp="2001-01-01T00:00:00Z")).ok["metadata"]
    assert made["uid"] != "mine" and made["generation"] == 1 and int(made["resourceVersion"]) > 0
    assert (
        re.fullmatch(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ", made["creationTimestamp"])
        and made["creationTimestamp"] > "2020"
    )


def test_a_name_may_be_generated(api: Calls, maps: str) -> None:
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"generateName": "note-"}}
    names = {api.post(maps, body).ok["metadata"]["name"] for _ in range(3)}
    assert len(names) == 3 and all(re.fullmatch("note-[a-z0-9]{5}", name) for name in names)


@pytest.mark.parametrize(
    ("metadata", "code", "message"),
    [
        ({}, 422, "name or generateName is required"),
        (
            {"name": "Upper"},
            422,
            'metadata.name: Invalid value: "Upper": a lowercase RFC 1123 subdomain must consist of',
        ),
        ({"name": "x" * 254}, 422, "must be no more than 253 characters"),
        (
            {"name": "x", "namespace": "elsewhere"},
            400,
            "the namespace of the provided object does not match the namespace",
        ),
        ({"name": "x", "labels": {"a": "v" * 64}}, 422, "metadata.labels: Invalid value: "),
        ({"name": "x", "labels": {"a b": ""}}, 422, 'metadata.labels: Invalid value: "a b": name part must consist of'),
        ({"name": "x", "annotations": {"a/b/c": ""}}, 422, "metadata.annotations: Invalid value: "),
        ({"name": "x", "labels": {"a": 1}}, 400, "cannot be handled as a Widget"),
        ({"name": "x", "ownerReferences": [{"name": "o", "kind": "K", "apiVersion": "v1", "uid": ""}]}, 422, "uid"),
        ({"name": "x", "resourceVersion": "1"}, 500, "resourceVersion should not be set on objects to be created"),
    ],
)
def test_bad_metadata_are_refused(api: Calls, widgets: str, metadata: dict[str, Any], code: int, message: str) -> None:
    body = {"apiVersion": "test.dev/v1", "kind": "Widget", "metadata": metadata, "spec": {}}
    answer = api.post(widgets, body)
    assert answer.code == code and message in answer.message


def test_a_second_object_of_the_same_name_is_refused(api: Calls, maps: str) -> None:
    api.post(maps, config_map("a"))
    answer = api.post(maps, config_map("a"))
    assert (answer.code, answer.body["reason"]) == (409, "AlreadyExists")
    assert answer.message == 'configmaps "a" already exists'


def test_what_is_not_there_is_not_found(api: Calls, maps: str) -> None:
    for answer in (api.get(f"{maps}/a"), api.merge(f"{maps}/a", {}), api.delete(f"{maps}/a")):
        assert (answer.code, answer.body["reason"]) == (404, "NotFound")
        assert answer.message == 'configmaps "a" not found'


def test_a_namespace_has_to_be_there_first(api: Calls) -> None:
    answer = api.post("/api/v1/namespaces/nowhere/configmaps", config_map("a"))
    assert (answer.code, answer.message) == (404, 'namespaces "nowhere" not found')


@pytest.mark.parametrize("path", ["/apis/test.dev/v1/gadgets", "/apis/nothing.dev/v1/widgets", "/api/v2/pods"])
def test_a_kind_that_is_not_served_is_not_found(api: Calls, path: str) -> None:
    assert api.get(path).code == 404


def test_a_body_that_is_another_kind_is_refused(api: Calls, maps: str) -> None:
    assert api.post(maps, {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "a"}}).code == 400


@pytest.mark.parametrize("body", ["text", [1], None])
def test_a_body_that_is_no_object_is_refused(api: Calls, maps: str, body: Any) -> None:
    assert api.post(maps, body).code == 400


def test_the_generation_counts_changes_of_the_spec_only(api: Calls, widgets: str) -> None:
    api.post(widgets, widget())
    assert api.merge(f"{widgets}/a", {"metadata": {"labels": {"x": "y"}}}).ok["metadata"]["generation"] == 1
    assert api.merge(f"{widgets}/a", {"spec": {"replicas": 2}}).ok["metadata"]["generation"] == 2
    assert api.merge(f"{widgets}/a/status", {"status": {"phase": "Up"}}).ok["metadata"]["generation"] == 2


def test_a_change_gets_a_new_version_and_no_change_none(api: Calls, widgets: str) -> None:
    first = api.post(widgets, widget()).ok["metadata"]["resourceVersion"]
    second = api.merge(f"{widgets}/a", {"spec": {"replicas": 2}}).ok["metadata"]["resourceVersion"]
    third = api.merge(f"{widgets}/a", {"spec": {"replicas": 2}}).ok["metadata"]["resourceVersion"]
    assert int(second) > int(first) and third == second


def test_spec_and_status_have_paths_of_their_own(api: Calls, widgets: str) -> None:
    made = api.post(widgets, widget() | {"status": {"phase": "Dreamt"}}).ok
    assert "status" not in made
    api.merge(
        f"{widgets}/a/status", {"status": {"phase": "Up"}, "spec": {"replicas": 9}, "metadata": {"labels": {"x": "y"}}}
    )
    result = api.merge(f"{widgets}/a", {"status": {"phase": "Down"}, "spec": {"mode": "ugly"}}).ok
    assert result["status"] == {"phase": "Up"} and "labels" not in result["metadata"]
    assert result["spec"] | {"nested": {}} == {"mode": "ugly", "replicas": 1, "nested": {}}


@pytest.mark.parametrize("how", ["replace", "merge patch", "JSON patch", "apply", "status"])
def test_an_old_version_cannot_overwrite_a_new_one(api: Calls, widgets: str, how: str) -> None:
    old = api.post(widgets, widget()).ok
    path, version = f"{widgets}/a", old["metadata"]["resourceVersion"]
    api.merge(path, {"spec": {"replicas": 2}})
    stale = {"metadata": {"resourceVersion": version}}
    answer = {
        "replace": lambda: api.put(path, old),
        "merge patch": lambda: api.merge(path, stale | {"spec": {"replicas": 3}}),
        "JSON patch": lambda: api.json_patch(
            path, {"op": "replace", "path": "/metadata/resourceVersion", "value": version}
        ),
        "apply": lambda: api.apply(path, widget(resourceVersion=version)),
        "status": lambda: api.merge(f"{path}/status", stale | {"status": {"phase": "Up"}}),
    }[how]()
    assert (answer.code, answer.body["reason"]) == (409, "Conflict")
    assert (
        "the object has been modified; please apply your changes to the latest version and try again" in answer.message
    )


def test_a_replacement_without_a_version_wins(api: Calls, maps: str) -> None:
    api.post(maps, config_map("a", {"x": "1"}))
    assert api.put(f"{maps}/a", config_map("a", {"y": "2"})).ok["data"] == {"y": "2"}


def test_a_custom_object_is_not_replaced_without_a_version(api: Calls, widgets: str) -> None:
    api.post(widgets, widget())
    answer = api.put(f"{widgets}/a", widget())
    assert answer.code == 422 and "metadata.resourceVersion: Invalid value: 0: must be specified" in answer.message


def test_a_replacement_must_name_the_object_of_its_address(api: Calls, maps: str) -> None:
    api.post(maps, config_map("a"))
    answer = api.put(f"{maps}/a", config_map("b"))
    assert (answer.code, answer.message) == (400, "the name of the object (b) does not match the name on the URL (a)")


def test_a_dry_run_answers_but_changes_nothing(api: Calls, maps: str) -> None:
    assert api.post(maps, config_map("a"), dryRun="All").code == 201
    assert api.get(f"{maps}/a").code == 404
    api.post(maps, config_map("a", {"x": "1"}))
    assert api.merge(f"{maps}/a", {"data": {"x": "2"}}, dryRun="All").ok["data"] == {"x": "2"}
    assert api.delete(f"{maps}/a", dryRun="All").code == 200
    assert api.get(f"{maps}/a").ok["data"] == {"x": "1"}


def test_a_deleted_object_is_gone_at_once(api: Calls, widgets: str) -> None:
    made = api.post(widgets, widget()).ok
    answer = api.delete(f"{widgets}/a").ok
    assert (answer["kind"], answer["status"]) == ("Status", "Success")
    assert answer["details"] == {"name": "a", "group": "test.dev", "kind": "widgets", "uid": made["metadata"]["uid"]}
    assert api.get(f"{widgets}/a").code == 404


def test_deleted_object_stays_until_its_finalizer_is_removed(api: Calls, widgets: str) -> None:
    api.post(widgets, widget(finalizers=["test.dev/hold"]))
    current = api.delete(f"{widgets}/a").ok
    assert (
        current["kind"] == "Widget"
        and current["metadata"]["deletionTimestamp"]
        and current["metadata"]["generation"] == 2
    )
    again = api.delete(f"{widgets}/a").ok
    assert again["metadata"]["resourceVersion"] == current["metadata"]["resourceVersion"]
    refused = api.merge(f"{widgets}/a", {"metadata": {"finalizers": ["test.dev/hold", "test.dev/more"]}})
    assert refused.code == 422 and "no new finalizers can be added if the object is being deleted" in refused.message
    api.merge(f"{widgets}/a", {"metadata": {"finalizers": None}})
    assert api.get(f"{widgets}/a").code == 404


@pytest.mark.parametrize("precondition", ["uid", "resourceVersion"])
def test_a_deletion_may_insist_on_the_object_that_it_means(api: Calls, widgets: str, precondition: str) -> None:
    made = api.post(widgets, widget()).ok
    wrong = api.delete(f"{widgets}/a", {"preconditions": {precondition: "1"}})
    assert (wrong.code, wrong.body["reason"]) == (409, "Conflict")
    assert api.delete(f"{widgets}/a", {"preconditions": {precondition: made["metadata"][precondition]}}).code == 200


def test_many_can_be_deleted_at_once_by_their_labels(api: Calls, maps: str) -> None:
    for name, team in (("a", "x"), ("b", "x"), ("c", "y")):
        api.post(maps, config_map(name, labels={"team": team}))
    assert api.delete(maps, labelSelector="team=x").code == 200
    assert [item["metadata"]["name"] for item in api.get(maps, labelSelector="team").ok["items"]] == ["c"]


def test_the_scale_of_an_object_is_its_replicas(api: Calls, widgets: str) -> None:
    api.post(widgets, widget(spec={"replicas": 2}))
    api.merge(f"{widgets}/a/status", {"status": {"replicas": 1, "selector": "app=a"}})
    scale = api.get(f"{widgets}/a/scale").ok
    assert (scale["kind"], scale["apiVersion"]) == ("Scale", "autoscaling/v1")
    assert scale["spec"] == {"replicas": 2} and scale["status"] == {"replicas": 1, "selector": "app=a"}
    scale["spec"]["replicas"] = 5
    assert api.put(f"{widgets}/a/scale", scale).ok["spec"] == {"replicas": 5}
    assert api.merge(f"{widgets}/a/scale", {"spec": {"replicas": 6}}).ok["spec"] == {"replicas": 6}
    result = api.get(f"{widgets}/a").ok
    assert result["spec"]["replicas"] == 6 and result["metadata"]["generation"] == 3


def test_a_collection_cannot_be_replaced(api: Calls, maps: str) -> None:
    assert api.call("PATCH", maps, {}, "application/merge-patch+json").code == 405
