"""`python -m perennial_trainer` as a pod runs it: exit code, log, and an answer even to a kill."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from tests.trainer.tasks import RESULT, Json, a_check, a_training, diabetes, written


def environment(task: Json, result: Path) -> dict[str, str]:
    return {**os.environ, "PERENNIAL_TASK": json.dumps(task), "PERENNIAL_RESULT": str(result)}


def run(task: Json, result: Path) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "perennial_trainer"]
    return subprocess.run(command, env=environment(task, result), capture_output=True, text=True, timeout=120)


def answer(result: Path) -> Json:
    written: Json = json.loads(result.read_text())
    RESULT.validate(written)
    return written


def eventually(condition: Callable[[], bool], what: str) -> None:
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end, what
        time.sleep(0.02)


def test_a_training_answers_and_logs_what_and_how_much(tmp_path: Path) -> None:
    uri = written(diabetes(), tmp_path / "data" / "a.csv")
    done = run(a_training(uri, (tmp_path / "v1").as_uri()), tmp_path / "answer")
    assert (done.returncode, done.stderr) == (0, "")
    assert answer(tmp_path / "answer")["outcome"] == "Succeeded"
    lines = done.stdout.splitlines()
    assert lines[0] == "train progression-v1 in clinic"
    assert any("442 rows" in line for line in lines)


def test_check_by_a_compiled_model_has_no_slow_import(tmp_path: Path) -> None:
    patients = pd.concat([diabetes().assign(s1=lambda f, n=n: f["s1"] + n) for n in range(20)], ignore_index=True)
    training = a_training(written(patients, tmp_path / "data" / "a.parquet"), (tmp_path / "v1").as_uri())
    assert run(training, tmp_path / "answer").returncode == 0
    trained = answer(tmp_path / "answer")
    labelled = written(patients, tmp_path / "labelled" / "a.parquet")
    unlabelled = written(patients.drop(columns="target"), tmp_path / "unlabelled" / "a.parquet")
    code = (
        "import sys; from perennial_trainer.__main__ import main; assert main() == 0; "
        "print(sorted({'sklearn', 'scipy', 'pandas', 'numpy.random'} & set(sys.modules)))"
    )
    for recent, predictions in ((labelled, True), (unlabelled, True), (unlabelled, False)):
        sealed = {"live__metadataSha256": trained["artifact"]["metadataSha256"]}
        task = a_check(training, trained, recent, predictions=predictions, **sealed)
        done = subprocess.run(
            [sys.executable, "-c", code], env=environment(task, tmp_path / "answer"), capture_output=True, text=True
        )
        assert (done.stdout.splitlines()[-1:], done.stderr) == (["[]"], ""), (recent, predictions)
        assert answer(tmp_path / "answer")["samples"] == 8840


def test_a_refusal_has_its_own_exit_code(tmp_path: Path) -> None:
    done = run(a_training("file:///nowhere", (tmp_path / "v1").as_uri()), tmp_path / "answer")
    assert (done.returncode, done.stderr) == (3, "")
    assert answer(tmp_path / "answer")["reason"] == "NoFilesMatched"


def test_a_kill_that_leaves_no_time_to_answer_is_explained(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "slow.csv")  # the training waits for rows that never come
    result = tmp_path / "answer"
    task = a_training((tmp_path / "slow.csv").as_uri(), (tmp_path / "v1").as_uri())
    command = [sys.executable, "-m", "perennial_trainer"]
    with subprocess.Popen(command, env=environment(task, result), stdout=subprocess.DEVNULL) as process:
        try:
            eventually(lambda: result.exists() and bool(result.read_bytes()), "no early answer")
            assert process.poll() is None
        finally:
            process.kill()
    assert process.returncode == -9
    written = answer(result)
    assert (written["outcome"], written["reason"]) == ("Failed", "Interrupted")
    assert "memory" in written["message"]


@pytest.mark.parametrize(
    "module",
    ["__main__", "contract.task", "contract.result", "artifacts.model_file", "storage.store", "contract.errors"],
)
def test_no_slow_import_before_the_first_log_line(module: str) -> None:
    code = f"import sys, perennial_trainer.{module}; print(sorted({{'sklearn', 'pandas', 'numpy'}} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "[]"


def test_an_answer_that_cannot_be_written_changes_no_exit_code(tmp_path: Path) -> None:
    done = run(a_training("file:///nowhere", (tmp_path / "v1").as_uri()), tmp_path / "no" / "folder")
    assert done.returncode == 3
    assert "NoFilesMatched" in done.stdout and "cannot be written" in done.stdout
