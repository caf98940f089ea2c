"""A training that would end as one before is not made, or its end is known: by rows, recipe and image (20 and 25)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from perennial_operator.core import names
from perennial_operator.core.actions import Create
from tests.builders import merged, task_of
from tests.simulation.play import Play, a_play
from tests.simulation.results import trained
from tests.trainer.tasks import Json, Trainer, a_training, diabetes, written

NO_NEW_ROWS = {
    "task": "train",
    "outcome": "Refused",
    "reason": "NoNewRows",
    "message": "the 800 rows of s3://bikes are the rows that bike-v2 was trained on, which was rejected",
}


def train_task(play: Play, number: int) -> dict[str, Any]:
    jobs = [action.manifest for action in play.done if isinstance(action, Create)]
    return task_of(next(job for job in jobs if job["metadata"]["name"] == f"bike-v{number}-train"))


def drift(play: Play, name: str) -> None:
    play.wait(hours=2)
    play.report(name, psi=0.3 + len(name) / 100)
    play.settle()


def rejected(**spec: Any) -> Play:
    """Version 1 is live, and version 2 was rejected by the gate."""
    play = a_play(drift={"cooldown": "1m"}, **spec)
    play.until_live(1)
    drift(play, "october")
    play.until_rolling(2, candidate=90.0, live=90.0, upper=0.5)
    assert play.phases()["bike-v2"] == "Rejected"
    return play


def test_rows_of_a_rejected_candidate_are_no_new_rows() -> None:
    play = rejected()
    drift(play, "november")
    assert train_task(play, 3)["rejectedRows"] == [{"name": "bike-v2", "sha256": trained(2)["data"]["sha256"]}]
    play.finish("bike-v3-train", NO_NEW_ROWS)
    assert (play.version(3)["phase"], play.version(3)["reason"]) == ("Superseded", "NoNewRows")
    assert "bike-v2 was trained on, which was rejected" in play.condition("Retraining")["message"]
    drift(play, "next december")
    assert train_task(play, 4)["rejectedRows"][0]["name"] == "bike-v2"


def other_gate(play: Play) -> None:
    play.edit({"validation": {"against": {"metric": "mse", "tolerance": 1.0}}})


def other_live_version(play: Play) -> None:
    play.annotate("ModelDeployment", "bike", names.RETRAIN, "now")
    play.until_live_again(3)


def other_image(play: Play) -> None:
    play.edit({"training": {"pod": {"image": "ours:2"}}})


@pytest.mark.parametrize("change", [other_gate, other_live_version, other_image])
def test_another_gate_live_version_or_image_may_end_otherwise(change: Any) -> None:
    play = rejected()
    change(play)
    drift(play, "november")
    number = len(play.phases())
    assert "rejectedRows" not in train_task(play, number)


def test_person_may_train_on_rejected_rows() -> None:
    play = rejected()
    play.annotate("ModelDeployment", "bike", names.RETRAIN, "now")
    assert "rejectedRows" not in train_task(play, 3)


def test_candidate_that_an_older_release_rejected_is_not_known() -> None:
    play = rejected()
    body = play.bodies["ModelVersion", "bike-v2"]
    play.cluster.put(body | {"status": merged(body["status"], {"gate": None})})
    drift(play, "november")
    assert "rejectedRows" not in train_task(play, 3)


def rejected_by_person() -> Play:
    play = a_play(drift={"cooldown": "1m"})
    play.until_live(1)
    drift(play, "october")
    play.finish("bike-v2-train", trained(2))
    play.annotate("ModelVersion", "bike-v2", names.REJECTED, "ann")
    return play


def rolled_back() -> Play:
    """Version 2 passed the gate and fails the analysis of its roll-out."""
    play = a_play(drift={"cooldown": "1m"}, rollout={"steps": [{"weight": 50}], "analysis": {}})
    play.until_live(1)
    drift(play, "october")
    play.until_rolling(2, candidate=80.0, live=120.0)
    play.pods_ready()
    for _ in range(2):
        play.requests("bike-v1", 200)
        play.requests("bike-v2", 200, errors=100)
        play.wait(minutes=5)
    assert (play.phases()["bike-v2"], play.version(2)["reason"]) == ("RolledBack", "TooManyErrors")
    return play


@pytest.mark.parametrize("beginning", [rejected_by_person, rolled_back])
@pytest.mark.parametrize(
    ("change", "known"),
    [
        ({}, True),
        ({"validation": {"thresholds": [{"metric": "r2", "min": 0.1}]}}, True),
        ({"data": {"holdout": 0.4}}, False),
        ({"training": {"pod": {"image": "ours:2"}}}, False),
    ],
    ids=["unchanged", "another gate", "another recipe", "another image"],
)
def test_rows_of_a_known_bad_model_are_not_trained(beginning: Any, change: dict[str, Any], known: bool) -> None:
    """Its rejection does not depend on the gate or on the live version."""
    play = beginning()
    play.edit(change)
    drift(play, "november")
    task = train_task(play, len(play.phases()))
    assert ([each["name"] for each in task.get("rejectedRows", [])] == ["bike-v2"]) is known
    if not change:
        play.finish("bike-v3-train", NO_NEW_ROWS)
        assert (play.version(3)["phase"], play.version(3)["reason"]) == ("Superseded", "NoNewRows")


@pytest.mark.parametrize(
    ("change", "phase"),
    [
        ({}, "Rejected"),
        ({"artifact": {"sha256": "9" * 64}}, "Rejected"),  # the same model, by another number of threads
        ({"data": {"sha256": "9" * 64}}, "Validating"),
    ],
    ids=["same bytes", "other bytes of the same rows", "other rows"],
)
def test_known_bad_is_known_by_rows_and_not_by_bytes(change: dict[str, Any], phase: str) -> None:
    play = a_play(drift={"cooldown": "1m"})
    play.until_live(1)
    drift(play, "october")
    play.finish("bike-v2-train", trained(2))
    play.annotate("ModelVersion", "bike-v2", names.REJECTED, "ann")
    drift(play, "november")
    play.finish("bike-v3-train", merged(trained(2), change))
    assert play.version(3)["phase"] == phase
    if phase == "Rejected":
        assert play.version(3)["reason"] == "KnownBad"


def test_trainer_refuses_rejected_rows_and_names_the_candidate(trainer: Trainer, tmp_path: Path) -> None:
    uri = written(diabetes().head(400), tmp_path / "data" / "a.csv")

    def task(name: str, **more: Any) -> Json:
        return a_training(uri, (tmp_path / name).as_uri(), version=name, **more)

    rows = trainer.done(task("v2"))["data"]["sha256"]
    others = [{"name": "v1", "sha256": "0" * 64}, {"name": "v2", "sha256": rows}]
    code, result = trainer(task("v3", rejectedRows=others))
    assert (code, result["reason"]) == (3, "NoNewRows")
    assert "are the rows that v2 was trained on, which was rejected" in result["message"]
    trainer.done(task("v4", rejectedRows=others[:1]))
    uri = written(diabetes().head(401), tmp_path / "data" / "a.csv")
    assert trainer.done(task("v5", rejectedRows=others))["data"]["sha256"] != rows
