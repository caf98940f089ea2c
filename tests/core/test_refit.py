"""The model that is fitted again after the proof serves if its guards pass; else the validated one does, and says why."""

from __future__ import annotations

from typing import Any

import pytest

from perennial_operator.core import names
from perennial_operator.core.manifests.validate_job import validate_manifest
from tests.builders import a_deployment, a_version, a_world, merged, task_of
from tests.simulation.play import Play, a_play, on_an_empty_cluster
from tests.simulation.results import trained, validated

PROVEN, SECOND = f"{1:064x}", "9" * 64
ARTIFACT = {"uri": "s3://models/perennial/default/bike/m/refit.joblib", "sha256": SECOND, "bytes": 1}
QUALITY = [{"name": "missing_increase", "feature": "feature1", "value": 0.2}]
REFIT = {"message": "fitted again to 1000 rows", "rows": 1000, "artifact": ARTIFACT, "quality": QUALITY}
MEASURED = {"metrics": {"mse": 80.0, "r2": 0.9}, "difference": 0.1, "error": 0.1}
BY_TIME = {"timeColumn": "at"}
SERVES = "the model that serves is the proven recipe fitted again to 1000 rows, the holdout included"


def validated_message(status: dict[str, Any]) -> str:
    return str(next(each for each in status["conditions"] if each["type"] == "Validated")["message"])


def a_play_by_time(**changes: Any) -> Play:
    return a_play(**merged({"data": BY_TIME}, changes))


def until_judged(play: Play, refit: Any = REFIT, measured: Any = MEASURED, **scores: Any) -> dict[str, Any]:
    """The status of the first version after the gate."""
    play.settle()
    result = merged(trained(1), {"contract": 4, "refit": refit})
    play.finish("bike-v1-train", result)
    play.finish("bike-v1-validate", merged(validated(**scores), {"refit": measured}))
    return dict(play.version(1))


def test_task_asks_for_a_refit_and_the_validation_measures_it() -> None:
    play = a_play_by_time()
    play.settle()
    assert task_of(play.bodies["Job", "bike-v1-train"])["refit"] is True
    play.finish("bike-v1-train", merged(trained(1), {"contract": 4, "refit": REFIT}))
    task = task_of(play.bodies["Job", "bike-v1-validate"])
    assert (task["candidate"]["sha256"], task["refit"]["sha256"]) == (PROVEN, SECOND)
    assert play.version(1)["artifact"]["sha256"] == PROVEN and not play.version(1)["refit"]["serves"]


def test_refit_is_approved_served_and_recorded() -> None:
    play = a_play_by_time(rollout={"approval": "manual"})
    status = until_judged(play)
    assert (status["phase"], status["artifact"]["sha256"]) == ("AwaitingApproval", SECOND)
    assert SERVES in status["message"] and status["refit"] == {
        **REFIT,
        "serves": True,
        "message": SERVES,
        "artifact": ARTIFACT,
        "proven": trained(1)["artifact"],
    }
    assert status["metrics"]["candidate"]["mse"] == 80.0
    play.annotate("ModelVersion", "bike-v1", names.APPROVED, "ada")
    play.pods_ready()
    assert play.version(1)["phase"] == "Live"
    assert task_of(play.bodies["Deployment", "bike-v1"])["artifact"]["sha256"] == SECOND
    again = on_an_empty_cluster(play)
    again.settle()
    assert again.version(1)["artifact"] == play.version(1)["artifact"]
    assert again.version(1)["refit"] == play.version(1)["refit"]


@pytest.mark.parametrize("which", ["artifact", "proven"])
def test_page_that_names_a_model_elsewhere_is_passed_over(which: str) -> None:
    play = a_play_by_time()
    until_judged(play)
    play.pods_ready()
    for entry in play.cluster.storage.entries.values():
        entry["status"]["refit"][which]["uri"] = "https://elsewhere/refit.joblib"
    again = on_an_empty_cluster(play)
    again.settle()
    trigger = again.bodies["ModelVersion", "bike-v2"]["spec"]["trigger"]
    assert trigger["reason"] == "Initial" and "all its files must be below" in trigger["message"]


@pytest.mark.parametrize(
    ("spec", "refit", "measured", "why"),
    [
        ({}, {"quality": [{**QUALITY[0], "value": 0.21}]}, {}, "feature1 is missing in 21% more of the holdout rows"),
        ({"drift": {"quality": {"maxMissing": 0.1}}}, {}, {}, "feature1 is missing in 20% more of the holdout rows"),
        (
            {"drift": {"quality": {"maxNew": 0.1}}},
            {"quality": [{"name": "new_share", "feature": "town", "value": 0.2}]},
            {},
            "town has a value that is new in 20% of the holdout rows, and spec.drift.quality.maxNew is 0.1",
        ),
        ({}, {}, {"metrics": {"mse": 80.1}}, "its mse on the holdout is 80.1, worse than the validated model's 80"),
        ({}, {}, {"metrics": {"mse": None}}, "mse was not measured on the holdout"),
        ({}, {}, {"difference": 0.11}, "its answers on the holdout differ from those of the validated model by 0.11"),
        ({}, {}, None, "the validation has not measured it"),
        ({"validation": {"thresholds": [{"metric": "r2", "min": 0.8}]}}, {}, {"metrics": {"r2": 0.7}}, "r2 is 0.7"),
    ],
)
def test_validated_model_serves_if_a_guard_fails(spec: Any, refit: Any, measured: Any, why: str) -> None:
    play = a_play_by_time(**spec)
    status = until_judged(play, REFIT | refit, None if measured is None else merged(MEASURED, measured))
    assert (status["phase"], status["artifact"]["sha256"], status["refit"]["serves"]) == ("RollingOut", PROVEN, False)
    assert f"the validated model serves, and not its refit: {why}" in status["refit"]["message"]
    assert status["refit"]["message"] in validated_message(status)
    assert task_of(play.bodies["Deployment", "bike-v1"])["artifact"]["sha256"] == PROVEN


