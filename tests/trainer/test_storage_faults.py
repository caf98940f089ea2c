"""A full disk or a killed training leaves no partial version, and the next training completes."""

import json
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from perennial_trainer.contract.task import parse_task
from perennial_trainer.storage import store as storage
from perennial_trainer.storage.version_files import METADATA
from perennial_trainer.training.train import train_version
from tests.trainer.tasks import Json, a_training, diabetes, written
from tests.trainer.test_process import answer, environment


def a_task(tmp_path: Path, version: str) -> Json:
    return a_training(written(diabetes(), tmp_path / "data" / "a.csv"), (tmp_path / version).as_uri())


def files(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir()}


def test_full_disk_fails_and_leaves_no_partial_file(tmp_path: Path) -> None:
    task, result = a_task(tmp_path, "v1"), tmp_path / "answer"
    most = 4000  # bytes of a file: enough for the answer, too few for the holdout

    def small_disk() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))

    command = [sys.executable, "-m", "perennial_trainer"]
    done = subprocess.run(
        command, env=environment(task, result), preexec_fn=small_disk, capture_output=True, timeout=120
    )
    assert done.returncode == 1
    assert (answer(result)["outcome"], answer(result)["reason"]) == ("Failed", "StorageNotWritable")
    assert f"{tmp_path}/v1" in answer(result)["message"]
    left = files(tmp_path / "v1")
    assert METADATA not in left
    assert all(len(content) < most and not name.endswith(".part") for name, content in left.items())

    train_version(parse_task(json.dumps(task)))
    assert METADATA in files(tmp_path / "v1")


class Killed(BaseException):
    """The pod is gone."""


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """What an undisturbed training leaves."""
    directory = tmp_path_factory.mktemp("whole")
    train_version(parse_task(json.dumps(a_task(directory, "v1"))))
    return files(directory / "v1")


@pytest.mark.parametrize("after", range(8))
def test_killed_training_is_incomplete_and_retry_completes(
    after: int, whole: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert len(whole) == 8
    task, put, count = parse_task(json.dumps(a_task(tmp_path, "v1"))), storage._put, iter(range(8))

    def dying(store: Any, path: str, content: bytes) -> None:
        if next(count) == after:
            Path(f"{path}.part").parent.mkdir(parents=True, exist_ok=True)
            Path(f"{path}.part").write_bytes(content[: len(content) // 2])
            raise Killed
        put(store, path, content)

    with monkeypatch.context() as patch:
        patch.setattr(storage, "_put", dying)
        with pytest.raises(Killed):
            train_version(task)
    assert METADATA not in files(tmp_path / "v1")
    train_version(task)
    again = files(tmp_path / "v1")
    assert again.keys() == whole.keys()
    model = next(name for name in whole if name.startswith("model."))
    assert again[model] == whole[model]
