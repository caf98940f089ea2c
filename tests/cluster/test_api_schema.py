"""What a custom kind's schema does to its objects: drops, fills in, refuses."""

from __future__ import annotations

from typing import Any

import pytest

from tests.cluster.calls import Calls, Folder, widget


@pytest.fixture
def widgets(folder: Folder) -> str:
    return folder.path("widgets")


def test_unknown_fields_are_dropped_and_warned_of(api: Calls, widgets: str) -> None:
    answer = api.post(widgets, widget(spec={"foo": 1, "nested": {"c": 1}, "steps": [{"name": "a", "wait": 2}]}))
    assert answer.ok["spec"]["nested"] == {"a": "A"} and "foo" not in answer.ok["spec"]
    assert answer.ok["spec"]["steps"] == [{"name": "a", "weight": 10}]
    assert answer.warnings == [
        '299 - "unknown field \\"spec.foo\\""',
        '299 - "unknown field \\"spec.nested.c\\""',
        '299 - "unknown field \\"spec.steps[0].wait\\""',
    ]


def test_unknown_fields_are_refused_where_the_client_asks_for_it(api: Calls, widgets: str) -> None:
    strict = api.post(widgets, widget(spec={"foo": 1}), fieldValidation="Strict")
    assert strict.code == 400
    assert strict.message == (
        'Widget in version "v1" cannot be handled as a Widget: strict decoding error: unknown field "spec.foo"'
    )
    assert api.post(widgets, widget(spec={"foo": 1}), fieldValidation="Ignore").warnings == []


def test_an_open_object_keeps_everything(api: Calls, widgets: str) -> None:
    anything = {"a": {"b": [1, {"c": None}]}}
    assert api.post(widgets, widget(spec={"anything": anything})).ok["spec"]["anything"] == anything


def test_missing_fields_get_their_defaults_also_inside_a_default(api: Calls, widgets: str) -> None:
    assert api.post(widgets, widget()).ok["spec"] == {"mode": "good", "replicas": 1, "nested": {"a": "A"}}


def test_null_is_kept_if_nullable_else_means_missing(api: Calls, widgets: str) -> None:
    spec = api.post(widgets, widget(spec={"maybe": None, "mode": None, "name": None})).ok["spec"]
    assert spec["maybe"] is None and spec["mode"] == "good" and "name" not in spec


@pytest.mark.parametrize("port", [80, "http"])
def test_an_int_or_string_is_either(api: Calls, widgets: str, port: Any) -> None:
    assert api.post(widgets, widget(spec={"port": port})).ok["spec"]["port"] == port


