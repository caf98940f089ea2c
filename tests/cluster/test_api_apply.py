"""Server-side apply: who owns which field, who may change it, what goes with its last owner."""

from __future__ import annotations

from typing import Any

import pytest

from tests.cluster.calls import Calls, Folder, deployment, widget
from tests.cluster.objects import Obj


@pytest.fixture
def path(folder: Folder) -> str:
    return folder.path("widgets", "a")


def owned(item: Obj) -> dict[tuple[str, str, str], Obj]:
    """(manager, operation, subresource) → fields."""
    return {
        (entry["manager"], entry["operation"], entry.get("subresource", "")): entry["fieldsV1"]
        for entry in item["metadata"].get("managedFields", [])
    }


def test_applying_makes_the_object_first_and_changes_it_then(api: Calls, path: str) -> None:
    assert api.apply(path, widget(spec={"replicas": 2})).code == 201
    again = api.apply(path, widget(spec={"replicas": 3}))
    assert again.code == 200 and again.ok["spec"]["replicas"] == 3 and again.ok["metadata"]["generation"] == 2


def test_applying_the_same_again_writes_nothing(api: Calls, path: str) -> None:
    first = api.apply(path, widget(spec={"steps": [{"name": "a"}]})).ok
    assert api.apply(path, widget(spec={"steps": [{"name": "a"}]})).ok == first


def test_a_manager_owns_what_it_applied_and_not_the_defaults(api: Calls, path: str) -> None:
    spec = {
        "steps": [{"name": "a"}],
        "tags": ["x"],
        "plain": ["p"],
        "anything": {"z": {"a": 1}, "l": [1]},
        "labels": {"k": "v"},
    }
    item = api.apply(path, widget(spec=spec)).ok
    assert owned(item) == {
        ("tester", "Apply", ""): {
            "f:spec": {
                "f:anything": {"f:l": {}, "f:z": {".": {}, "f:a": {}}},
                "f:labels": {"f:k": {}},
                "f:plain": {},
                "f:steps": {'k:{"name":"a"}': {".": {}, "f:name": {}}},
                "f:tags": {'v:"x"': {}},
            }
        }
    }


def test_a_plain_write_owns_all_that_it_wrote_with_the_defaults(api: Calls, folder: Folder, path: str) -> None:
    item = api.post(folder.path("widgets"), widget(spec={"steps": [{"name": "a"}]})).ok
    steps: Obj = {".": {}, 'k:{"name":"a"}': {".": {}, "f:name": {}, "f:weight": {}}}
    fields = {".": {}, "f:mode": {}, "f:replicas": {}, "f:nested": {".": {}, "f:a": {}}, "f:steps": steps}
    assert owned(item) == {("tester", "Update", ""): {"f:spec": fields}}


def test_another_managers_field_is_a_conflict_that_names_it(api: Calls, path: str) -> None:
    api.apply(path, widget(spec={"mode": "good", "steps": [{"name": "b", "weight": 3}]}), "first")
    one = api.apply(path, widget(spec={"mode": "ugly"}), "second")
    assert (one.code, one.body["reason"]) == (409, "Conflict")
    assert one.message == 'Apply failed with 1 conflict: conflict with "first": .spec.mode'
    assert one.body["details"]["causes"] == [
        {"reason": "FieldManagerConflict", "message": 'conflict with "first"', "field": ".spec.mode"}
    ]
    two = api.apply(path, widget(spec={"mode": "ugly", "steps": [{"name": "b", "weight": 4}]}), "second")
    assert two.message == (
        'Apply failed with 2 conflicts: conflicts with "first":\n- .spec.mode\n- .spec.steps[name="b"].weight'
    )


def test_a_field_changed_by_a_plain_write_is_that_writers(api: Calls, path: str) -> None:
    api.apply(path, widget(spec={"replicas": 1}), "first")
    changed = api.merge(path, {"spec": {"replicas": 3}}).ok
    assert ("first", "Apply", "") not in owned(changed)
    assert owned(changed)["tester", "Update", ""] == {"f:spec": {"f:replicas": {}}}
    refused = api.apply(path, widget(spec={"replicas": 1}), "first")
    assert refused.message == 'Apply failed with 1 conflict: conflict with "tester" using test.dev/v1: .spec.replicas'


