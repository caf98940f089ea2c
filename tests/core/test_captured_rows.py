"""Captured rows and their labels: what tasks say of them, and what follows from a check of them."""

from __future__ import annotations

from typing import Any

import pytest

from perennial_operator.core.actions import Create
from perennial_operator.core.rules.trainings.recipes import recipe
from tests.builders import a_deployment, merged, task_of
from tests.simulation.play import Play, a_play
from tests.simulation.results import checked
from tests.trainer.tasks import TASK

CAPTURE = {"key": "ride", "secretRef": {"name": "capture-keys"}}
LABELS = {"uri": "s3://bikes/labels/*.csv", "key": "ride", "mature": "6h", "timeColumn": "known"}
SPEC: dict[str, Any] = {
    "data": {"timeColumn": "perennial.time", "training": {"captured": True}, "labels": LABELS},
    "drift": {
        "check": {"schedule": "*/15 * * * *", "data": {"captured": True}, "window": "24h"},
        "thresholds": [{"metric": "psi", "max": 0.2}],
        "cooldown": "1m",
    },
    "serving": {"capture": CAPTURE},
}
CHECK = "bike-check-202611231215"


def live(**changes: Any) -> Play:
    play = a_play(**merged(SPEC, changes))
    play.until_live(1)
    play.wait(minutes=15)
    return play


def container(play: Play, job: str) -> dict[str, Any]:
    (create,) = [each for each in play.done if isinstance(each, Create) and each.manifest["metadata"]["name"] == job]
    (only,) = create.manifest["spec"]["template"]["spec"]["containers"]
    return dict(only)


def task(play: Play, job: str) -> dict[str, Any]:
    (create,) = [each for each in play.done if isinstance(each, Create) and each.manifest["metadata"]["name"] == job]
    return task_of(create.manifest)


def test_check_of_captured_rows_starts_a_training_of_them() -> None:
    play = live()
    of_check = task(play, CHECK)
    assert of_check["data"]["captured"] == {
        "uri": of_check["storage"].split("/checks/")[0] + "/captured",
        "labels": LABELS,
    }
    assert "uri" not in of_check["data"]
    play.finish(CHECK, checked(0.3) | {"waiting": 70})
    assert play.bodies["DriftReport", CHECK]["spec"]["waiting"] == 70
    assert play.status["drift"]["waiting"] == 70
    assert play.outcome(CHECK)[0] == "Triggered"
    of_training = task(play, "bike-v2-train")
    assert of_training["data"]["captured"] == of_check["data"]["captured"]
    assert "uri" in of_training["data"]
    for each in (of_check, of_training):
        TASK.validate(each)


@pytest.mark.parametrize("in_clear", [False, True])
def test_only_jobs_that_join_labels_have_the_key_of_capture(in_clear: bool) -> None:
    play = live(serving={"capture": {"keyInClear": in_clear}})
    source = {"secretKeyRef": {"name": "capture-keys", "key": "PERENNIAL_CAPTURE_KEY"}}
    given = [{"name": "PERENNIAL_CAPTURE_KEY", "valueFrom": source}] if not in_clear else []
    for job in (CHECK, "bike-v1-train"):
        of_job = container(play, job)
        assert [each for each in of_job["env"] if each["name"] == "PERENNIAL_CAPTURE_KEY"] == given
        assert {"secretRef": {"name": "capture-keys"}} not in of_job.get("envFrom", [])
        assert task(play, job)["data"]["captured"].get("keyInClear", False) is in_clear
    validation = container(play, "bike-v1-validate")
    assert "PERENNIAL_CAPTURE_KEY" not in {each["name"] for each in validation["env"]}


@pytest.mark.parametrize(
    ("change", "is_another"),
    [
        ({"labels": {"mature": "2d"}}, True),
        ({"labels": {"secretRef": {"name": "other-keys"}}}, False),
        ({"training": {"captured": None}, "labels": {"mature": "2d"}}, True),
    ],
)
def test_labels_of_the_training_are_part_of_the_recipe(change: dict[str, Any], is_another: bool) -> None:
    before, after = (recipe(a_deployment(spec=spec).spec) for spec in (SPEC, merged(SPEC, {"data": change})))
    assert (before != after) is is_another


def test_labels_of_a_check_alone_change_no_recipe() -> None:
    of_check = merged(SPEC, {"data": {"training": {"captured": None}}})
    later = merged(of_check, {"data": {"labels": {"mature": "2d"}}})
    assert recipe(a_deployment(spec=of_check).spec) == recipe(a_deployment(spec=later).spec)