@pytest.mark.parametrize(
    ("spec", "reason", "message"),
    [
        ({"mode": "x"}, "NotSupported", 'spec.mode: Unsupported value: "x": supported values: "good", "bad", "ugly"'),
        (
            {"mode": 3},
            "TypeInvalid",
            'spec.mode: Invalid value: "integer": spec.mode in body must be of type string: "integer"',
        ),
        ({"holdout": "a"}, "TypeInvalid", 'spec.holdout in body must be of type number: "string"'),
        ({"replicas": 1.5}, "TypeInvalid", 'spec.replicas in body must be of type integer: "number"'),
        ({"nested": []}, "TypeInvalid", 'spec.nested in body must be of type object: "array"'),
        ({"plain": "x"}, "TypeInvalid", 'spec.plain in body must be of type array: "string"'),
        ({"labels": {"a": 1}}, "TypeInvalid", 'spec.labels.a in body must be of type string: "integer"'),
        ({"port": True}, "TypeInvalid", 'spec.port in body must be of type integer,string: "boolean"'),
        (
            {"when": "x"},
            "TypeInvalid",
            'spec.when: Invalid value: "x": spec.when in body must be of type date-time: "x"',
        ),
        ({"holdout": 0}, "Invalid", "spec.holdout: Invalid value: 0: spec.holdout in body should be greater than 0"),
        ({"holdout": 2}, "Invalid", "spec.holdout in body should be less than or equal to 1"),
        ({"replicas": -1}, "Invalid", "spec.replicas in body should be greater than or equal to 0"),
        ({"name": "A"}, "Invalid", "spec.name: Invalid value: \"A\": spec.name in body should match '^[a-z]+$'"),
        ({"name": "abcdef"}, "TooLong", "spec.name: Too long: may not be more than 5 bytes"),
        ({"steps": []}, "Invalid", "spec.steps: Invalid value: 0: spec.steps in body should have at least 1 items"),
        ({"steps": [{"name": n} for n in "abcd"]}, "TooMany", "spec.steps: Too many: 4: must have at most 3 items"),
        ({"steps": [{"weight": 1}]}, "Required", "spec.steps[0].name: Required value"),
        ({"steps": [{"name": "a"}] * 2}, "Duplicate", 'spec.steps[1]: Duplicate value: {"name":"a"}'),
        ({"tags": ["a", "a"]}, "Duplicate", 'spec.tags[1]: Duplicate value: "a"'),
        ({"one": {}}, "Invalid", '"spec.one" must validate one and only one schema (oneOf). Found none valid'),
        (
            {"one": {"x": "", "y": ""}},
            "Invalid",
            '"spec.one" must validate one and only one schema (oneOf). Found 2 valid',
        ),
        ({"holdout": 0.95}, "Invalid", "spec.holdout: Invalid value: must leave rows to train on"),
        ({"mode": "bad"}, "Forbidden", "spec: Forbidden: mode bad is bad"),
        ({"low": 3, "high": 2.5}, "Invalid", "spec: Invalid value: low must not be above high"),
        ({"steps": [{"name": "a", "weight": 13}]}, "Invalid", "spec.steps[0]: Invalid value: brings bad luck"),
    ],
)
def test_a_bad_value_is_refused_in_kubernetes_words(
    api: Calls, widgets: str, spec: dict[str, Any], reason: str, message: str
) -> None:
    answer = api.post(widgets, widget(spec=spec))
    assert (answer.code, answer.body["reason"]) == (422, "Invalid")
    assert answer.message.startswith('Widget.test.dev "a" is invalid: ') and message in answer.message
    assert f"FieldValue{reason}" in [cause["reason"] for cause in answer.body["details"]["causes"]]


@pytest.mark.parametrize(
    "spec", [{"low": 1, "high": 1.5}, {"low": 2, "high": 2}, {"holdout": 0.5}, {"holdout": 0.8999}]
)
def test_rules_compare_integers_with_numbers(api: Calls, widgets: str, spec: dict[str, Any]) -> None:
    assert api.post(widgets, widget(spec=spec)).code == 201


@pytest.mark.parametrize(("share", "code"), [(0, 201), (0.01, 422), (0.05, 201), (0.6, 422), (1, 422)])
def test_an_integer_is_compared_with_a_limits_whole_part(api: Calls, widgets: str, share: float, code: int) -> None:
    assert api.post(widgets, widget(spec={"share": share})).code == code


def test_a_missing_part_is_named(api: Calls, widgets: str) -> None:
    body = widget()
    del body["spec"]
    answer = api.post(widgets, body)
    assert answer.body["details"]["causes"][0] == {
        "field": "spec",
        "reason": "FieldValueRequired",
        "message": "Required value",
    }


def test_rules_rest_while_the_form_is_wrong(api: Calls, widgets: str) -> None:
    answer = api.post(widgets, widget(spec={"mode": "bad", "replicas": "many"}))
    assert answer.code == 422 and "mode bad is bad" not in answer.message


def test_every_fault_is_listed_with_its_field(api: Calls, widgets: str) -> None:
    answer = api.post(widgets, widget(spec={"mode": "bad", "holdout": 0.95, "low": 2, "high": 1}))
    assert {cause["field"] for cause in answer.body["details"]["causes"]} == {"spec", "spec.holdout"}
    assert answer.body["details"] | {"causes": []} == {"name": "a", "group": "test.dev", "kind": "Widget", "causes": []}


def test_a_transition_rule_holds_from_the_second_write(api: Calls, widgets: str) -> None:
    api.post(widgets, widget(spec={"frozen": "1", "sticky": "1"}))
    refused = api.merge(f"{widgets}/a", {"spec": {"frozen": "2", "sticky": "2"}})
    assert refused.code == 422
    assert 'spec.frozen: Invalid value: "2": is immutable' in refused.message
    assert 'spec.sticky: Invalid value: "2": cannot be changed once set' in refused.message
    gone = api.merge(f"{widgets}/a", {"spec": {"frozen": None}})
    assert "spec: Invalid value: frozen may neither come nor go" in gone.message
    assert api.merge(f"{widgets}/a", {"spec": {"replicas": 3}}).code == 200


