"""A Delta table: the files of one version, by the window, and the same training again."""

from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake

from perennial_trainer.contract.data import DataSource, DeltaSource
from perennial_trainer.contract.errors import RejectedTask
from perennial_trainer.contract.features.columns import Features
from perennial_trainer.data.load import load_rows
from perennial_trainer.data.schema import Columns
from tests.trainer.tasks import ABSENT, Trainer, a_check, a_training, diabetes

COLUMNS = Columns(Features(numeric=("age", "bmi"), categorical=("sex",)), "target", "regression", "day")


def write(frame: pd.DataFrame, folder: Path, **options: object) -> DataSource:
    write_deltalake(folder, pa.Table.from_pandas(frame, preserve_index=False), **options)  # type: ignore[arg-type]
    return DataSource(delta=DeltaSource(uri=folder.as_uri()))


def test_training_is_repeated_on_exactly_its_version(trainer: Trainer, tmp_path: Path) -> None:
    table = tmp_path / "patients"
    write(diabetes()[:400], table, partition_by=["sex"])
    task = a_training("", (tmp_path / "v1").as_uri(), data__uri=ABSENT, data__timeColumn="day")
    task["data"]["delta"] = {"uri": table.as_uri()}
    first = trainer.done(task)
    assert first["data"]["snapshot"] == "Delta version 0"
    write(diabetes()[400:], table, mode="append", partition_by=["sex"])
    DeltaTable(table).delete("age > 70")
    newest = trainer.done(task | {"storage": (tmp_path / "v2").as_uri()})
    assert newest["data"]["snapshot"] == "Delta version 2"
    assert newest["data"]["sha256"] != first["data"]["sha256"]
    task["data"]["delta"]["version"] = 0
    again = trainer.done(task | {"storage": (tmp_path / "v3").as_uri()})
    assert again["artifact"]["sha256"] == first["artifact"]["sha256"]
    check = a_check(task, first, "", data__uri=ABSENT, data__window="24h", data__timeColumn="day")
    check["data"]["delta"] = {"uri": table.as_uri()}
    assert 0 < trainer.done(check)["samples"] <= 24


def test_compaction_changes_no_digest(tmp_path: Path) -> None:
    source = write(diabetes()[:100], tmp_path / "a")
    write(diabetes()[100:], tmp_path / "a", mode="append")
    columns = Columns(COLUMNS.features, "target", "regression", None)
    before = load_rows(source, columns).fingerprint
    DeltaTable(tmp_path / "a").optimize.compact()
    assert load_rows(source, columns).fingerprint == before


def test_files_outside_window_are_not_read_of_a_table(tmp_path: Path) -> None:
    source = write(diabetes()[:400], tmp_path / "a")
    write(diabetes()[400:], tmp_path / "a", mode="append")
    (old,) = (
        tmp_path / "a" / each for each in DeltaTable(tmp_path / "a", version=0).get_add_actions()["path"].to_pylist()
    )
    content = old.read_bytes()
    footer = int.from_bytes(content[-8:-4], "little") + 8
    old.write_bytes(b"PAR1" + b"\xff" * (len(content) - footer - 4) + content[-footer:])
    assert len(load_rows(source, COLUMNS, window="24h")) == 24


@pytest.mark.parametrize(
    ("folder", "version", "words"), [("b", None, "has no Delta table"), ("a", 9, "no readable log of version 9")]
)
def test_table_that_is_not_there_is_refused(tmp_path: Path, folder: str, version: int | None, words: str) -> None:
    write(diabetes(), tmp_path / "a")
    (tmp_path / "b").mkdir()
    missing = DataSource(delta=DeltaSource(uri=(tmp_path / folder).as_uri(), version=version))
    with pytest.raises(RejectedTask, match=words) as refused:
        load_rows(missing, COLUMNS)
    assert refused.value.reason == "NotADeltaTable"


def test_table_without_rows_is_refused(tmp_path: Path) -> None:
    source = write(diabetes(), tmp_path / "a")
    DeltaTable(tmp_path / "a").delete()
    with pytest.raises(RejectedTask, match="has no row in version 1"):
        load_rows(source, COLUMNS)


def test_table_whose_files_have_removed_rows_is_refused(tmp_path: Path) -> None:
    source = write(diabetes(), tmp_path / "a")
    log = tmp_path / "a" / "_delta_log" / "00000000000000000001.json"
    log.write_text(
        '{"protocol":{"minReaderVersion":3,"minWriterVersion":7,"readerFeatures":["deletionVectors"],"writerFeatures":["deletionVectors"]}}\n'
    )
    with pytest.raises(RejectedTask, match="with deletionVectors, whose files alone"):
        load_rows(source, COLUMNS)


def test_missing_library_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "deltalake", None)
    with pytest.raises(RejectedTask, match="one that has deltalake"):
        load_rows(DataSource(delta=DeltaSource(uri=tmp_path.as_uri())), COLUMNS)
