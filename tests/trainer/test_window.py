"""A window is pushed down: parts of the files that have no row of it are neither read nor counted."""

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from perennial_trainer.contract.data import RecentData
from perennial_trainer.contract.errors import RejectedTask, TaskError
from perennial_trainer.contract.features.columns import Features
from perennial_trainer.data import memory
from perennial_trainer.data.load import load_rows
from perennial_trainer.data.notes import Notes
from perennial_trainer.data.schema import Columns
from perennial_trainer.data.window import rows_in_window
from perennial_trainer.drift.recent_rows.selection import recent_batches

COLUMNS = Columns(Features(numeric=("temp",), categorical=()), "cnt", "regression", "day")
GROUP, DAYS = 50, 600
NOW = pd.Timestamp("2026-11-20T12:00:00Z")


def history(days: int = DAYS) -> pd.DataFrame:
    """One row for each day, up to the day before NOW."""
    times = pd.date_range(end="2026-11-20", periods=days, freq="D", tz="UTC").as_unit("us")
    return pd.DataFrame({"temp": np.arange(days) % 7.0, "cnt": np.arange(days) * 1.0, "day": times})


def write(frame: pd.DataFrame, file: Path) -> str:
    file.parent.mkdir(parents=True, exist_ok=True)
    frame.to_parquet(file, row_group_size=GROUP, index=False)
    return file.parent.as_uri()


def damage(file: Path, groups: int) -> None:
    """Overwrites the rows of the first row groups; the footer stays as it is."""
    metadata = pq.read_metadata(file)
    content = bytearray(file.read_bytes())
    start = (
        metadata.row_group(groups).column(0).dictionary_page_offset
        or metadata.row_group(groups).column(0).data_page_offset
    )
    content[4:start] = b"\xff" * (start - 4)
    file.write_bytes(content)


@pytest.mark.parametrize(("window", "rows"), [("90d", 90), (90, 90), ("100d", 100)])
def test_row_groups_outside_window_are_not_read(tmp_path: Path, window: str | int, rows: int) -> None:
    uri = write(history(), tmp_path / "a.parquet")
    damage(tmp_path / "a.parquet", (DAYS - 100) // GROUP)
    with pytest.raises(TaskError, match="could not be read"):
        load_rows(uri, COLUMNS, NOW)
    assert len(load_rows(uri, COLUMNS, NOW, window=window)) == rows
    source = RecentData(uri=uri, time_column="day", window=window)
    assert sum(map(len, recent_batches(source, COLUMNS, NOW.to_pydatetime()))) == rows


@pytest.mark.parametrize(("window", "rows"), [("90d", 90), (90, 90)])
def test_files_outside_window_are_not_read(tmp_path: Path, window: str | int, rows: int) -> None:
    for year, frame in history().groupby(history()["day"].dt.year):
        uri = write(frame, tmp_path / f"{year}.parquet")
    damage(tmp_path / "2025.parquet", 1)
    assert len(load_rows(uri, COLUMNS, NOW, window=window)) == rows


def test_folders_of_days_outside_window_are_not_read(tmp_path: Path) -> None:
    for day, frame in history(12).groupby("day"):
        write(frame.drop(columns="day"), tmp_path / f"day={day.date()}" / "a.parquet")
    broken = tmp_path / "day=2026-11-09" / "a.parquet"
    broken.write_bytes(b"PAR1" + b"\xff" * 8 + broken.read_bytes()[12:])
    assert len(load_rows(tmp_path.as_uri(), COLUMNS, NOW, window="5d")) == 5


def test_rows_outside_window_do_not_count_as_too_large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    uri = write(history(), tmp_path / "a.parquet")
    limit = memory.IDLE + memory.COPIES * 120 * COLUMNS.bytes_per_row
    monkeypatch.setattr("perennial_trainer.data.memory.memory_limit", lambda: limit)
    with pytest.raises(RejectedTask) as refused:
        load_rows(uri, COLUMNS, NOW)
    assert refused.value.reason == "DataTooLarge" and "set data.window to a duration" in refused.value.message
    assert len(load_rows(uri, COLUMNS, NOW, window="90d")) == 90


def test_automatic_window_has_newest_rows_that_fit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    uri, notes = write(history(), tmp_path / "a.parquet"), Notes()
    damage(tmp_path / "a.parquet", (DAYS - 100) // GROUP)
    limit = memory.IDLE + memory.COPIES * 120 * COLUMNS.bytes_per_row
    monkeypatch.setattr("perennial_trainer.data.memory.memory_limit", lambda: limit)
    rows = load_rows(uri, COLUMNS, NOW, notes, window="auto")
    assert rows.target.tolist() == list(range(500, 600))
    assert notes.sentences() == ["rows up to 2026-08-12T00:00:00Z do not fit into memory and were not read"]
    monkeypatch.setattr("perennial_trainer.data.memory.memory_limit", lambda: memory.IDLE)
    with pytest.raises(RejectedTask, match="more than the"):
        load_rows(uri, COLUMNS, NOW, window="auto")


def test_place_of_value_is_true_behind_skipped_groups(tmp_path: Path) -> None:
    frame = history().assign(temp=lambda rows: rows["temp"].where(rows.index != DAYS - 2, np.inf))
    uri = write(frame, tmp_path / "a.parquet")
    rows = load_rows(uri, COLUMNS, NOW, window="5d")
    assert rows.unusable["temp"].place.endswith(f"a.parquet, row {DAYS - 1}")
    (batch,) = recent_batches(RecentData(uri=uri, time_column="day", window="5d"), COLUMNS)
    assert batch.first_row == DAYS - GROUP


days = st.integers(-40, 30) | st.none()
kinds = st.sampled_from(["timestamp", "local", "date", "epoch", "text"])


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.lists(days, max_size=12), min_size=1, max_size=4),
    kinds,
    st.sampled_from(["1d", "9d", 1, 7, 30, "auto"]),
    st.booleans(),
)
def test_pushed_down_window_has_same_rows(
    tmp_path_factory: pytest.TempPathFactory,
    files: list[list[int | None]],
    kind: str,
    window: str | int,
    statistics: bool,
) -> None:
    folder = tmp_path_factory.mktemp("rows")
    for number, offsets in enumerate(files):
        pq.write_table(
            table(offsets, number, kind), folder / f"{number}.parquet", row_group_size=3, write_statistics=statistics
        )
    pushed = outcome(lambda: load_rows(folder.as_uri(), COLUMNS, NOW, window=window))
    whole = outcome(lambda: (lambda rows: rows_in_window(rows, window, NOW))(load_rows(folder.as_uri(), COLUMNS, NOW)))
    assert pushed == whole


def table(offsets: list[int | None], number: int, kind: str) -> pa.Table:
    times = [None if day is None else NOW + pd.Timedelta(days=day) for day in offsets]
    columns = {
        "timestamp": pa.array(times, pa.timestamp("us", "Europe/Berlin")),
        "local": pa.array([None if each is None else each.tz_localize(None) for each in times], pa.timestamp("ns")),
        "date": pa.array([None if each is None else each.date() for each in times], pa.date32()),
        "epoch": pa.array([None if each is None else int(each.timestamp()) for each in times], pa.int64()),
        "text": pa.array([None if each is None else each.isoformat() for each in times], pa.string()),
    }
    ids = [number * 100.0 + row for row in range(len(offsets))]
    return pa.table({"temp": ids, "cnt": ids, "day": columns[kind]})


def outcome(read) -> object:
    """The rows with a time, or the reason of the refusal."""
    try:
        rows = read()
    except RejectedTask as refusal:
        return refusal.reason
    return rows.target[rows.time.notna()].tolist()
