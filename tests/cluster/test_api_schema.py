"""What a custom kind's schema does to its objects: drops, fills in, refuses."""

from __future__ import annotations

from typing import Any

import pytest

from tests.cluster.conftest import DEFINITIONS
from tests.cluster.objects import Obj
from tests.cluster.space import Calls, Space, widget


def definition(plural: str, schema: Obj) -> Obj:
    version = {"name": "v1", "served": True, "storage": True, "subresources": {"status": {}}}
    spec = {
        "group": "test.dev",
        "scope": "Namespaced",
        "names": {"plural": plural, "kind": plural[:-1].capitalize()},
        "versions": [version | {"schema": {"openAPIV3Schema": schema}}],
    }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.test.dev"},
        "spec": spec,
    }


def test_unknown_fields_are_dropped_with_a_warning(api: Calls, widgets: str) -> None:
    answer = api.post(widgets, widget(spec={"foo": 1, "steps": [{"name": "a", "wait": 2}]}))
    assert "foo" not in answer.ok["spec"] and answer.ok["spec"]["steps"] == [{"name": "a", "weight": 10}]
    assert answer.warnings == [
        '299 - "unknown field \\"spec.foo\\""',
        '299 - "unknown field \\"spec.steps[0].wait\\""',
    ]


def test_strict_validation_refuses_unknown_fields(api: Calls, widgets: str) -> None:
    strict = api.post(widgets, widget(spec={"foo": 1}), fieldValidation="Strict")
    assert strict.code == 400 and strict.message == (
        'Widget in version "v1" cannot be handled as a Widget: strict decoding error: unknown field "spec.foo"'
    )
    assert api.post(widgets, widget(spec={"foo": 1}), fieldValidation="Ignore").warnings == []


@pytest.mark.parametrize(
    ("spec", "stored"),
    [
        ({}, {}),
        ({"anything": {"a": {"b": [1, {"c": None}]}}}, {"anything": {"a": {"b": [1, {"c": None}]}}}),
        ({"maybe": None, "mode": None, "name": None}, {"maybe": None}),
        ({"port": 80}, {"port": 80}),
        ({"port": "http"}, {"port": "http"}),
        ({"low": 1, "high": 1.5}, {"low": 1, "high": 1.5}),
        ({"low": 2, "high": 2}, {"low": 2, "high": 2}),
        ({"holdout": 0.8999}, {"holdout": 0.8999}),
        ({"share": 0}, {"share": 0}),  # an integer is compared with the whole part of a limit
    ],
)
def test_good_values_are_stored_with_defaults(api: Calls, widgets: str, spec: Obj, stored: Obj) -> None:
    defaults = {"mode": "good", "replicas": 1, "nested": {"a": "A"}}
    assert api.post(widgets, widget(spec=spec)).ok["spec"] == defaults | stored


@pytest.mark.parametrize(
    ("spec", "reason", "message"),
    [
        ({"mode": "x"}, "NotSupported", 'spec.mode: Unsupported value: "x": supported values: "good", "bad", "ugly"'),
        ({"mode": 3}, "TypeInvalid", '"integer": spec.mode in body must be of type string: "integer"'),
        ({"replicas": 1.5}, "TypeInvalid", 'spec.replicas in body must be of type integer: "number"'),
        ({"labels": {"a": 1}}, "TypeInvalid", 'spec.labels.a in body must be of type string: "integer"'),
        ({"port": True}, "TypeInvalid", 'spec.port in body must be of type integer,string: "boolean"'),
        ({"when": "x"}, "TypeInvalid", '"x": spec.when in body must be of type date-time: "x"'),
        ({"holdout": 0}, "Invalid", "spec.holdout: Invalid value: 0: spec.holdout in body should be greater than 0"),
        ({"share": 0.01}, "Invalid", "spec.share in body should be greater than or equal to 0.05"),
        ({"share": 1}, "Invalid", "spec.share in body should be less than or equal to 0.5"),
        ({"name": "A"}, "Invalid", "spec.name: Invalid value: \"A\": spec.name in body should match '^[a-z]+$'"),
        ({"name": "abcdef"}, "TooLong", "spec.name: Too long: may not be more than 5 bytes"),
        ({"steps": []}, "Invalid", "spec.steps: Invalid value: 0: spec.steps in body should have at least 1 items"),
        ({"steps": [{"name": n} for n in "abcd"]}, "TooMany", "spec.steps: Too many: 4: must have at most 3 items"),
        ({"steps": [{"weight": 1}]}, "Required", "spec.steps[0].name: Required value"),
        ({"steps": [{"name": "a"}] * 2}, "Duplicate", 'spec.steps[1]: Duplicate value: {"name":"a"}'),
        ({"tags": ["a", "a"]}, "Duplicate", 'spec.tags[1]: Duplicate value: "a"'),
        ({"holdout": 0.95}, "Invalid", "spec.holdout: Invalid value: must leave rows to train on"),
        ({"mode": "bad"}, "Forbidden", "spec: Forbidden: mode bad is bad"),
        ({"low": 3, "high": 2.5}, "Invalid", "spec: Invalid value: low must not be above high"),
        ({"steps": [{"name": "a", "weight": 13}]}, "Invalid", "spec.steps[0]: Invalid value: brings bad luck"),
    ],
)
def test_a_bad_value_is_refused(api: Calls, widgets: str, spec: dict[str, Any], reason: str, message: str) -> None:
    answer = api.post(widgets, widget(spec=spec))
    assert (answer.code, answer.body["reason"]) == (422, "Invalid")
    assert answer.message.startswith('Widget.test.dev "a" is invalid: ') and message in answer.message
    assert f"FieldValue{reason}" in [cause["reason"] for cause in answer.body["details"]["causes"]]