def test_agreeing_with_the_owner_shares_the_field(api: Calls, path: str) -> None:
    api.apply(path, widget(spec={"mode": "ugly"}), "first")
    shared = api.apply(path, widget(spec={"mode": "ugly"}), "second").ok
    assert owned(shared) == {(name, "Apply", ""): {"f:spec": {"f:mode": {}}} for name in ("first", "second")}
    left = api.apply(path, widget(), "first").ok
    assert left["spec"]["mode"] == "ugly"
    assert api.apply(path, widget(), "second").ok["spec"]["mode"] == "good"


def test_force_takes_the_field_over(api: Calls, path: str) -> None:
    api.apply(path, widget(spec={"mode": "good", "tags": ["x"]}), "first")
    taken = api.apply(path, widget(spec={"mode": "ugly", "tags": ["z"]}), "second", force="true").ok
    assert taken["spec"]["mode"] == "ugly" and taken["spec"]["tags"] == ["x", "z"]
    assert owned(taken)["first", "Apply", ""] == {"f:spec": {"f:tags": {'v:"x"': {}}}}
    assert owned(taken)["second", "Apply", ""] == {"f:spec": {"f:mode": {}, "f:tags": {'v:"z"': {}}}}


def test_a_field_goes_with_the_last_manager_that_applied_it(api: Calls, path: str) -> None:
    steps = [{"name": "a", "weight": 1}, {"name": "b", "weight": 2}]
    api.apply(path, widget(spec={"steps": steps, "labels": {"k": "v"}, "nested": {"b": "B"}, "plain": ["p"]}), "first")
    api.apply(path, widget(spec={"steps": [{"name": "b"}]}), "second")
    spec = api.apply(path, widget(spec={"labels": {"l": "w"}}), "first").ok["spec"]
    assert spec["labels"] == {"l": "w"} and spec["nested"] == {"a": "A"} and "plain" not in spec
    assert spec["steps"] == [{"name": "b", "weight": 10}]


def test_a_list_item_goes_with_its_last_owner(api: Calls, path: str) -> None:
    api.apply(path, widget(spec={"steps": [{"name": "a", "weight": 1}, {"name": "b"}]}), "first")
    api.merge(path, {"spec": {"steps": [{"name": "a", "weight": 5}, {"name": "b"}]}})
    item = api.apply(path, widget(spec={"steps": [{"name": "b"}]}), "first").ok
    assert item["spec"]["steps"] == [{"name": "b", "weight": 10}]
    assert "f:steps" not in owned(item).get(("tester", "Update", ""), {}).get("f:spec", {})


def test_a_field_left_empty_goes_unless_it_was_applied_empty(api: Calls, path: str) -> None:
    api.apply(
        path, widget(spec={"labels": {"k": "v"}, "tags": ["x"], "anything": {"a": 1}}, labels={"x": "y"}), "first"
    )
    item = api.apply(path, widget(spec={"anything": {}}), "first").ok
    assert item["spec"]["anything"] == {} and not {"labels", "tags"} & item["spec"].keys()
    assert "labels" not in item["metadata"]


def test_items_merge_by_key_in_the_applied_order(api: Calls, path: str) -> None:
    api.apply(path, widget(spec={"steps": [{"name": "a"}, {"name": "b", "weight": 3}]}), "first")
    spec = api.apply(path, widget(spec={"steps": [{"name": "c", "weight": 4}, {"name": "a"}]}), "second").ok["spec"]
    assert [(step["name"], step["weight"]) for step in spec["steps"]] == [("c", 4), ("a", 10), ("b", 3)]