@pytest.mark.parametrize(
    ("measured", "serves"),
    [({"metrics": {"mse": 81.0}, "difference": 1e-7}, True), ({"difference": 5e-7, "error": 0.0}, True)],
)
def test_models_that_answer_alike_pass_the_guards(measured: Any, serves: bool) -> None:
    assert until_judged(a_play_by_time(), measured=merged(MEASURED, measured))["refit"]["serves"] is serves


@pytest.mark.parametrize(("ratio", "serves"), [(1.4, True), (1.6, False)])
def test_refit_keeps_the_limits_of_slices(ratio: float, serves: bool) -> None:
    group = {"column": "region", "metric": "mse", "group": "north", "rows": 45, "live": 100.0}
    limit = {"column": "region", "metric": "mse", "maxRatio": 1.5}
    play = a_play_by_time(validation={"slices": [limit]})
    play.until_live(1)
    play.annotate("ModelDeployment", "bike", names.RETRAIN, "now")
    play.finish("bike-v2-train", merged(trained(2), {"contract": 4, "refit": REFIT}))
    good = group | {"candidate": 90.0, "ratio": 0.9}
    measured = MEASURED | {"slices": [group | {"candidate": 100 * ratio, "ratio": ratio}]}
    result = validated(80.0, live=120.0) | {"slices": [good], "refit": measured}
    play.finish("bike-v2-validate", result)
    assert (play.version(2)["phase"], play.version(2)["refit"]["serves"]) == ("RollingOut", serves)


@pytest.mark.parametrize(
    ("spec", "result", "why"),
    [
        ({"training": {"refit": False}}, {"contract": 4}, "spec.training.refit is false"),
        ({"data": {"timeColumn": None}}, {"contract": 4}, "it needs data.timeColumn"),
        ({"model": {"framework": "custom"}, "training": {"pod": {"image": "ours:1"}}}, {}, "framework custom has none"),
        ({"training": {"pod": {"image": "ours:1"}}}, {}, "the trainer's image is not known to make one (contract 4)"),
        ({}, {"contract": 3}, "the trainer's image made none (contract 3)"),
        ({}, {"contract": 4, "refit": {"message": "its epochs cannot be fixed"}}, "its epochs cannot be fixed"),
    ],
)
def test_version_without_a_refit_says_why(spec: Any, result: Any, why: str) -> None:
    play = a_play(**merged({"data": BY_TIME}, spec))
    play.settle()
    assert ("refit" in task_of(play.bodies["Job", "bike-v1-train"])) == (spec == {})
    play.finish("bike-v1-train", merged(trained(1), result))
    play.finish("bike-v1-validate", validated())
    status = play.version(1)
    assert (status["phase"], status["artifact"]["sha256"]) == ("RollingOut", PROVEN)
    assert status["refit"]["message"].startswith(f"no refit: {why}") and "artifact" not in status["refit"]


def test_refit_false_counts_for_a_candidate_that_waits() -> None:
    play = a_play_by_time(rollout={"approval": "manual"})
    assert until_judged(play)["artifact"]["sha256"] == SECOND
    play.edit({"training": {"refit": False}})
    status = play.version(1)
    assert (status["phase"], status["artifact"]["sha256"]) == ("AwaitingApproval", PROVEN)
    assert "spec.training.refit is false" in status["refit"]["message"]


def test_edit_of_refit_trains_nothing() -> None:
    play = a_play_by_time()
    until_judged(play)
    play.pods_ready()
    play.edit({"training": {"refit": False}})
    assert play.version(1)["phase"] == "Live" and ("ModelVersion", "bike-v2") not in play.bodies


def test_older_image_compares_with_the_validated_model() -> None:
    """It cannot tell which rows a refit has learned."""
    refit = {"serves": True, "message": "", "artifact": ARTIFACT, "proven": {**ARTIFACT, "sha256": PROVEN}}
    live = a_version(1, "Live", status={"artifact": ARTIFACT, "refit": refit})
    for contract, expected in ((3, PROVEN), (4, SECOND)):
        image = {"image": "ours:1", "contract": contract}
        candidate = a_version(2, "Validating", {"training": {"pod": {"image": "ours:1"}}}, image)
        world = a_world(deployment=a_deployment(), versions=(live, candidate))
        assert task_of(validate_manifest(world, candidate))["live"]["sha256"] == expected
