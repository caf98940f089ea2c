"""Objects as the rows that kubectl prints."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.cluster.calls import Calls, Folder, widget
from tests.cluster.tables import age

TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"


def cells(api: Calls, path: str) -> list[dict[str, object]]:
    """One dictionary for each row, by the columns' names."""
    result = api.call("GET", path, accept=TABLE).ok
    names = [column["name"] for column in result["columnDefinitions"]]
    return [dict(zip(names, row["cells"], strict=True)) for row in result["rows"]]


def test_a_custom_kind_has_the_columns_of_its_definition(api: Calls, folder: Folder) -> None:
    api.post(folder.path("widgets"), widget())
    result = api.call("GET", folder.path("widgets"), accept=TABLE).ok
    assert (result["kind"], result["apiVersion"]) == ("Table", "meta.k8s.io/v1") and result["metadata"][
        "resourceVersion"
    ]
    shape = [(one["name"], one["type"], one["format"], one["priority"]) for one in result["columnDefinitions"]]
    assert shape == [
        ("Name", "string", "name", 0),
        ("Mode", "string", "", 0),
        ("Ready", "string", "", 0),
        ("Replicas", "integer", "", 1),
        ("Age", "date", "", 0),
    ]
    (row,) = result["rows"]
    assert row["cells"][:4] == ["a", "good", None, 1] and row["cells"][4].endswith("s")
    assert row["object"]["kind"] == "PartialObjectMetadata" and row["object"]["metadata"]["name"] == "a"


def test_a_column_may_look_for_a_condition(api: Calls, folder: Folder) -> None:
    api.post(folder.path("widgets"), widget())
    conditions = [{"type": "Other", "status": "False"}, {"type": "Ready", "status": "True"}]
    api.merge(folder.path("widgets", "a", "status"), {"status": {"conditions": conditions}})
    assert [row["Ready"] for row in cells(api, folder.path("widgets"))] == ["True"]


@pytest.mark.parametrize(("include", "kind"), [("Object", "Widget"), ("Metadata", "PartialObjectMetadata")])
def test_a_row_carries_as_much_of_its_object_as_is_asked_for(
    api: Calls, folder: Folder, include: str, kind: str
) -> None:
    api.post(folder.path("widgets"), widget())
    result = api.call("GET", folder.path("widgets"), accept=TABLE, includeObject=include).ok
    assert result["rows"][0]["object"]["kind"] == kind


@pytest.mark.parametrize(
    ("span", "text"),
    [
        ({"seconds": -5}, "<invalid>"),
        ({"seconds": 0}, "0s"),
        ({"seconds": 119}, "119s"),
        ({"seconds": 120}, "2m"),
        ({"seconds": 125}, "2m5s"),
        ({"minutes": 10, "seconds": 5}, "10m"),
        ({"minutes": 179}, "179m"),
        ({"hours": 3, "minutes": 2}, "3h2m"),
        ({"hours": 8, "minutes": 2}, "8h"),
        ({"hours": 47}, "47h"),
        ({"days": 3, "hours": 4}, "3d4h"),
        ({"days": 8, "hours": 4}, "8d"),
        ({"days": 729}, "729d"),
        ({"days": 2 * 365 + 15}, "2y15d"),
        ({"days": 9 * 365}, "9y"),
    ],
)
def test_an_age_is_as_coarse_as_kubernetes_prints_it(span: dict[str, int], text: str) -> None:
    assert age(timedelta(**span)) == text
