"""Before a first version is live, a person who has repaired the cause does not wait (kind 26)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from perennial_operator.core import names
from perennial_operator.core.actions import Create
from tests.builders import task_of
from tests.simulation.play import Play, a_play
from tests.simulation.results import REFUSED, trained
from tests.trainer.tasks import Trainer, a_training, diabetes, written


def refused() -> Play:
    """The first training was refused because of its data."""
    play = a_play()
    play.settle()
    play.finish("bike-v1-train", REFUSED)
    assert play.phases() == {"bike-v1": "Failed"}
    return play


def test_status_names_the_command_that_starts_at_once() -> None:
    play = refused()
    message = play.condition("Ready")["message"]
    assert message.startswith(
        "bike-v1: 12 rows are fewer than minRows 200; bike-v1 ended at 12:00:00; no new candidate"
    )
    assert "to start one at once, run kubectl perennial retrain bike, or annotate the ModelDeployment with" in message
    assert names.RETRAIN in message


def test_request_after_repaired_files_starts_at_once() -> None:
    play = refused()
    play.annotate("ModelDeployment", "bike", names.RETRAIN, "2026-11-23T12:00:30Z")
    assert play.phases() == {"bike-v1": "Failed", "bike-v2": "Training"}


@pytest.mark.parametrize(
    "change",
    [
        {"data": {"training": {"uri": "s3://bikes/repaired/*.parquet"}}},
        {"data": {"minRows": 10}},
        {"model": {"features": {"numeric": ["feature1"]}}},
        {"training": {"timeout": "3h"}},
    ],
    ids=["files", "limit", "features", "training"],
)
def test_changed_spec_starts_at_once(change: dict[str, Any]) -> None:
    play = refused()
    play.edit(change)
    assert play.phases() == {"bike-v1": "Failed", "bike-v2": "Training"}


def test_unchanged_spec_waits_for_the_cool_down() -> None:
    play = refused()
    play.wait(minutes=59)
    assert list(play.phases()) == ["bike-v1"]
    play.wait(minutes=1)
    assert play.phases() == {"bike-v1": "Failed", "bike-v2": "Training"}


FILES = "1" * 64


def unchanged(name: str) -> dict[str, Any]:
    message = f"s3://bikes/training has the files for which {name} was refused, unchanged"
    return {"task": "train", "outcome": "Refused", "reason": "FilesUnchanged", "message": message, "files": FILES}


def task(play: Play, job: str) -> dict[str, Any]:
    manifests = [each.manifest for each in play.done if isinstance(each, Create)]
    return task_of(next(each for each in manifests if each["metadata"]["name"] == job))


def refused_for_files() -> Play:
    play = a_play()
    play.settle()
    assert "refusedFiles" not in task(play, "bike-v1-train")
    play.finish("bike-v1-train", REFUSED | {"files": FILES})
    return play


def test_changed_files_are_trained_on_soon() -> None:
    """The operator cannot list files: trainings that end before they read a row look at doubling intervals."""
    play = refused_for_files()
    message = play.condition("Ready")["message"]
    assert "12 rows are fewer than minRows 200; a training looks at 2026-" in message
    assert "run kubectl perennial retrain bike" in message
    looks = []
    for minute in range(1, 240):
        play.wait(minutes=1)
        newest = list(play.phases())[-1]
        if play.phases()[newest] == "Training":
            looks.append(minute)
            assert task(play, f"{newest}-train")["refusedFiles"] == {"name": "bike-v1", "sha256": FILES}
            play.finish(f"{newest}-train", unchanged("bike-v1"))
            message = play.condition("Ready")["message"]
            assert message.startswith("bike-v1: 12 rows are fewer than minRows 200; a training looks at")
    assert looks == [1, 2, 4, 8, 16, 32, 64, 124, 184]
    assert play.condition("Stalled")["status"] == "False"
    assert list(play.phases()) == ["bike-v1", "bike-v10"]


def test_other_bad_files_are_looked_at_soon_again() -> None:
    play = refused_for_files()
    for number in range(2, 8):
        play.wait(minutes=1)
        play.finish(f"bike-v{number}-train", REFUSED | {"files": f"{number}" * 64})
        assert play.phases()[f"bike-v{number}"] == "Failed"
    play.wait(minutes=1)
    assert task(play, "bike-v8-train")["refusedFiles"] == {"name": "bike-v7", "sha256": "7" * 64}
    assert play.condition("Stalled")["status"] == "False"
    play.finish("bike-v8-train", trained(8))
    assert play.phases()["bike-v8"] == "Validating"


def test_request_trains_on_unchanged_files() -> None:
    play = refused_for_files()
    play.annotate("ModelDeployment", "bike", names.RETRAIN, "2026-11-23T12:00:30Z")
    assert "refusedFiles" not in task(play, "bike-v2-train")


def test_other_image_trains_on_unchanged_files() -> None:
    play = refused_for_files()
    play.edit({"training": {"pod": {"image": "example.com/own:2"}}})
    assert "refusedFiles" not in task(play, "bike-v2-train")


def test_trainer_ends_early_only_for_the_same_files(trainer: Trainer, tmp_path: Path) -> None:
    uri = (tmp_path / "data").as_uri()
    training = a_training(uri, (tmp_path / "v1").as_uri())
    _, before = trainer(training)
    assert before["reason"] == "NoFilesMatched"
    _, same = trainer(training | {"refusedFiles": {"name": "bike-v1", "sha256": before["files"]}})
    assert (same["reason"], same["files"]) == ("FilesUnchanged", before["files"])
    written(diabetes().head(10), tmp_path / "data" / "a.csv")
    _, few = trainer(training | {"refusedFiles": {"name": "bike-v1", "sha256": before["files"]}})
    assert few["reason"] == "TooFewRows" and few["files"] != before["files"]
    _, same = trainer(training | {"refusedFiles": {"name": "bike-v1", "sha256": few["files"]}})
    assert same["reason"] == "FilesUnchanged"
    written(diabetes(), tmp_path / "data" / "a.csv")
    trainer.done(training | {"refusedFiles": {"name": "bike-v1", "sha256": few["files"]}})


def test_refusal_that_time_may_end_names_no_files(trainer: Trainer, tmp_path: Path) -> None:
    uri = written(diabetes(), tmp_path / "data" / "a.parquet")
    training = a_training(uri, (tmp_path / "v1").as_uri(), data__timeColumn="day")
    _, early = trainer(training | {"now": "2025-12-31T00:00:00Z"})
    assert "files" not in early
