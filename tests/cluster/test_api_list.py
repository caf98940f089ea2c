"""Lists: which objects are in them, and as what."""

from __future__ import annotations

import pytest

from tests.cluster.objects import Obj
from tests.cluster.space import Calls, Space, config_map, widget

LABELS = {"a": {"team": "x", "tier": "1"}, "b": {"team": "x"}, "c": {"team": "y", "tier": "5"}, "d": {}}


@pytest.fixture
def path(api: Calls, folder: Space) -> str:
    """The path of four objects: a and b of team x, c of team y, d of none."""
    for name, labels in LABELS.items():
        api.post(folder.path("configmaps"), config_map(name, labels=labels))
    return folder.path("configmaps")


def names(result: Obj) -> str:
    return "".join(item["metadata"]["name"] for item in result["items"])


def test_only_items_of_custom_kinds_have_a_type(api: Calls, path: str, widgets: str) -> None:
    result = api.get(path).ok
    assert (result["kind"], result["apiVersion"], names(result)) == ("ConfigMapList", "v1", "abcd")
    assert int(result["metadata"]["resourceVersion"]) >= int(result["items"][-1]["metadata"]["resourceVersion"])
    assert all(not {"apiVersion", "kind"} & item.keys() for item in result["items"])
    api.post(widgets, widget())
    (item,) = api.get(widgets).ok["items"]
    assert (item["apiVersion"], item["kind"]) == ("test.dev/v1", "Widget")


@pytest.mark.parametrize(
    ("selector", "selected"),
    [
        ("team=x", "ab"),
        ("team!=x", "cd"),
        ("team", "abc"),
        ("!team", "d"),
        ("team in ( x , z )", "ab"),
        ("team notin (x)", "cd"),
        ("team in (x,y),!tier", "b"),
        ("team=", ""),
        ("", "abcd"),
    ],
)
def test_a_label_selector_selects(api: Calls, path: str, selector: str, selected: str) -> None:
    assert names(api.get(path, labelSelector=selector).ok) == selected


@pytest.mark.parametrize("selector", ["team in x", "=x", "team in (x", "a b"])
def test_a_bad_label_selector_is_refused(api: Calls, path: str, selector: str) -> None:
    assert api.get(path, labelSelector=selector).code == 400


@pytest.mark.parametrize(
    ("kind", "selector", "selected"),
    [
        ("configmaps", "metadata.name=b", "b"),
        ("configmaps", "metadata.name!=b", "acd"),
        ("configmaps", "metadata.name=a,metadata.name=b", ""),
        ("widgets", "spec.mode=good", "a"),
        ("widgets", "status.phase=Up,spec.mode!=good", "b"),
        ("pods", "spec.nodeName=,status.phase=Pending", "p"),
        ("events", "involvedObject.name=p,reason=Seen", "e"),
        ("events", "reason=Unseen", ""),
    ],
)
def test_a_field_selector_selects(
    api: Calls, folder: Space, path: str, kind: str, selector: str, selected: str
) -> None:
    for name, mode in (("a", "good"), ("b", "ugly")):
        folder.put(widget(name, {"mode": mode}))
    api.merge(folder.path("widgets", "b", "status"), {"status": {"phase": "Up"}})
    folder.put({"kind": "Pod", "metadata": {"name": "p"}, "spec": {"containers": [{"name": "c", "image": "i"}]}})
    about = {"kind": "Pod", "name": "p", "namespace": folder.name}
    folder.put({"kind": "Event", "metadata": {"name": "e"}, "involvedObject": about, "reason": "Seen"})
    assert names(api.get(folder.path(kind), fieldSelector=selector).ok) == selected


def test_other_fields_cannot_be_selected(api: Calls, widgets: str) -> None:
    refused = api.get(widgets, fieldSelector="spec.replicas=1")
    assert refused.code == 400 and "field label not supported: spec.replicas" in refused.message


def test_a_list_without_a_namespace_has_all_of_them(api: Calls, folder: Space) -> None:
    with Space(api) as other:
        for place in (folder, other):
            place.put(widget(labels={"test": folder.name}))
        result = api.get("/apis/test.dev/v1/widgets", labelSelector=f"test={folder.name}").ok
        assert {item["metadata"]["namespace"] for item in result["items"]} == {folder.name, other.name}
