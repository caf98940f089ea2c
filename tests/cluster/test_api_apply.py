"""Server-side apply: who owns which field, who may change it, what goes with its last owner."""

from __future__ import annotations

from typing import Any

import pytest

from tests.cluster.objects import Obj
from tests.cluster.space import Calls, Space, deployment, widget

MODE: Obj = {"f:spec": {"f:mode": {}}}


@pytest.fixture
def path(folder: Space) -> str:
    return folder.path("widgets", "a")


def owned(item: Obj) -> dict[tuple[str, str], Obj]:
    """(manager, operation) → fields."""
    entries = item["metadata"].get("managedFields", [])
    return {(entry["manager"], entry["operation"]): entry["fieldsV1"] for entry in entries}


def test_an_apply_creates_updates_and_repeats(api: Calls, path: str) -> None:
    assert api.apply(path, widget(spec={"replicas": 2})).code == 201
    again = api.apply(path, widget(spec={"replicas": 3, "steps": [{"name": "a"}]}))
    assert again.code == 200 and again.ok["spec"]["replicas"] == 3 and again.ok["metadata"]["generation"] == 2
    assert api.apply(path, widget(spec={"replicas": 3, "steps": [{"name": "a"}]})).ok == again.ok


def test_an_apply_owns_its_fields_and_not_the_defaults(api: Calls, path: str) -> None:
    anything = {"z": {"a": 1}, "l": [1]}
    steps, labels = [{"name": "a"}], {"k": "v"}
    spec = {"steps": steps, "tags": ["x"], "plain": ["p"], "anything": anything, "labels": labels}
    fields = {
        "f:anything": {"f:l": {}, "f:z": {".": {}, "f:a": {}}},
        "f:labels": {"f:k": {}},
        "f:plain": {},
        "f:steps": {'k:{"name":"a"}': {".": {}, "f:name": {}}},
        "f:tags": {'v:"x"': {}},
    }
    assert owned(api.apply(path, widget(spec=spec)).ok) == {("tester", "Apply"): {"f:spec": fields}}


def test_an_update_owns_its_fields_with_the_defaults(api: Calls, widgets: str) -> None:
    item = api.post(widgets, widget(spec={"steps": [{"name": "a"}]})).ok
    steps: Obj = {".": {}, 'k:{"name":"a"}': {".": {}, "f:name": {}, "f:weight": {}}}
    fields = {".": {}, "f:mode": {}, "f:replicas": {}, "f:nested": {".": {}, "f:a": {}}, "f:steps": steps}
    assert owned(item) == {("tester", "Update"): {"f:spec": fields}}


def test_a_conflict_names_the_manager_and_the_field(api: Calls, path: str) -> None:
    api.apply(path, widget(spec={"mode": "good", "steps": [{"name": "b", "weight": 3}]}), "first")
    one = api.apply(path, widget(spec={"mode": "ugly"}), "second")
    assert (one.code, one.body["reason"]) == (409, "Conflict")
    assert one.message == 'Apply failed with 1 conflict: conflict with "first": .spec.mode'
    cause = {"reason": "FieldManagerConflict", "message": 'conflict with "first"', "field": ".spec.mode"}
    assert one.body["details"]["causes"] == [cause]
    two = api.apply(path, widget(spec={"mode": "ugly", "steps": [{"name": "b", "weight": 4}]}), "second")
    fields = [cause["field"] for cause in two.body["details"]["causes"]]
    assert fields == [".spec.mode", '.spec.steps[name="b"].weight'] and "with 2 conflicts" in two.message


def test_an_update_takes_the_ownership(api: Calls, path: str) -> None:
    api.apply(path, widget(spec={"replicas": 1}), "first")
    changed = api.merge(path, {"spec": {"replicas": 3}}).ok
    assert owned(changed) == {("tester", "Update"): {"f:spec": {"f:replicas": {}}}}
    refused = api.apply(path, widget(spec={"replicas": 1}), "first")
    assert refused.message == 'Apply failed with 1 conflict: conflict with "tester" using test.dev/v1: .spec.replicas'


def test_managers_of_the_same_value_share_the_field(api: Calls, path: str) -> None:
    api.apply(path, widget(spec={"mode": "ugly"}), "first")
    shared = api.apply(path, widget(spec={"mode": "ugly"}), "second").ok
    assert owned(shared) == {("first", "Apply"): MODE, ("second", "Apply"): MODE}
    assert api.apply(path, widget(), "first").ok["spec"]["mode"] == "ugly"
    assert api.apply(path, widget(), "second").ok["spec"]["mode"] == "good"


def test_force_takes_the_field_over(api: Calls, path: str) -> None:
    api.apply(path, widget(spec={"mode": "good", "tags": ["x"]}), "first")
    taken = api.apply(path, widget(spec={"mode": "ugly", "tags": ["z"]}), "second", force="true").ok
    assert taken["spec"]["mode"] == "ugly" and taken["spec"]["tags"] == ["x", "z"]
    assert owned(taken)["first", "Apply"] == {"f:spec": {"f:tags": {'v:"x"': {}}}}
    assert owned(taken)["second", "Apply"] == {"f:spec": {"f:mode": {}, "f:tags": {'v:"z"': {}}}}


