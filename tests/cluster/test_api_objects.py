"""The life of an object: made, changed, patched, deleted."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.cluster.space import Calls, config_map, widget

BAD_BODIES: dict[str, tuple[Any, int, str]] = {
    "without a name": ({"metadata": {}}, 422, "name or generateName is required"),
    "a capital": ({"metadata": {"name": "Upper"}}, 422, 'metadata.name: Invalid value: "Upper": a lowercase RFC 1123'),
    "a long name": ({"metadata": {"name": "x" * 254}}, 422, "must be no more than 253 characters"),
    "elsewhere": ({"metadata": {"name": "x", "namespace": "y"}}, 400, "does not match the namespace"),
    "a long label": ({"metadata": {"name": "x", "labels": {"a": "v" * 64}}}, 422, "metadata.labels: Invalid value: "),
    "a bad label": ({"metadata": {"name": "x", "labels": {"a b": ""}}}, 422, '"a b": name part must consist of'),
    "a bad annotation": ({"metadata": {"name": "x", "annotations": {"a/b/c": ""}}}, 422, "metadata.annotations: "),
    "a wrong type": ({"metadata": {"name": "x", "labels": {"a": 1}}}, 400, "cannot be handled as a Widget"),
    "with a version": ({"metadata": {"name": "x", "resourceVersion": "1"}}, 500, "should not be set on objects to be"),
    "another kind": ({"kind": "Secret"}, 400, "do not match the expected"),
    "no object": ([1], 400, ""),
    "nothing": (None, 400, ""),
}


def test_server_side_fields_are_the_servers(api: Calls, widgets: str) -> None:
    made = api.post(widgets, widget(uid="mine", generation=7, creationTimestamp="2001-01-01T00:00:00Z")).ok["metadata"]
    assert made["uid"] != "mine" and made["generation"] == 1 and int(made["resourceVersion"]) > 0
    assert re.fullmatch(r"20[2-9]\d-\d\d-\d\dT\d\d:\d\d:\d\dZ", made["creationTimestamp"])


def test_a_name_is_generated_where_it_is_wanted(api: Calls, maps: str) -> None:
    names = {api.post(maps, {"metadata": {"generateName": "note-"}}).ok["metadata"]["name"] for _ in range(3)}
    assert len(names) == 3 and all(re.fullmatch("note-[a-z0-9]{5}", name) for name in names)


@pytest.mark.parametrize(("change", "code", "message"), BAD_BODIES.values(), ids=BAD_BODIES)
def test_a_bad_body_is_refused(api: Calls, widgets: str, change: Any, code: int, message: str) -> None:
    answer = api.post(widgets, widget() | change if isinstance(change, dict) else change)
    assert answer.code == code and message in answer.message


def test_a_second_object_of_a_name_is_a_conflict(api: Calls, maps: str) -> None:
    api.post(maps, config_map("a"))
    answer = api.post(maps, config_map("a"))
    assert (answer.code, answer.body["reason"]) == (409, "AlreadyExists")
    assert answer.message == 'configmaps "a" already exists'


def test_a_missing_object_is_not_found(api: Calls, maps: str) -> None:
    for answer in (api.get(f"{maps}/a"), api.merge(f"{maps}/a", {}), api.delete(f"{maps}/a")):
        assert (answer.code, answer.body["reason"], answer.message) == (404, "NotFound", 'configmaps "a" not found')
    answer = api.post("/api/v1/namespaces/nowhere/configmaps", config_map("a"))
    assert (answer.code, answer.message) == (404, 'namespaces "nowhere" not found')


@pytest.mark.parametrize("path", ["/apis/test.dev/v1/gadgets", "/apis/nothing.dev/v1/widgets", "/api/v2/pods"])
def test_an_unknown_kind_is_not_found(api: Calls, path: str) -> None:
    assert api.get(path).code == 404


def test_the_generation_counts_changes_of_the_spec(api: Calls, widgets: str) -> None:
    first = api.post(widgets, widget()).ok["metadata"]
    assert api.merge(f"{widgets}/a", {"metadata": {"labels": {"x": "y"}}}).ok["metadata"]["generation"] == 1
    second = api.merge(f"{widgets}/a", {"spec": {"replicas": 2}}).ok["metadata"]
    assert second["generation"] == 2 and int(second["resourceVersion"]) > int(first["resourceVersion"])
    assert api.merge(f"{widgets}/a", {"spec": {"replicas": 2}}).ok["metadata"] == second
    assert api.merge(f"{widgets}/a/status", {"status": {"phase": "Up"}}).ok["metadata"]["generation"] == 2


def test_spec_and_status_have_paths_of_their_own(api: Calls, widgets: str) -> None:
    assert "status" not in api.post(widgets, widget() | {"status": {"phase": "Dreamt"}}).ok
    change = {"status": {"phase": "Up"}, "spec": {"replicas": 9}, "metadata": {"labels": {"x": "y"}}}
    api.merge(f"{widgets}/a/status", change)
    result = api.merge(f"{widgets}/a", {"status": {"phase": "Down"}, "spec": {"mode": "ugly"}}).ok
    assert result["status"] == {"phase": "Up"} and "labels" not in result["metadata"]
    assert result["spec"] == {"mode": "ugly", "replicas": 1, "nested": {"a": "A"}}


@pytest.mark.parametrize("how", ["replace", "merge patch", "JSON patch", "apply", "status"])
def test_an_old_version_cannot_overwrite_a_new_one(api: Calls, widgets: str, how: str) -> None:
    old = api.post(widgets, widget()).ok
    path, version = f"{widgets}/a", old["metadata"]["resourceVersion"]
    api.merge(path, {"spec": {"replicas": 2}})
    stale = {"metadata": {"resourceVersion": version}}
    operation = {"op": "replace", "path": "/metadata/resourceVersion", "value": version}
    answer = {
        "replace": lambda: api.put(path, old),
        "merge patch": lambda: api.merge(path, stale | {"spec": {"replicas": 3}}),
        "JSON patch": lambda: api.json_patch(path, operation),
        "apply": lambda: api.apply(path, widget(resourceVersion=version)),
        "status": lambda: api.merge(f"{path}/status", stale | {"status": {"phase": "Up"}}),
    }[how]()
    assert (answer.code, answer.body["reason"]) == (409, "Conflict")
    assert "the object has been modified; please apply your changes to the latest version" in answer.message


def test_only_custom_objects_need_a_version_to_be_replaced(api: Calls, maps: str, widgets: str) -> None:
    api.post(maps, config_map("a", {"x": "1"}))
    assert api.put(f"{maps}/a", config_map("a", {"y": "2"})).ok["data"] == {"y": "2"}
    assert api.put(f"{maps}/a", config_map("b")).code == 400
    api.post(widgets, widget())
    answer = api.put(f"{widgets}/a", widget())
    assert answer.code == 422 and "metadata.resourceVersion: Invalid value: 0: must be specified" in answer.message


def test_a_dry_run_changes_nothing(api: Calls, maps: str) -> None:
    assert api.post(maps, config_map("a"), dryRun="All").code == 201
    assert api.get(f"{maps}/a").code == 404
    api.post(maps, config_map("a", {"x": "1"}))
    assert api.merge(f"{maps}/a", {"data": {"x": "2"}}, dryRun="All").ok["data"] == {"x": "2"}
    assert api.get(f"{maps}/a").ok["data"] == {"x": "1"}


def test_patches_change_one_part(api: Calls, maps: str) -> None:
    api.post(maps, config_map("a", {"a": "1", "b": "2"}))
    assert api.merge(f"{maps}/a", {"data": {"a": None, "c": "3"}}).ok["data"] == {"b": "2", "c": "3"}
    label = {"op": "add", "path": "/metadata/labels", "value": {"team/role": "x"}}
    result = api.json_patch(f"{maps}/a", label, {"op": "replace", "path": "/metadata/labels/team~1role", "value": "y"})
    assert result.ok["metadata"]["labels"] == {"team/role": "y"}


@pytest.mark.parametrize(
    ("operations", "kind", "code"),
    [
        ([{"op": "add", "path": "/data/c", "value": "3"}, {"op": "remove", "path": "/data/nope"}], "json-patch", 422),
        ({"op": "add"}, "json-patch", 400),
        ({}, "strategic-merge-patch", 415),
    ],
)
def test_a_patch_that_does_not_fit_changes_nothing(
    api: Calls, maps: str, operations: Any, kind: str, code: int
) -> None:
    made = api.post(maps, config_map("a", {"a": "1"})).ok
    assert api.call("PATCH", f"{maps}/a", operations, f"application/{kind}+json").code == code
    assert api.get(f"{maps}/a").ok == made


def test_a_deleted_object_is_gone_at_once(api: Calls, widgets: str) -> None:
    made = api.post(widgets, widget()).ok
    answer = api.delete(f"{widgets}/a").ok
    assert (answer["kind"], answer["status"]) == ("Status", "Success")
    assert answer["details"] == {"name": "a", "group": "test.dev", "kind": "widgets", "uid": made["metadata"]["uid"]}
    assert api.get(f"{widgets}/a").code == 404


def test_deleted_object_stays_until_its_finalizer_is_removed(api: Calls, widgets: str) -> None:
    api.post(widgets, widget(finalizers=["test.dev/hold"]))
    waiting = api.delete(f"{widgets}/a").ok
    assert waiting["metadata"]["deletionTimestamp"] and waiting["metadata"]["generation"] == 2
    assert api.delete(f"{widgets}/a").ok == waiting
    refused = api.merge(f"{widgets}/a", {"metadata": {"finalizers": ["test.dev/hold", "test.dev/more"]}})
    assert refused.code == 422 and "no new finalizers can be added if the object is being deleted" in refused.message
    api.merge(f"{widgets}/a", {"metadata": {"finalizers": None}})
    assert api.get(f"{widgets}/a").code == 404


def test_a_deletion_checks_the_uid(api: Calls, widgets: str) -> None:
    uid = api.post(widgets, widget()).ok["metadata"]["uid"]
    wrong = api.delete(f"{widgets}/a", {"preconditions": {"uid": "1"}})
    assert (wrong.code, wrong.body["reason"]) == (409, "Conflict")
    assert api.delete(f"{widgets}/a", {"preconditions": {"uid": uid}}).code == 200


def test_the_scale_of_an_object_is_its_replicas(api: Calls, widgets: str) -> None:
    api.post(widgets, widget(spec={"replicas": 2}))
    api.merge(f"{widgets}/a/status", {"status": {"replicas": 1, "selector": "app=a"}})
    scale = api.get(f"{widgets}/a/scale").ok
    assert scale["spec"] == {"replicas": 2} and scale["status"] == {"replicas": 1, "selector": "app=a"}
    assert api.merge(f"{widgets}/a/scale", {"spec": {"replicas": 6}}).ok["spec"] == {"replicas": 6}
    result = api.get(f"{widgets}/a").ok
    assert result["spec"]["replicas"] == 6 and result["metadata"]["generation"] == 2
