"""A model of 5,000 features passes through the contract between operator and trainer, and through the ledger."""

from __future__ import annotations

import base64
import json
import zlib
from typing import Any

import pytest

from perennial_operator.cluster.pod_status import termination_result
from perennial_operator.core.manifests.pods import LONGEST_TASK
from perennial_trainer.contract.errors import RejectedTask
from perennial_trainer.contract.result import CheckResult, DriftMetric, encode_result
from perennial_trainer.contract.task import CheckTask, parse_task
from tests.simulation.play import Play, a_play, on_an_empty_cluster

NAMES = [f"spectrum_at_{i:04}_nanometres" for i in range(5000)]
NAMED = NAMES[4321]
THRESHOLDS = [{"metric": "psi", "max": 0.2, "features": [NAMED]}, {"metric": "drifted_share", "max": 0.5}]
WIDE: dict[str, Any] = {
    "model": {"features": {"numeric": NAMES, "categorical": []}},
    "drift": {
        "check": {"schedule": "*/15 * * * *", "data": {"uri": "s3://bikes/live"}},
        "thresholds": THRESHOLDS,
        "cooldown": "1m",
    },
}
CHECK = "bike-check-202611231215"


def live(**changes: Any) -> Play:
    play = a_play(**WIDE | changes)
    play.until_live(1)
    return play


def task_text(play: Play, job: str) -> str:
    container = play.bodies["Job", job]["spec"]["template"]["spec"]["containers"][0]
    return str(next(each["value"] for each in container["env"] if each["name"] == "PERENNIAL_TASK"))


def terminated(content: bytes) -> dict[str, Any]:
    """The result as the operator reads it from the pod."""
    state = {"terminated": {"exitCode": 0, "message": content.decode()}}
    result = termination_result(
        {"metadata": {}, "status": {"containerStatuses": [{"name": "trainer", "state": state}]}}
    )
    assert result is not None
    return dict(result)


def test_named_feature_of_5000_breaches_and_starts_a_training() -> None:
    play = live()
    play.wait(minutes=15)
    text = task_text(play, CHECK)
    assert len(text) < LONGEST_TASK
    task = parse_task(text)
    assert isinstance(task, CheckTask)
    assert task.model.features.numeric == tuple(NAMES)
    deciding = [
        DriftMetric(name="psi", feature=NAMED, value=9.0, chance=1e-9),
        DriftMetric(name="drifted_share", value=0.0002),
    ]
    others = [DriftMetric(name="psi", feature=name, value=0.01) for name in NAMES if name != NAMED]
    answer = CheckResult(message="checked", samples=1000, metrics=[*deciding, *others])
    content = encode_result(answer)
    assert len(content) <= 4096
    play.finish(CHECK, terminated(content))
    play.settle()
    assert play.phases()["bike-v2"] == "Training"
    assert NAMED in play.bodies["ModelVersion", "bike-v2"]["spec"]["trigger"]["message"]


@pytest.mark.parametrize("secret", ["old", "new"])
def test_version_of_5000_features_comes_back_to_an_empty_cluster(secret: str) -> None:
    """Also where the Secret of its rows has another name now."""
    recorded, now = ({"training": {"secretRef": {"name": name}}} for name in ("old", secret))
    restored = on_an_empty_cluster(live(data=recorded), **WIDE, data=now)
    restored.settle()
    assert restored.phases() == {"bike-v1": "Live"}
    assert restored.bodies["ModelVersion", "bike-v1"]["spec"]["model"]["features"]["numeric"] == NAMES


@pytest.mark.parametrize(
    "text",
    ['{"zlib": "!"}', json.dumps({"zlib": base64.b85encode(zlib.compress(b"0" * (9 << 20))).decode()})],
    ids=["damaged", "too long"],
)
def test_task_that_cannot_be_decompressed_is_rejected(text: str) -> None:
    with pytest.raises(RejectedTask, match="PERENNIAL_TASK cannot be read"):
        parse_task(text)


def test_result_that_expands_without_bound_is_no_result() -> None:
    bomb = json.dumps({"zlib": base64.b85encode(zlib.compress(b" " * (4 << 20), 9)).decode()})
    state = {"terminated": {"exitCode": 0, "message": bomb}}
    assert termination_result({"metadata": {}, "status": {"containerStatuses": [{"state": state}]}}) is None
