"""Watches: what they begin with, what they tell, when they end."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator

import pytest

from tests.cluster.calls import Calls, Folder, config_map, widget
from tests.cluster.objects import Obj


@pytest.fixture
def maps(folder: Folder) -> str:
    return folder.path("configmaps")


@pytest.fixture
def version(api: Calls, maps: str) -> Callable[[], str]:
    """The cluster's version now."""
    return lambda: str(api.get(maps).ok["metadata"]["resourceVersion"])


def changes(events: Iterator[Obj], count: int) -> list[tuple[str, str]]:
    """The next events that are no bookmarks, as (type, name)."""
    result = itertools.islice((event for event in events if event["type"] != "BOOKMARK"), count)
    return [(event["type"], event["object"]["metadata"]["name"]) for event in result]


def test_a_watch_tells_of_every_change_since_its_version(api: Calls, maps: str, version: Callable[[], str]) -> None:
    start = version()
    api.post(maps, config_map("a"))
    with api.watch(maps, resourceVersion=start) as events:
        api.merge(f"{maps}/a", {"data": {"x": "1"}})
        api.post(maps, config_map("b"))
        api.delete(f"{maps}/a")
        assert changes(events, 4) == [("ADDED", "a"), ("MODIFIED", "a"), ("ADDED", "b"), ("DELETED", "a")]


def test_an_event_has_the_whole_object_and_its_version(api: Calls, maps: str, version: Callable[[], str]) -> None:
    with api.watch(maps, resourceVersion=version()) as events:
        made = api.post(maps, config_map("a", {"x": "1"})).ok
        assert next(events) == {"type": "ADDED", "object": made}
        api.delete(f"{maps}/a")
        gone = next(events)["object"]
    assert gone["data"] == {"x": "1"} and int(gone["metadata"]["resourceVersion"]) > int(
        made["metadata"]["resourceVersion"]
    )


@pytest.mark.parametrize("start", ["", "0"])
def test_a_watch_without_a_version_begins_with_what_is_there(api: Calls, maps: str, start: str) -> None:
    for name in "ab":
        api.post(maps, config_map(name))
    with api.watch(maps, **({"resourceVersion": start} if start else {})) as events:
        assert sorted(changes(events, 2)) == [("ADDED", "a"), ("ADDED", "b")]
        api.post(maps, config_map("c"))
        assert changes(events, 1) == [("ADDED", "c")]


def test_a_streamed_list_ends_with_a_bookmark_that_says_so(api: Calls, maps: str) -> None:
    for name in "ab":
        api.post(maps, config_map(name))
    query = {"sendInitialEvents": "true", "resourceVersionMatch": "NotOlderThan", "allowWatchBookmarks": "true"}
    with api.watch(maps, **query) as events:
        seen = [next(events) for _ in range(3)]
        assert [event["type"] for event in seen] == ["ADDED", "ADDED", "BOOKMARK"]
        end = seen[-1]["object"]
        assert (end["kind"], end["apiVersion"]) == ("ConfigMap", "v1")
        assert end["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}
        assert int(end["metadata"]["resourceVersion"]) >= int(seen[0]["object"]["metadata"]["resourceVersion"])
        api.post(maps, config_map("c"))
        assert changes(events, 1) == [("ADDED", "c")]


def test_streaming_needs_its_match(api: Calls, maps: str) -> None:
    answer = api.get(maps, watch="true", sendInitialEvents="true")
    assert answer.code == 422 and "sendInitialEvents" in answer.message


def test_an_object_enters_and_leaves_a_selection(api: Calls, maps: str, version: Callable[[], str]) -> None:
    with api.watch(maps, resourceVersion=version(), labelSelector="team=x") as events:
        api.post(maps, config_map("a"))
        api.post(maps, config_map("b", labels={"team": "x"}))
        api.merge(f"{maps}/a", {"metadata": {"labels": {"team": "x"}}})
        api.merge(f"{maps}/a", {"data": {"x": "1"}})
        api.merge(f"{maps}/a", {"metadata": {"labels": None}})
        api.delete(f"{maps}/a")
        api.delete(f"{maps}/b")
        expected = [("ADDED", "b"), ("ADDED", "a"), ("MODIFIED", "a"), ("DELETED", "a"), ("DELETED", "b")]
        assert changes(events, 5) == expected


def test_a_field_selector_makes_the_same_of_a_status(api: Calls, folder: Folder, version: Callable[[], str]) -> None:
    path = folder.path("widgets")
    with api.watch(path, resourceVersion=version(), fieldSelector="status.phase=") as events:
        api.post(path, widget("a"))
        api.merge(f"{path}/a/status", {"status": {"phase": "Handled"}})
        assert changes(events, 2) == [("ADDED", "a"), ("DELETED", "a")]


def test_one_object_is_watched_by_its_name(api: Calls, maps: str, version: Callable[[], str]) -> None:
    with api.watch(maps, resourceVersion=version(), fieldSelector="metadata.name=b") as events:
        for name in "ab":
            api.post(maps, config_map(name))
        assert changes(events, 1) == [("ADDED", "b")]


def test_a_watch_over_all_namespaces_hears_each(api: Calls, folder: Folder, version: Callable[[], str]) -> None:
    with api.watch("/apis/test.dev/v1/widgets", resourceVersion=version()) as events, Folder(api) as other:
        for place in (folder, other):
            api.post(place.path("widgets"), widget(place.name))
        assert changes(events, 2) == [("ADDED", folder.name), ("ADDED", other.name)]


def test_a_watch_ends_when_its_time_is_up(api: Calls, maps: str, version: Callable[[], str]) -> None:
    with api.watch(maps, resourceVersion=version(), timeoutSeconds=1) as events:
        assert list(events) == []


def test_rows_are_watched_as_rows(api: Calls, maps: str, version: Callable[[], str]) -> None:
    with api.watch(maps, accept="application/json;as=Table;v=v1;g=meta.k8s.io", resourceVersion=version()) as events:
        api.post(maps, config_map("a", {"x": "1"}))
        event = next(events)
        assert event["type"] == "ADDED" and event["object"]["kind"] == "Table"
        assert event["object"]["rows"][0]["cells"][:2] == ["a", "0s"]
