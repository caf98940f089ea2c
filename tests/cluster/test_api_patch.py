"""Patches: JSON patch, merge patch."""

from __future__ import annotations

from typing import Any

import pytest

from tests.cluster.calls import Calls, Folder, config_map, deployment


@pytest.fixture
def note(api: Calls, folder: Folder) -> str:
    api.post(folder.path("configmaps"), config_map("note", {"a": "1", "b": "2"}))
    return folder.path("configmaps", "note")


@pytest.fixture
def web(api: Calls, folder: Folder) -> str:
    """A Deployment with two variables in its one container."""
    body = deployment()
    body["spec"]["template"]["spec"]["containers"][0]["env"] = [
        {"name": "A", "value": "1"},
        {"name": "B", "value": "2"},
    ]
    body["spec"]["template"]["spec"]["volumes"] = [{"name": "tmp", "emptyDir": {}}]
    api.post(folder.path("deployments"), body)
    return folder.path("deployments", "web")


def test_a_merge_patch_sets_merges_and_removes(api: Calls, note: str) -> None:
    assert api.merge(note, {"data": {"a": None, "c": "3"}}).ok["data"] == {"b": "2", "c": "3"}


def test_a_merge_patch_replaces_lists(api: Calls, web: str) -> None:
    patch = {"spec": {"template": {"spec": {"containers": [{"name": "other", "image": "x:1"}]}}}}
    containers = api.merge(web, patch).ok["spec"]["template"]["spec"]["containers"]
    assert [one["name"] for one in containers] == ["other"]


def test_a_json_patch_does_one_step_after_the_other(api: Calls, note: str) -> None:
    result = api.json_patch(
        note,
        {"op": "test", "path": "/data/a", "value": "1"},
        {"op": "move", "from": "/data/a", "path": "/data/z"},
        {"op": "add", "path": "/metadata/labels", "value": {}},
        {"op": "add", "path": "/metadata/labels/team~1role", "value": "x"},
        {"op": "remove", "path": "/data/b"},
    ).ok
    assert result["data"] == {"z": "1"} and result["metadata"]["labels"] == {"team/role": "x"}


@pytest.mark.parametrize(
    "operation",
    [
        {"op": "test", "path": "/data/a", "value": "9"},
        {"op": "remove", "path": "/data/nope"},
        {"op": "replace", "path": "/nope/deep", "value": 1},
    ],
)
def test_a_json_patch_that_does_not_fit_changes_nothing(api: Calls, note: str, operation: dict[str, Any]) -> None:
    answer = api.json_patch(note, {"op": "add", "path": "/data/c", "value": "3"}, operation)
    assert (answer.code, answer.body["reason"]) == (422, "Invalid")
    assert api.get(note).ok["data"] == {"a": "1", "b": "2"}


def test_a_malformed_json_patch_is_refused(api: Calls, note: str) -> None:
    assert api.call("PATCH", note, {"op": "add"}, "application/json-patch+json").code == 400


@pytest.mark.parametrize("content_type", ["text/plain", "application/json", "application/strategic-merge-patch+json"])
def test_a_patch_of_no_known_form_is_refused(api: Calls, note: str, content_type: str) -> None:
    answer = api.call("PATCH", note, {}, content_type)
    assert (answer.code, answer.body["reason"]) == (415, "UnsupportedMediaType")
