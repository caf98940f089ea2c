"""Data that do not fit into memory are rejected with their size and the limit before a row is loaded."""

from pathlib import Path

import pytest

from perennial_trainer.contract.errors import RejectedTask
from perennial_trainer.contract.task import Features
from perennial_trainer.data import memory
from perennial_trainer.data.files import readers
from perennial_trainer.data.files.parts import list_parts
from perennial_trainer.data.rows import Rows
from perennial_trainer.data.schema import Columns
from perennial_trainer.storage import store as storage
from tests.trainer.tasks import Frame, Trainer, a_training, breast_cancer, diabetes, written

COLUMNS = Columns(Features(numeric=("age", "bmi"), categorical=("sex",)), "target", "regression", "day")
LIMITED = "0::/pods/trainer\n"


def machine(root: Path, files: dict[str, str]) -> Path:
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(content)
    return root


@pytest.mark.parametrize(
    ("files", "limit"),
    [
        ({"sys/fs/cgroup/memory.max": "2000000000\n"}, 2_000_000_000),
        ({"sys/fs/cgroup/memory.max": "max\n", "proc/meminfo": "MemTotal: 9 kB\nMemAvailable:  4000 kB\n"}, 4_096_000),
        ({"sys/fs/cgroup/pods/memory.max": "5000\n", "proc/self/cgroup": LIMITED}, 5000),
        (
            {
                "sys/fs/cgroup/pods/memory.max": "5000\n",
                "sys/fs/cgroup/pods/trainer/memory.max": "4000",
                "proc/self/cgroup": LIMITED,
            },
            4000,
        ),
        ({"sys/fs/cgroup/memory/memory.limit_in_bytes": "3000\n", "proc/meminfo": "MemAvailable: 8 kB\n"}, 3000),
        ({}, None),
    ],
    ids=["pod", "no limit but the machine's", "a group above", "the lowest of all", "version 1", "unknown"],
)
def test_memory_limit_is_lowest_of_cgroups_and_free_memory(
    tmp_path: Path, files: dict[str, str], limit: int | None
) -> None:
    assert memory.memory_limit(machine(tmp_path, files)) == limit


def test_memory_limit_of_this_machine_is_plausible() -> None:
    limit = memory.memory_limit()
    assert limit is not None and limit > memory.IDLE / 10


def test_data_over_the_limit_are_rejected_with_both_sizes() -> None:
    memory.check_memory(10**9, None, "s3://bikes")
    memory.check_memory(10**9, memory.IDLE + memory.COPIES * 10**9, "s3://bikes")
    with pytest.raises(RejectedTask) as refused:
        memory.check_memory(10**11, 2 * 10**9, "s3://bikes")
    assert refused.value.reason == "DataTooLarge"
    message = refused.value.message
    for words in ("s3://bikes", "100.0 GB", "500.2 GB", "2.0 GB", "training.pod.resources.limits.memory"):
        assert words in message


@pytest.mark.parametrize("name", ["a.parquet", "a.csv", "a.csv.gz"])
def test_memory_size_is_estimated_from_file_ends(tmp_path: Path, name: str) -> None:
    patients = Frame.sample(diabetes(), 25_000, replace=True, random_state=0)
    store, path = storage.open_filesystem(written(patients, tmp_path / name))
    estimated = sum(part.size for part in list_parts(readers.DataFiles(store, [f"{path}/{name}"], COLUMNS)))
    (table,) = readers.read_tables(store, f"{path}/{name}", COLUMNS, whole=True)
    whole = table.to_pandas()
    rows = Rows(
        COLUMNS, whole[["age", "bmi"]].astype(float).assign(sex=whole["sex"].astype("str")), whole["target"], None
    )
    measured = rows.features.memory_usage(index=False).sum() + 2 * 8 * len(whole)
    assert 0.8 < estimated / measured < 2.5


@pytest.mark.parametrize("name", ["a.parquet", "a.csv", "a.csv.gz"])
def test_too_large_data_are_rejected_before_they_are_read(
    trainer: Trainer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    uri = written(breast_cancer().assign(mean_radius="no number"), tmp_path / "data" / name)
    task = a_training(uri, (tmp_path / "v1").as_uri(), "breast_cancer")
    task["model"]["features"]["numeric"] = ["mean_radius"]
    assert trainer(task).answer["reason"] == "NonNumericFeature"
    monkeypatch.setattr("perennial_trainer.data.memory.memory_limit", lambda: memory.IDLE + 569 * 8)
    code, answer = trainer(task)
    assert (code, answer["outcome"], answer["reason"]) == (3, "Refused", "DataTooLarge"), answer
    assert uri in answer["message"] and "250.0 MB" not in answer["message"]
    assert not (tmp_path / "v1").exists()


def test_only_needed_columns_count(trainer: Trainer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    uri = written(breast_cancer(), tmp_path / "data" / "a.parquet")
    all_of_them = a_training(uri, (tmp_path / "v1").as_uri(), "breast_cancer")
    few = a_training(uri, (tmp_path / "v1").as_uri(), "breast_cancer")
    few["model"]["features"]["numeric"] = ["mean radius", "mean texture"]
    monkeypatch.setattr(
        "perennial_trainer.data.memory.memory_limit", lambda: memory.IDLE + memory.COPIES * 569 * 8 * 10
    )
    assert trainer(all_of_them).answer["reason"] == "DataTooLarge"
    trainer.done(few)
