"""Lists: which objects, in which state of the cluster, in how many parts."""

from __future__ import annotations

import pytest

from tests.cluster.calls import Calls, Folder, config_map, widget
from tests.cluster.objects import Obj


@pytest.fixture
def maps(api: Calls, folder: Folder) -> str:
    """Four objects: a and b of team x, c of team y, d of none."""
    path = folder.path("configmaps")
    for name, labels in (
        ("a", {"team": "x", "tier": "1"}),
        ("b", {"team": "x"}),
        ("c", {"team": "y", "tier": "5"}),
        ("d", {}),
    ):
        api.post(path, config_map(name, labels=labels))
    return path


def names(result: Obj) -> str:
    return "".join(item["metadata"]["name"] for item in result["items"])


def test_a_list_is_of_its_kind_in_the_order_of_names(api: Calls, maps: str) -> None:
    result = api.get(maps).ok
    assert (result["kind"], result["apiVersion"], names(result)) == ("ConfigMapList", "v1", "abcd")
    assert int(result["metadata"]["resourceVersion"]) >= int(result["items"][-1]["metadata"]["resourceVersion"])


def test_only_the_items_of_custom_kinds_say_what_they_are(api: Calls, folder: Folder, maps: str) -> None:
    api.post(folder.path("widgets"), widget())
    (item,) = api.get(folder.path("widgets")).ok["items"]
    assert (item["apiVersion"], item["kind"]) == ("test.dev/v1", "Widget")
    assert all(not {"apiVersion", "kind"} & item.keys() for item in api.get(maps).ok["items"])


@pytest.mark.parametrize(
    ("selector", "picked"),
    [
        ("team=x", "ab"),
        ("team==x", "ab"),
        ("team!=x", "cd"),
        ("team", "abc"),
        ("!team", "d"),
        ("team in (x,y)", "abc"),
        ("team in ( x , z )", "ab"),
        ("team notin (x)", "cd"),
        ("team=x,tier", "a"),
        ("team in (x,y),!tier", "b"),
        ("team=", ""),
        ("", "abcd"),
    ],
)
def test_a_label_selector_picks(api: Calls, maps: str, selector: str, picked: str) -> None:
    assert names(api.get(maps, labelSelector=selector).ok) == picked


@pytest.mark.parametrize("selector", ["team in x", "=x", "team in (x", "a b"])
def test_a_label_selector_that_makes_no_sense_is_refused(api: Calls, maps: str, selector: str) -> None:
    assert api.get(maps, labelSelector=selector).code == 400


@pytest.mark.parametrize(
    ("selector", "picked"),
    [("metadata.name=b", "b"), ("metadata.name!=b", "acd"), ("metadata.name=a,metadata.name=b", "")],
)
def test_a_field_selector_picks(api: Calls, maps: str, selector: str, picked: str) -> None:
    assert names(api.get(maps, fieldSelector=selector).ok) == picked


def test_a_custom_kind_is_selected_by_the_fields_it_names(api: Calls, folder: Folder) -> None:
    path = folder.path("widgets")
    for name, mode in (("a", "good"), ("b", "ugly")):
        api.post(path, widget(name, {"mode": mode}))
    api.merge(f"{path}/b/status", {"status": {"phase": "Up"}})
    assert names(api.get(path, fieldSelector="spec.mode=good").ok) == "a"
    assert names(api.get(path, fieldSelector="status.phase=").ok) == "a"
    assert names(api.get(path, fieldSelector="status.phase=Up,spec.mode!=good").ok) == "b"
    refused = api.get(path, fieldSelector="spec.replicas=1")
    assert refused.code == 400 and "field label not supported: spec.replicas" in refused.message


def test_built_in_kinds_have_their_field_selectors(api: Calls, folder: Folder) -> None:
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "p"},
        "spec": {"containers": [{"name": "c", "image": "i"}]},
    }
    api.post(folder.path("pods"), pod)
    assert names(api.get(folder.path("pods"), fieldSelector="spec.nodeName=,status.phase=Pending").ok) == "p"
    assert names(api.get(folder.path("pods"), fieldSelector="status.phase!=Pending").ok) == ""
    about = {"kind": "Pod", "name": "p", "namespace": folder.name}
    event = {"apiVersion": "v1", "kind": "Event", "metadata": {"name": "e"}, "involvedObject": about, "reason": "Seen"}
    assert api.post(folder.path("events"), event).code == 201
    assert (
        names(api.get(folder.path("events"), fieldSelector="involvedObject.name=p,involvedObject.kind=Pod").ok) == "e"
    )
    assert names(api.get(folder.path("events"), fieldSelector="reason=Unseen").ok) == ""


def test_a_list_without_a_namespace_has_all_of_them(api: Calls, folder: Folder) -> None:
    with Folder(api) as other:
        for place in (folder, other):
            api.post(place.path("widgets"), widget(labels={"test": folder.name}))
        result = api.get("/apis/test.dev/v1/widgets", labelSelector=f"test={folder.name}").ok
        assert {item["metadata"]["namespace"] for item in result["items"]} == {folder.name, other.name}


def test_a_state_that_is_still_to_come_is_refused(api: Calls, maps: str) -> None:
    version = int(api.get(maps).ok["metadata"]["resourceVersion"]) + 1_000_000
    answer = api.get(maps, resourceVersion=version, resourceVersionMatch="NotOlderThan")
    assert (answer.code, answer.body["reason"]) == (504, "Timeout")
    assert "Too large resource version" in answer.message


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ({"resourceVersion": "nonsense"}, 400),
    ],
)
def test_a_state_that_makes_no_sense_is_refused(api: Calls, maps: str, query: dict[str, str], code: int) -> None:
    assert api.get(maps, **query).code == code
