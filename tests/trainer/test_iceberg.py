"""An Iceberg table: the rows of one snapshot, by the window, and the same training again."""

import sys
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest
from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.table import Table

from perennial_trainer.contract.data import DataSource, IcebergSource
from perennial_trainer.contract.errors import RejectedTask
from perennial_trainer.contract.features.columns import Features
from perennial_trainer.data import memory
from perennial_trainer.data.load import load_rows
from perennial_trainer.data.notes import Notes
from perennial_trainer.data.schema import Columns
from tests.trainer.tasks import ABSENT, Trainer, a_check, a_training, diabetes, written

COLUMNS = Columns(Features(numeric=("age", "bmi"), categorical=("sex",)), "target", "regression", "day")
WITH_ZONE = pa.timestamp("us", "UTC")


@pytest.fixture
def catalogue(tmp_path: Path) -> SqlCatalog:
    place = SqlCatalog("test", uri=f"sqlite:///{tmp_path}/catalogue.db", warehouse=(tmp_path / "lake").as_uri())
    place.create_namespace("a")
    return place


def arrow(frame: pd.DataFrame, kind: pa.DataType = WITH_ZONE) -> pa.Table:
    """The rows; times are of this type."""
    table = pa.Table.from_pandas(frame, preserve_index=False)
    return table.cast(
        pa.schema([each.with_type(kind) if pa.types.is_timestamp(each.type) else each for each in table.schema])
    )


def new(catalogue: SqlCatalog, *frames: pd.DataFrame, name: str = "patients", **options: pa.DataType) -> Table:
    """A table with a file for each frame."""
    table = catalogue.create_table(("a", name), arrow(frames[0], **options).schema)
    for frame in frames:
        table.append(arrow(frame, **options))
    return table


def source(table: Table, snapshot: int | None = None) -> DataSource:
    return DataSource(iceberg=IcebergSource(uri=table.location(), snapshot=snapshot))


def snapshot(table: Table) -> int:
    current = table.current_snapshot()
    assert current
    return current.snapshot_id


def files(table: Table) -> list[Path]:
    return [Path(each.file.file_path.removeprefix("file://")) for each in table.scan().plan_files()]


def test_training_is_repeated_on_exactly_its_snapshot(trainer: Trainer, tmp_path: Path, catalogue: SqlCatalog) -> None:
    rows = written(diabetes()[:400], tmp_path / "rows" / "a.parquet")
    of_file = trainer.done(a_training(rows, (tmp_path / "v0").as_uri(), data__timeColumn="day"))
    table = new(catalogue, diabetes()[200:400], diabetes()[:200])
    task = a_training("", (tmp_path / "v1").as_uri(), data__uri=ABSENT, data__timeColumn="day")
    task["data"]["iceberg"] = {"uri": table.location()}
    first, read = trainer.done(task), snapshot(table)
    assert first["data"]["snapshot"] == f"Iceberg snapshot {read}"
    assert first["data"]["sha256"] == of_file["data"]["sha256"]
    assert first["artifact"]["sha256"] == of_file["artifact"]["sha256"]
    table.append(arrow(diabetes()[400:]))
    table.delete("age > 70")
    newest = trainer.done(task | {"storage": (tmp_path / "v2").as_uri()})
    assert newest["data"]["snapshot"] == f"Iceberg snapshot {snapshot(table)}"
    assert newest["data"]["sha256"] != first["data"]["sha256"]
    task["data"]["iceberg"]["snapshot"] = read
    again = trainer.done(task | {"storage": (tmp_path / "v3").as_uri()})
    assert again["artifact"]["sha256"] == first["artifact"]["sha256"]
    (metadata,) = (tmp_path / "v3").rglob("metadata.json")
    assert f"Iceberg snapshot {read}" in metadata.read_text()
    check = a_check(task, again, "", data__uri=ABSENT, data__window="24h", data__timeColumn="day")
    check["data"]["iceberg"] = {"uri": table.location()}
    assert 0 < trainer.done(check)["samples"] <= 24


@pytest.mark.parametrize(("window", "count"), [("24d", 24), (24, 24), ("auto", 23)])
@pytest.mark.parametrize("kind", [WITH_ZONE, pa.timestamp("us"), pa.date32()], ids=str)
def test_files_outside_window_of_an_iceberg_table(
    catalogue: SqlCatalog, monkeypatch: pytest.MonkeyPatch, kind: pa.DataType, window: str | int, count: int
) -> None:
    frame = diabetes().assign(day=pd.date_range("2025-01-01", periods=442, freq="D"))
    table = new(catalogue, frame[:200], frame[200:400], frame[400:], kind=kind)
    for file in files(table):
        if pd.read_parquet(file)["age"].tolist() != frame["age"][400:].tolist():
            file.unlink()
    if window == "auto":
        monkeypatch.setattr(memory, "memory_limit", lambda: memory.IDLE + memory.COPIES * 24 * COLUMNS.bytes_per_row)
    rows = load_rows(source(table), COLUMNS, window=window)
    assert rows.features["age"].tolist() == frame["age"][-count:].tolist()


def test_deleted_rows_are_in_no_window(catalogue: SqlCatalog) -> None:
    table = new(catalogue, diabetes()[:300], diabetes()[300:])
    table.delete("day >= '2026-01-10T00:00:00+00:00' and age > 20")
    left = diabetes()[lambda rows: (rows["day"] < pd.Timestamp("2026-01-10", tz="UTC")) | (rows["age"] <= 20)]
    expected = left[left["day"] > left["day"].max() - pd.Timedelta("24h")]
    assert load_rows(source(table), COLUMNS, window="24h").features["bmi"].tolist() == expected["bmi"].tolist()
    assert len(load_rows(source(table), COLUMNS)) == len(left)