def test_the_status_is_applied_through_its_own_path(api: Calls, path: str) -> None:
    api.apply(path, widget(spec={"replicas": 2}))
    ready = {"type": "Ready", "status": "True"}
    body = widget(labels={"x": "y"}) | {"spec": {"replicas": 9}, "status": {"phase": "Up", "conditions": [ready]}}
    item = api.apply(f"{path}/status", body, "operator").ok
    assert item["spec"]["replicas"] == 2 and "labels" not in item["metadata"]
    assert item["status"] == {"phase": "Up", "conditions": [ready]}
    assert owned(item)["operator", "Apply", "status"] == {
        "f:status": {"f:phase": {}, "f:conditions": {'k:{"type":"Ready"}': {".": {}, "f:type": {}, "f:status": {}}}}
    }
    item = api.apply(
        f"{path}/status", widget() | {"status": {"conditions": [ready | {"status": "False"}]}}, "operator"
    ).ok
    assert item["status"] == {"conditions": [{"type": "Ready", "status": "False"}]}


def test_the_status_of_what_is_not_there_cannot_be_applied(api: Calls, path: str) -> None:
    assert api.apply(f"{path}/status", widget() | {"status": {}}).code == 404


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"foo": 3}, ".spec.foo: field not declared in schema"),
        ({"mode": 3}, ".spec.mode: "),
        ({"steps": [{"weight": 1}]}, ".spec.steps: "),
        ({"steps": [{"name": "a"}] * 2}, ".spec.steps"),
    ],
)
def test_what_has_no_clear_owner_cannot_be_applied(api: Calls, path: str, spec: dict[str, Any], message: str) -> None:
    api.apply(path, widget())
    answer = api.apply(path, widget(spec=spec))
    reported = "failed to create typed patch object (/a; test.dev/v1, Kind=Widget): "
    assert answer.code == 500 and reported + message in answer.message


@pytest.mark.parametrize(
    ("body", "code", "message"),
    [
        (widget("b"), 400, "the name of the object (b) does not match the name on the URL (a)"),
        (widget(managedFields=[{}]), 400, "metadata.managedFields must be nil"),
        (widget() | {"apiVersion": "test.dev/v2"}, 400, "invalid object type: test.dev/v2, Kind=Widget"),
        (widget() | {"metadata": {}}, 400, "(a based on URL) was undeterminable: name must be provided"),
        (widget(spec={"replicas": -1}), 422, "should be greater than or equal to 0"),
    ],
)
def test_a_bad_configuration_is_refused(api: Calls, path: str, body: Obj, code: int, message: str) -> None:
    answer = api.apply(path, body)
    assert answer.code == code and message in answer.message


def test_applying_needs_a_manager(api: Calls, path: str) -> None:
    answer = api.call("PATCH", path, widget(), "application/apply-patch+yaml")
    assert answer.code == 422
    assert (
        answer.message
        == 'PatchOptions.meta.k8s.io "" is invalid: fieldManager: Required value: is required for apply patch'
    )


def test_the_record_of_owners_can_be_cleared(api: Calls, path: str) -> None:
    api.apply(path, widget(spec={"replicas": 2}), "first")
    assert owned(api.merge(path, {"metadata": {"managedFields": [{}]}}).ok) == {}
    assert 'conflict with "before-first-apply"' in api.apply(path, widget(spec={"replicas": 5}), "second").message


def test_built_in_lists_merge_by_their_keys(api: Calls, folder: Folder) -> None:
    path = folder.path("deployments", "web")
    body = deployment()
    body["spec"]["template"]["spec"]["containers"][0] |= {
        "ports": [{"containerPort": 80}],
        "env": [{"name": "A", "value": "1"}],
    }
    made = api.apply(path, body, "first").ok
    containers = owned(made)["first", "Apply", ""]["f:spec"]["f:template"]["f:spec"]["f:containers"]
    assert containers['k:{"name":"main"}']["f:ports"] == {
        'k:{"containerPort":80,"protocol":"TCP"}': {".": {}, "f:containerPort": {}}
    }
    assert api.apply(path, body, "first").ok == made
    added = {
        "containers": [{"name": "main", "env": [{"name": "B", "value": "2"}]}, {"name": "side", "image": "side:1"}]
    }
    more = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web"},
        "spec": {"template": {"spec": added}},
    }
    main, side = api.apply(path, more, "second").ok["spec"]["template"]["spec"]["containers"]
    assert main["image"] == "web:1" and [one["name"] for one in main["env"]] == ["A", "B"] and side["image"] == "side:1"
    assert len(api.apply(path, {**more, "spec": {}}, "second").ok["spec"]["template"]["spec"]["containers"]) == 1