def test_the_status_is_validated_too(api: Calls, widgets: str) -> None:
    api.post(widgets, widget())
    answer = api.merge(f"{widgets}/a/status", {"status": {"conditions": [{"type": "Ready"}]}})
    assert "status.conditions[0].status: Required value" in answer.message


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"metadata": {"name": "other.test.dev"}}, "metadata.name"),
        ({"properties": {"x": {}}}, "type: Required value: must not be empty for specified object fields"),
        ({"properties": {"x": {"type": "integer", "default": "y"}}}, "properties[x].default"),
        ({"x-kubernetes-validations": [{"rule": "self.a +"}]}, "compilation failed"),
        ({"top": {"metadata": {"type": "object", "description": "x"}}}, "must not specify anything other than name"),
    ],
)
def test_a_definition_that_cannot_work_is_refused(api: Calls, change: dict[str, Any], message: str) -> None:
    top = change.get("top", {})
    spec = {key: value for key, value in change.items() if key not in ("top", "metadata")}
    schema = {"type": "object", "properties": {"spec": {"type": "object", **spec}, **top}}
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    names = {"plural": "things", "kind": "Thing"}
    definition = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": change.get("metadata", {"name": "things.test.dev"}),
        "spec": {"group": "test.dev", "scope": "Namespaced", "names": names, "versions": [version]},
    }
    answer = api.post("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", definition)
    assert answer.code == 422 and message in answer.message


def test_an_unwritten_status_is_read_as_its_default(api: Calls, folder: Folder) -> None:
    status = {"type": "object", "properties": {"seen": {"type": "integer"}}, "default": {"seen": -1}}
    schema = {"type": "object", "properties": {"spec": {"type": "object"}, "status": status}}
    version = {"name": "v1", "served": True, "storage": True, "subresources": {"status": {}}}
    definition = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "newborns.test.dev"},
        "spec": {
            "group": "test.dev",
            "scope": "Namespaced",
            "names": {"plural": "newborns", "kind": "Newborn"},
            "versions": [version | {"schema": {"openAPIV3Schema": schema}}],
        },
    }
    assert api.post("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", definition).code == 201
    newborns = f"/apis/test.dev/v1/namespaces/{folder.name}/newborns"
    newborn = {"apiVersion": "test.dev/v1", "kind": "Newborn", "metadata": {"name": "a"}, "status": {"seen": 7}}
    api.until(lambda: api.post(newborns, newborn).code == 201)
    assert api.get(f"{newborns}/a").ok["status"] == {"seen": -1}
    assert api.merge(f"{newborns}/a/status", {"status": {"seen": 1}}).ok["status"] == {"seen": 1}


def test_a_definition_is_established_and_its_objects_go_with_it(api: Calls, folder: Folder) -> None:
    root = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
    definition = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "gadgets.test.dev"},
        "spec": {
            "group": "test.dev",
            "scope": "Namespaced",
            "names": {"plural": "gadgets", "kind": "Gadget"},
            "versions": [
                {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": {"type": "object"}}}
            ],
        },
    }
    api.post(root, definition)
    gadgets = f"/apis/test.dev/v1/namespaces/{folder.name}/gadgets"
    api.until(lambda: api.get(gadgets).code == 200)
    result = api.get(f"{root}/gadgets.test.dev").ok
    assert {one["type"]: one["status"] for one in result["status"]["conditions"]} == {
        "NamesAccepted": "True",
        "Established": "True",
    }
    assert result["spec"]["names"] == {
        "plural": "gadgets",
        "kind": "Gadget",
        "listKind": "GadgetList",
        "singular": "gadget",
    }
    gadget = {"apiVersion": "test.dev/v1", "kind": "Gadget", "metadata": {"name": "a"}}
    api.until(lambda: api.post(gadgets, gadget).code in (201, 409))
    api.delete(f"{root}/gadgets.test.dev")
    api.until(lambda: api.get(f"{root}/gadgets.test.dev").code == 404)
    api.until(lambda: api.get(gadgets).code == 404)
