"""The same value is converted in the same way from csv, parquet and a JSON request."""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from perennial_trainer.contract.errors import RejectedTask
from perennial_trainer.contract.task import Features
from perennial_trainer.data import conversion
from perennial_trainer.data.categories import sorted_classes
from perennial_trainer.data.load import load_rows
from perennial_trainer.data.schema import Columns
from tests.trainer.tasks import Frame, all_times, written

SEASONS = Features(numeric=("temp",), categorical=("season",))
COLUMNS = Columns(SEASONS, "cnt", "regression", None)


@pytest.mark.parametrize(
    "values",
    [
        [1, 2, 1],
        [1.0, 2.0, 1.0],
        ["1", "2", "1"],
        ["1.0", "2.00", "1"],
        [1, "2", 1.0],
        np.array([1, 2, 1]),
        np.array([1.0, 2.0, 1.0], dtype=np.float32),
        pd.Series([1, 2, 1], dtype="Int64"),
        pd.Series([1, 2, 1], dtype="category"),
        pd.Series(["1", "2", "1"], dtype="category"),
    ],
)
def test_category_has_one_name_for_all_notations(values: Any) -> None:
    assert conversion.to_categories(values).tolist() == ["1", "2", "1"]


@pytest.mark.parametrize("missing", [None, np.nan, pd.NA, pd.NaT, "", " \t"])
def test_missing_values_stay_missing(missing: Any) -> None:
    assert conversion.to_categories(["a", missing]).isna().tolist() == [False, True]


@pytest.mark.parametrize(("text", "kept"), [("01", "01"), ("1.50", "1.50"), ("a.0", "a.0"), ("1.0.0", "1.0.0")])
def test_text_that_only_resembles_a_number_is_unchanged(text: str, kept: str) -> None:
    assert conversion.to_categories([text]).tolist() == [kept]


@pytest.mark.parametrize("truth", [True, np.True_, "True", "TRUE", "true"])
def test_booleans_have_one_spelling(truth: Any) -> None:
    assert conversion.to_categories([truth, None]).tolist()[0] == "true"


@given(st.lists(st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)))
def test_conversion_of_categories_is_idempotent(values: list[Any]) -> None:
    once = conversion.to_categories(values)
    pd.testing.assert_series_equal(conversion.to_categories(once), once)


def test_csv_parquet_and_request_give_the_same_rows(tmp_path: Path) -> None:
    whole = pd.DataFrame({"temp": [0.1, 20, 3], "season": [1, 2, 1], "cnt": [5, 6, 7]})
    gap = pd.concat([whole, pd.DataFrame({"temp": [4.0], "season": [None], "cnt": [8]})])  # csv now writes 1.0
    frames: list[Frame] = []
    for number, source in enumerate((whole, gap)):
        for suffix in ("csv", "parquet"):
            uri = written(source, tmp_path / f"{number}{suffix}" / f"rides.{suffix}")
            frames.append(load_rows(uri, COLUMNS).take(slice(0, 3)).features)
    request = json.loads('{"season": [1, "2", 1.0], "temp": [0.1, 20, 3.0]}')
    frames.append(conversion.feature_frame(request, SEASONS))
    for other in frames[1:]:
        pd.testing.assert_frame_equal(other, frames[0])


