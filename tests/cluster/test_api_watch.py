"""Watches: what they begin with, what they report, when they end."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator

import pytest

from tests.cluster.objects import Obj
from tests.cluster.space import Calls, Space, config_map, widget

TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"


@pytest.fixture
def version(api: Calls, maps: str) -> Callable[[], str]:
    """The cluster's version now."""
    return lambda: str(api.get(maps).ok["metadata"]["resourceVersion"])


def changes(events: Iterator[Obj], count: int) -> list[tuple[str, str]]:
    """The next events that are no bookmarks, as (type, name)."""
    result = itertools.islice((event for event in events if event["type"] != "BOOKMARK"), count)
    return [(event["type"], event["object"]["metadata"]["name"]) for event in result]


def test_a_watch_has_every_change_since_its_version(api: Calls, maps: str, version: Callable[[], str]) -> None:
    start = version()
    made = api.post(maps, config_map("a", {"x": "1"})).ok
    with api.watch(maps, resourceVersion=start) as events:
        api.merge(f"{maps}/a", {"data": {"y": "2"}})
        api.post(maps, config_map("b"))
        api.delete(f"{maps}/a")
        assert next(events) == {"type": "ADDED", "object": made}
        assert changes(events, 2) == [("MODIFIED", "a"), ("ADDED", "b")]
        gone = next(events)
    assert gone["type"] == "DELETED" and gone["object"]["data"] == {"x": "1", "y": "2"}
    assert int(gone["object"]["metadata"]["resourceVersion"]) > int(made["metadata"]["resourceVersion"])


@pytest.mark.parametrize("start", [None, "0"])
def test_a_watch_without_a_version_begins_with_a_list(api: Calls, maps: str, start: str | None) -> None:
    for name in "ab":
        api.post(maps, config_map(name))
    with api.watch(maps, **({"resourceVersion": start} if start else {})) as events:
        assert sorted(changes(events, 2)) == [("ADDED", "a"), ("ADDED", "b")]
        api.post(maps, config_map("c"))
        assert changes(events, 1) == [("ADDED", "c")]


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


def test_a_watch_selects_by_fields(api: Calls, widgets: str, version: Callable[[], str]) -> None:
    with api.watch(widgets, resourceVersion=version(), fieldSelector="status.phase=,metadata.name=b") as events:
        for name in "ab":
            api.post(widgets, widget(name))
        api.merge(f"{widgets}/b/status", {"status": {"phase": "Handled"}})
        assert changes(events, 2) == [("ADDED", "b"), ("DELETED", "b")]


def test_a_watch_covers_all_namespaces(api: Calls, folder: Space, version: Callable[[], str]) -> None:
    with api.watch("/apis/test.dev/v1/widgets", resourceVersion=version()) as events, Space(api) as other:
        for place in (folder, other):
            place.put(widget(place.name))
        assert changes(events, 2) == [("ADDED", folder.name), ("ADDED", other.name)]


def test_a_watch_ends_when_its_time_is_up(api: Calls, maps: str, version: Callable[[], str]) -> None:
    with api.watch(maps, resourceVersion=version(), timeoutSeconds=1) as events:
        assert list(events) == []


def test_rows_are_watched_as_rows(api: Calls, maps: str, version: Callable[[], str]) -> None:
    with api.watch(maps, accept=TABLE, resourceVersion=version()) as events:
        api.post(maps, config_map("a", {"x": "1"}))
        event = next(events)
    assert event["type"] == "ADDED" and event["object"]["kind"] == "Table"
    assert event["object"]["rows"][0]["cells"][:2] == ["a", "0s"]