@pytest.mark.parametrize("column", ["day", "bmi"])
def test_column_has_the_name_that_it_has_in_the_snapshot(catalogue: SqlCatalog, column: str) -> None:
    old = diabetes().rename(columns={column: "old"})
    table = new(catalogue, old[:400])
    before = snapshot(table)
    with table.update_schema() as update:
        update.rename_column("old", column)
    with_old_names = load_rows(source(table), COLUMNS, window="24h")
    table.append(arrow(diabetes()[400:]))
    assert len(load_rows(source(table), COLUMNS)) == 442
    old_columns = Columns(
        Features(numeric=("age", "old" if column == "bmi" else "bmi"), categorical=("sex",)),
        "target",
        "regression",
        "old" if column == "day" else "day",
    )
    again = load_rows(source(table, before), old_columns, window="24h")
    assert again.features.to_numpy().tolist() == with_old_names.features.to_numpy().tolist()


def test_compaction_of_an_iceberg_table_changes_no_digest(catalogue: SqlCatalog) -> None:
    columns = Columns(COLUMNS.features, "target", "regression", None)
    one, two = new(catalogue, diabetes(), name="one"), new(catalogue, diabetes()[200:], diabetes()[:200], name="two")
    assert load_rows(source(one), columns).fingerprint == load_rows(source(two), columns).fingerprint


def test_metadata_file_is_an_address(catalogue: SqlCatalog) -> None:
    table = new(catalogue, diabetes()[:100])
    old = table.metadata_location
    table.append(arrow(diabetes()[100:]))
    notes = Notes()
    assert len(load_rows(DataSource(iceberg=IcebergSource(uri=old)), COLUMNS, notes=notes)) == 100
    assert notes.snapshot != f"Iceberg snapshot {snapshot(table)}"


def test_table_in_a_bucket(s3: None, tmp_path: Path) -> None:
    options = {"uri": f"sqlite:///{tmp_path}/catalogue.db", "warehouse": "s3://bikes/lake"}
    catalogue = SqlCatalog("test", **options, **{"py-io-impl": "pyiceberg.io.fsspec.FsspecFileIO"})
    catalogue.create_namespace("a")
    assert len(load_rows(source(new(catalogue, diabetes())), COLUMNS, window="24h")) == 24


def test_two_newest_metadata_files_are_refused(catalogue: SqlCatalog) -> None:
    table = new(catalogue, diabetes())
    newest = Path(table.metadata_location.removeprefix("file://"))
    newest.with_name("00001-left-over.metadata.json").write_bytes(newest.read_bytes())
    with pytest.raises(RejectedTask, match=r"several newest metadata files, 00001-.* and .*: give in iceberg.uri"):
        load_rows(source(table), COLUMNS)


def test_table_cannot_name_a_file_of_another_store(catalogue: SqlCatalog) -> None:
    table = new(catalogue, diabetes())
    change(table, '"manifest-list":"file://', '"manifest-list":"https://example.com')
    with pytest.raises(RejectedTask, match="the table is in file://, but has a file in https://"):
        load_rows(source(table), COLUMNS)


def test_table_cannot_name_a_class(catalogue: SqlCatalog) -> None:
    table = new(catalogue, diabetes())
    change(table, '"properties":{}', '"properties":{"py-io-impl":"tests.trainer.test_iceberg.NeverCalled"}')
    assert len(load_rows(source(table), COLUMNS)) == 442


class NeverCalled:
    def __init__(self, properties: object) -> None:
        raise AssertionError


def change(table: Table, old: str, new: str) -> None:
    newest = Path(table.metadata_location.removeprefix("file://"))
    content = newest.read_text()
    assert old in content
    newest.write_text(content.replace(old, new))


def test_damaged_file_of_an_iceberg_table_is_refused(catalogue: SqlCatalog) -> None:
    table = new(catalogue, diabetes())
    files(table)[0].write_bytes(b"PAR1" * 100)
    with pytest.raises(RejectedTask, match=r"pyiceberg cannot read .*rewrite the files of the table") as refused:
        load_rows(source(table), COLUMNS)
    assert refused.value.reason == "UnreadableFile"


@pytest.mark.parametrize(
    ("folder", "number", "words"),
    [
        ("nothing", None, "has no Iceberg table: correct iceberg.uri"),
        ("nothing/v1.metadata.json", None, "has no Iceberg table: correct iceberg.uri"),
        ("a/patients", 9, "has no snapshot 9: correct iceberg.snapshot"),
    ],
)
def test_iceberg_table_that_is_not_there_is_refused(
    catalogue: SqlCatalog, tmp_path: Path, folder: str, number: int | None, words: str
) -> None:
    new(catalogue, diabetes())
    uri = (tmp_path / "lake" / folder).as_uri()
    with pytest.raises(RejectedTask, match=words) as refused:
        load_rows(DataSource(iceberg=IcebergSource(uri=uri, snapshot=number)), COLUMNS)
    assert refused.value.reason == "NotAnIcebergTable"


def test_table_without_a_snapshot_is_refused(catalogue: SqlCatalog) -> None:
    table = catalogue.create_table("a.empty", arrow(diabetes()).schema)
    with pytest.raises(RejectedTask, match="has no snapshot yet: write rows there"):
        load_rows(source(table), COLUMNS)


def test_missing_pyiceberg_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [each for each in sys.modules if each.startswith("perennial_trainer.data.tables.iceberg")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "pyiceberg", None)
    for name in [each for each in sys.modules if each.startswith("pyiceberg.")]:
        monkeypatch.delitem(sys.modules, name)
    with pytest.raises(RejectedTask, match="one that has pyiceberg"):
        load_rows(DataSource(iceberg=IcebergSource(uri=tmp_path.as_uri())), COLUMNS)