def test_category_keeps_leading_zero_in_csv(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("temp,season,cnt\n1,01234,1\n2,1234,1\n")
    assert load_rows(tmp_path.as_uri(), COLUMNS).features["season"].tolist() == ["01234", "1234"]


def test_digests_are_the_same_in_every_format_and_release(tmp_path: Path) -> None:
    frame = pd.DataFrame({"temp": [0.1, -0.0, 3], "season": [1, None, 1], "cnt": [5, 6, 7]})
    ours = load_rows(written(frame, tmp_path / "c" / "a.csv"), COLUMNS).digests
    assert ours.tolist() == load_rows(written(frame.abs(), tmp_path / "p" / "a.parquet"), COLUMNS).digests.tolist()
    # Stored with every version: should they ever change, no row of an older version would be known again.
    assert ours.tolist() == [14134390724306714571, 17139097657780778353, 6672178646990196224]


@pytest.mark.parametrize(
    "values",
    [
        ["2026-01-02T03:00:00Z"],
        ["2026-01-02T04:00:00+01:00"],
        ["2026-01-02 03:00:00"],
        [pd.Timestamp("2026-01-02 03:00")],
        [pd.Timestamp("2026-01-02 03:00", tz="UTC")],
        [1767322800],
        ["1767322800"],
        [Decimal("1767322800.0")],
        [1767322800.0],
        [1767322800_000],
        [1767322800_000_000],
        [1767322800_000_000_000],
    ],
)
def test_time_is_the_same_instant_in_all_notations(values: Any) -> None:
    assert all_times("hour", values).tolist() == [pd.Timestamp("2026-01-02 03:00", tz="UTC")]


@pytest.mark.parametrize("values", [["20260102"], [20260102], ["2026-01-02"], [pd.Timestamp("2026-01-02").date()]])
def test_day_is_its_midnight(values: Any) -> None:
    assert all_times("day", values).tolist() == [pd.Timestamp("2026-01-02", tz="UTC")]


@pytest.mark.parametrize(
    "values",
    [["03/04/2026"], ["soon"], [True], [202601], [2026102013], [46315], [1767322800, 1767322800_000], [0, 1, 2]],
)
def test_ambiguous_time_is_rejected(values: Any) -> None:
    with pytest.raises(RejectedTask, match="time column hour"):
        all_times("hour", values)


@pytest.mark.parametrize("values", [np.array(["0000-12-31"], "datetime64[s]"), ["-0004-01-01"], ["0001-01-01T00+01"]])
def test_time_before_the_year_1_is_rejected(values: Any) -> None:
    with pytest.raises(RejectedTask, match="time column hour") as rejected:
        all_times("hour", values)
    assert rejected.value.reason == "UnreadableTime"


def test_rows_are_sorted_by_time_in_stable_order(tmp_path: Path) -> None:
    columns = Columns(SEASONS, "cnt", "regression", "day")
    first = pd.DataFrame(
        {"temp": 0, "season": "a", "cnt": [1, 2, 3], "day": ["2026-01-03", "2026-01-01", "2026-01-02"]}
    )
    written(first, tmp_path / "a.csv")
    written(first.assign(cnt=[4, 5, 6]), tmp_path / "b.parquet")
    assert load_rows(tmp_path.as_uri(), columns).target.tolist() == [2, 5, 3, 6, 1, 4]


def test_glob_and_folder_match_data_files_except_hidden_ones(tmp_path: Path) -> None:
    frame = pd.DataFrame({"temp": [1], "season": ["a"], "cnt": [1]})
    for number, name in enumerate(("a.csv", "b/c.csv", "_log/d.csv", ".e.csv", "f.csv.gz", "g.txt")):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        frame.assign(cnt=number).to_csv(tmp_path / name, index=False)
    assert load_rows(tmp_path.as_uri(), COLUMNS).target.tolist() == [0, 1, 4]
    assert load_rows(f"{tmp_path.as_uri()}/*.csv", COLUMNS).target.tolist() == [0]
    assert load_rows(f"{tmp_path.as_uri()}/[ab]*", COLUMNS).target.tolist() == [0]


def test_row_without_time_is_not_the_newest(tmp_path: Path) -> None:
    columns = Columns(SEASONS, "cnt", "regression", "day")
    days = ["2026-01-02", None, "2026-01-01"]
    written(pd.DataFrame({"temp": 0, "season": "a", "cnt": [1, 2, 3], "day": days}), tmp_path / "a.csv")
    assert load_rows(tmp_path.as_uri(), columns).target.tolist() == [2, 3, 1]


@pytest.mark.parametrize(
    "values",
    [
        [1, 0, None],
        [True, False, None],
        ["1", " 0.0 ", None],
        [Decimal(1), Decimal(0), None],
        pd.Series([1, 0, None], dtype="Int64"),
    ],
)
def test_number_is_the_same_in_all_notations(values: Any) -> None:
    floats, bad = conversion.to_numbers(values)
    np.testing.assert_array_equal(floats, [1.0, 0.0, np.nan])
    assert not bad.any()


@pytest.mark.parametrize("value", ["1,5", "1.5 kg", "warm", pd.Timestamp("2026-01-01")])
def test_non_numbers_are_distinguished_from_missing_values(value: Any) -> None:
    assert conversion.to_numbers([1.0, value, None])[1].tolist() == [False, True, False]


def test_classes_are_integers_if_written_as_integers() -> None:
    assert conversion.to_labels(conversion.to_categories(["10", 9.0])).tolist() == [10, 9]
    assert conversion.to_labels(conversion.to_categories(["10", "9", "a"])).tolist() == ["10", "9", "a"]
    assert sorted_classes(["10", "9"]) == ("9", "10")
    assert sorted_classes(["10", "9", "a"]) == ("10", "9", "a")
