"""Folders named `column=value`, as Spark, Hive and pyarrow write them, are columns."""

from pathlib import Path

import pandas as pd
import pytest

from perennial_trainer.contract.task import Features
from perennial_trainer.data import load
from perennial_trainer.data.schema import Columns
from perennial_trainer.data.tables.source import open_source
from perennial_trainer.drift.recent_rows import stream
from perennial_trainer.storage.listing import partition_columns
from tests.trainer.tasks import Trainer, a_check, a_training, a_validation, a_version, diabetes

COLUMNS = Columns(Features(numeric=("bmi",), categorical=("sex",)), "target", "regression", "date")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("bikes/region=eu/a.parquet", {"region": "eu"}),
        ("bikes/region=eu/day=2026-11-22/a.parquet", {"region": "eu", "day": "2026-11-22"}),
        ("/data/place=S%C3%A3o%20Paulo%2FSul/a.csv", {"place": "São Paulo/Sul"}),
        ("bikes/rule=a=b/a.csv", {"rule": "a=b"}),
        ("bikes/a=b.csv", {}),
        ("bikes/=b/a.csv", {}),
        ("https://host/region=eu/a.csv?sig=a/b=c", {"region": "eu"}),
    ],
)
def test_folder_names_a_column_and_its_value(name: str, expected: dict[str, str]) -> None:
    assert partition_columns(name) == expected


def test_hive_null_partition_is_a_missing_value() -> None:
    assert pd.isna(partition_columns("bikes/region=__HIVE_DEFAULT_PARTITION__/a.csv")["region"])


def folders(root: Path) -> str:
    """The patients, in folders by sex and date, as pandas writes them; one folder has a csv file."""
    patients = diabetes().assign(date=lambda f: f["day"].dt.strftime("%Y-%m-%d")).drop(columns="day")
    patients.to_parquet(root / "patients", partition_cols=["sex", "date"], index=False)
    (old,) = (root / "patients" / "sex=1" / "date=2026-01-01").iterdir()
    pd.read_parquet(old).to_csv(old.with_suffix(".csv"), index=False)
    old.unlink()
    return (root / "patients").as_uri()


def test_partitions_read_back_as_the_written_columns(tmp_path: Path) -> None:
    rows = load.load_rows(folders(tmp_path), COLUMNS)
    assert rows.features["sex"].value_counts().to_dict() == diabetes()["sex"].astype(str).value_counts().to_dict()
    assert rows.time is not None and rows.time.is_monotonic_increasing
    assert rows.features.groupby("sex")["bmi"].sum().to_dict() == pytest.approx(
        diabetes().groupby(diabetes()["sex"].astype(str))["bmi"].sum().to_dict()
    )
    some = load.load_rows(f"{tmp_path.as_uri()}/patients/sex=2/**", COLUMNS)
    assert set(some.features["sex"]) == {"2"}
    streamed = pd.concat([part.rows.features for part in stream.read_batches(folders_uri(tmp_path), COLUMNS)])
    assert sorted(streamed["bmi"]) == sorted(rows.features["bmi"])


def folders_uri(root: Path) -> str:
    return (root / "patients").as_uri()


def test_column_in_file_takes_precedence_over_folder_column(tmp_path: Path) -> None:
    (tmp_path / "sex=9").mkdir()
    diabetes().assign(date="2026-01-01").to_csv(tmp_path / "sex=9" / "a.csv", index=False)
    assert set(load.load_rows(tmp_path.as_uri(), COLUMNS).features["sex"]) == {"1", "2"}


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_rows_are_read_if_all_needed_columns_are_partitions(tmp_path: Path, suffix: str) -> None:
    folder = tmp_path / "date=2026-01-01"
    folder.mkdir()
    diabetes().to_csv(folder / "a.csv", index=False) if suffix == "csv" else diabetes().to_parquet(folder / "a.parquet")
    dates = pd.concat(list(stream.read_column(open_source(tmp_path.as_uri(), COLUMNS), "date")))
    assert (len(dates), set(dates)) == (442, {"2026-01-01"})


def test_all_tasks_read_partitioned_folders(trainer: Trainer, tmp_path: Path) -> None:
    uri = folders(tmp_path)
    task = a_training(uri, (tmp_path / "v1").as_uri(), data__timeColumn="date", data__window="15d")
    trained = trainer.done(task)
    assert trained["data"]["end"] == "2026-01-19T00:00:00Z"
    assert (
        trainer.done(a_validation(task, trained, a_version(trained)))["holdoutRows"] == trained["data"]["holdoutRows"]
    )
    checked = trainer.done(a_check(task, trained, uri, data__timeColumn="date", data__window="3d"))
    assert checked["samples"] == 58


def test_non_numeric_partition_is_rejected_as_numeric_feature(trainer: Trainer, tmp_path: Path) -> None:
    (tmp_path / "data" / "s5=high").mkdir(parents=True)
    diabetes().drop(columns="s5").to_csv(tmp_path / "data" / "s5=high" / "a.csv", index=False)
    code, answer = trainer(a_training((tmp_path / "data").as_uri(), (tmp_path / "v1").as_uri()))
    assert (code, answer["reason"]) == (3, "NonNumericFeature"), answer