def test_every_violation_is_listed_with_its_field(api: Calls, widgets: str) -> None:
    answer = api.post(widgets, widget(spec={"mode": "bad", "holdout": 0.95, "low": 2, "high": 1}))
    assert {cause["field"] for cause in answer.body["details"]["causes"]} == {"spec", "spec.holdout"}
    missing = api.post(widgets, {key: value for key, value in widget().items() if key != "spec"})
    required = {"field": "spec", "reason": "FieldValueRequired", "message": "Required value"}
    assert missing.body["details"] == {"name": "a", "group": "test.dev", "kind": "Widget", "causes": [required]}


def test_rules_wait_for_the_right_types(api: Calls, widgets: str) -> None:
    answer = api.post(widgets, widget(spec={"mode": "bad", "replicas": "many"}))
    assert answer.code == 422 and "mode bad is bad" not in answer.message


def test_transition_rules_compare_with_the_old_value(api: Calls, widgets: str) -> None:
    api.post(widgets, widget(spec={"frozen": "1"}))
    refused = api.merge(f"{widgets}/a", {"spec": {"frozen": "2"}})
    assert refused.code == 422
    assert 'spec.frozen: Invalid value: "2": is immutable' in refused.message
    gone = api.merge(f"{widgets}/a", {"spec": {"frozen": None}})
    assert "spec: Invalid value: frozen may neither come nor go" in gone.message
    assert api.merge(f"{widgets}/a", {"spec": {"replicas": 3}}).code == 200


def test_the_status_is_validated_too(api: Calls, widgets: str) -> None:
    api.post(widgets, widget())
    answer = api.merge(f"{widgets}/a/status", {"status": {"conditions": [{"type": "Ready"}]}})
    assert "status.conditions[0].status: Required value" in answer.message


@pytest.mark.parametrize(
    ("properties", "message"),
    [
        ({"x": {}}, "type: Required value: must not be empty for specified object fields"),
        ({"x": {"type": "integer", "default": "y"}}, "properties[x].default"),
        ({"x": {"type": "string", "x-kubernetes-validations": [{"rule": "self +"}]}}, "compilation failed"),
    ],
)
def test_a_bad_definition_is_refused(api: Calls, properties: Obj, message: str) -> None:
    answer = api.post(DEFINITIONS, definition("things", {"type": "object", "properties": properties}))
    assert answer.code == 422 and message in answer.message


def test_a_definition_serves_its_kind_until_it_is_deleted(api: Calls, folder: Space) -> None:
    status = {"type": "object", "properties": {"seen": {"type": "integer"}}, "default": {"seen": -1}}
    api.post(DEFINITIONS, definition("gadgets", {"type": "object", "properties": {"status": status}}))
    gadgets = f"/apis/test.dev/v1/namespaces/{folder.name}/gadgets"
    gadget = {"apiVersion": "test.dev/v1", "kind": "Gadget", "metadata": {"name": "a"}, "status": {"seen": 7}}
    api.until(lambda: api.post(gadgets, gadget).code == 201)
    assert api.get(f"{gadgets}/a").ok["status"] == {"seen": -1}
    result = api.get(f"{DEFINITIONS}/gadgets.test.dev").ok
    conditions = {one["type"]: one["status"] for one in result["status"]["conditions"]}
    assert conditions == {"NamesAccepted": "True", "Established": "True"}
    assert (result["spec"]["names"]["listKind"], result["spec"]["names"]["singular"]) == ("GadgetList", "gadget")
    api.delete(f"{DEFINITIONS}/gadgets.test.dev")
    api.until(lambda: api.get(f"{DEFINITIONS}/gadgets.test.dev").code == api.get(gadgets).code == 404)