A, B = {"name": "a", "weight": 1}, {"name": "b", "weight": 2}


@pytest.mark.parametrize(
    ("before", "other", "after", "expected"),
    [
        ({"labels": {"k": "v"}}, {}, {"labels": {"l": "w"}}, {"labels": {"l": "w"}}),
        ({"nested": {"b": "B"}, "plain": ["p"]}, {}, {}, {}),
        ({"labels": {"k": "v"}, "tags": ["x"], "anything": {"a": 1}}, {}, {"anything": {}}, {"anything": {}}),
        ({"steps": [A, B]}, {"steps": [{"name": "b"}]}, {}, {"steps": [{"name": "b", "weight": 10}]}),
        ({"steps": [A, {"name": "b"}]}, {}, {"steps": [{"name": "b"}]}, {"steps": [{"name": "b", "weight": 10}]}),
    ],
)
def test_a_field_goes_with_its_last_owner(
    api: Calls, path: str, before: Obj, other: Obj, after: Obj, expected: Obj
) -> None:
    api.apply(path, widget(spec=before), "first")
    api.apply(path, widget(spec=other), "second")
    defaults = {"mode": "good", "replicas": 1, "nested": {"a": "A"}}
    assert api.apply(path, widget(spec=after), "first").ok["spec"] == defaults | expected


def test_items_merge_by_key_in_the_applied_order(api: Calls, path: str) -> None:
    api.apply(path, widget(spec={"steps": [{"name": "a"}, {"name": "b", "weight": 3}]}), "first")
    spec = api.apply(path, widget(spec={"steps": [{"name": "c", "weight": 4}, {"name": "a"}]}), "second").ok["spec"]
    assert [(step["name"], step["weight"]) for step in spec["steps"]] == [("c", 4), ("a", 10), ("b", 3)]


def test_the_status_is_applied_through_its_own_path(api: Calls, path: str) -> None:
    ready = {"type": "Ready", "status": "True"}
    body = widget(labels={"x": "y"}) | {"spec": {"replicas": 9}, "status": {"phase": "Up", "conditions": [ready]}}
    assert api.apply(f"{path}/status", body).code == 404
    api.apply(path, widget(spec={"replicas": 2}))
    item = api.apply(f"{path}/status", body, "operator").ok
    assert item["spec"]["replicas"] == 2 and "labels" not in item["metadata"]
    assert item["status"] == {"phase": "Up", "conditions": [ready]}
    conditions: Obj = {'k:{"type":"Ready"}': {".": {}, "f:type": {}, "f:status": {}}}
    assert owned(item)["operator", "Apply"] == {"f:status": {"f:phase": {}, "f:conditions": conditions}}


@pytest.mark.parametrize(
    ("body", "code", "message"),
    [
        (widget(spec={"foo": 3}), 500, "(/a; test.dev/v1, Kind=Widget): .spec.foo: field not declared in schema"),
        (widget(spec={"mode": 3}), 500, "failed to create typed patch object (/a; test.dev/v1, Kind=Widget): .spec.mo"),
        (widget(spec={"steps": [{"weight": 1}]}), 500, ".spec.steps: "),
        (widget(spec={"steps": [{"name": "a"}] * 2}), 500, ".spec.steps"),
        (widget("b"), 400, "the name of the object (b) does not match the name on the URL (a)"),
        (widget(managedFields=[{}]), 400, "metadata.managedFields must be nil"),
        (widget() | {"apiVersion": "test.dev/v2"}, 400, "invalid object type: test.dev/v2, Kind=Widget"),
        (widget(spec={"replicas": -1}), 422, "should be greater than or equal to 0"),
    ],
)
def test_a_bad_configuration_is_refused(api: Calls, path: str, body: Obj, code: int, message: str) -> None:
    api.apply(path, widget())
    answer = api.apply(path, body)
    assert answer.code == code and message in answer.message


def test_an_apply_needs_a_manager(api: Calls, path: str) -> None:
    answer = api.call("PATCH", path, widget(), "application/apply-patch+yaml")
    assert answer.code == 422 and "fieldManager: Required value: is required for apply patch" in answer.message


def test_built_in_lists_merge_by_their_keys(api: Calls, folder: Space) -> None:
    def body(*containers: Any) -> Obj:
        return deployment(pod={"containers": containers})

    path = folder.path("deployments", "web")
    main = {"name": "main", "image": "web:1"}
    made = api.apply(path, body(main | {"ports": [{"containerPort": 80}], "env": [{"name": "A"}]}), "first").ok
    containers = owned(made)["first", "Apply"]["f:spec"]["f:template"]["f:spec"]["f:containers"]
    port = 'k:{"containerPort":80,"protocol":"TCP"}'
    assert containers['k:{"name":"main"}']["f:ports"] == {port: {".": {}, "f:containerPort": {}}}
    added = body(main | {"env": [{"name": "B"}]}, {"name": "side", "image": "side:1"})
    merged, side = api.apply(path, added, "second").ok["spec"]["template"]["spec"]["containers"]
    assert [one["name"] for one in merged["env"]] == ["A", "B"] and side["image"] == "side:1"
    assert len(api.apply(path, body(main), "second").ok["spec"]["template"]["spec"]["containers"]) == 1
