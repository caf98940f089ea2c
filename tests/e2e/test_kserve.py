"""A model that KServe serves, from a cluster without KServe to a promotion and a roll-back."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.models import BY_ERRORS, a_claim, a_model, a_report, a_table, rows
from tests.kserve_api import definition
from tests.manifests.conftest import established
from tests.small_kserve import SmallKServe
from tests.stage import Stage, chosen_cluster

QUESTION = {
    "inputs": [{"name": f"feature{i}", "shape": [1], "datatype": "FP64", "data": [float(i)]} for i in (1, 2)],
}
SPEC = {
    "serving": {"runtime": "kserve", "replicas": 1},
    "rollout": {
        "steps": [{"weight": 15, "hold": "1h"}],
        "analysis": BY_ERRORS,
        "watch": "0s",  # the next candidate is to roll out at once
    },
}


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """A cluster of its own, which has no KServe at first."""
    if chosen_cluster() == "current":
        pytest.skip("the tests serve InferenceServices themselves, and would be in the way of the cluster's KServe")
    directory: Path = tmp_path_factory.mktemp("kserve")
    with Stage(directory, cluster=chosen_cluster()) as stage:
        yield stage


@pytest.fixture(scope="module")
def kserve(stage: Stage) -> Iterator[SmallKServe]:
    with SmallKServe(stage, "led") as kserve:
        yield kserve


def test_a_model_waits_for_kserve_and_is_then_served(stage: Stage, kserve: SmallKServe) -> None:
    stage.apply(a_table("led-data", {"0.csv": rows(0)}), a_claim("led-models"), a_model("led", SPEC))
    stage.wait("the version reports it", lambda: stage.version("led-v1").get("reason") == "KServeNotFound", 90)
    stage.wait("the model reports it", lambda: stage.condition("led", "Routed").get("reason") == "KServeNotFound")
    fix = "install KServe with Knative"
    stage.wait("and says how to fix it", lambda: fix in stage.condition("led", "Ready").get("message", ""))

    stage.apply(definition())
    stage.wait("InferenceServices are served", lambda: established(stage.kubectl, definition()["metadata"]["name"]))
    stage.kubectl.annotate("ModelDeployment", "led", {"somebody": "looks"})
    stage.until_phase("led-v1", "Live")
    stage.wait("it is Ready", lambda: stage.condition("led", "Ready").get("status") == "True")
    assert kserve.ask(10, QUESTION) == {"led-v1": 10}
    assert "http://led.default.example.com" in stage.condition("led", "Routed")["message"]


def drifts(stage: Stage, number: int, slope: float) -> None:
    """The world has changed, and a report about the live version says so."""
    report = a_report(f"led-{number}", "led", modelVersion=f"led-v{number - 1}")
    stage.apply(a_table("led-data", {f"{number}.csv": rows(number, slope=slope)}), report)
    stage.until_phase(f"led-v{number}", "RollingOut")


def test_a_candidate_gets_its_share_is_analysed_and_takes_over(stage: Stage, kserve: SmallKServe) -> None:
    drifts(stage, 2, slope=9)
    stage.wait(
        "the candidate has its share", lambda: trigger_pass(stage) and kserve.percents() == {"led-v1": 85, "led-v2": 15}
    )
    stage.wait("it is analysed", lambda: conditions(stage, "led-v2").get("Analysed") == "Unknown")
    assert kserve.ask(100, QUESTION) == {"led-v1": 85, "led-v2": 15}
    stage.wait("the analysis has passed", lambda: conditions(stage, "led-v2").get("Analysed") == "True")
    stage.kubectl.patch("ModelDeployment", "led", {"spec": {"rollout": {"steps": [{"weight": 15}]}}})
    stage.until_phase("led-v2", "Live")
    stage.wait("it has all requests", lambda: settled(stage, "led-v2"))
    assert kserve.ask(10, QUESTION) == {"led-v2": 10}
    assert stage.predict("led", {"feature1": [1.0], "feature2": [2.0]})[0] == pytest.approx(9 - 4, abs=0.5)


def test_a_candidate_that_somebody_rejects_gets_no_more_requests(stage: Stage, kserve: SmallKServe) -> None:
    stage.kubectl.patch("ModelDeployment", "led", {"spec": {"rollout": {"steps": [{"weight": 15, "hold": "1h"}]}}})
    drifts(stage, 3, slope=-5)
    stage.wait(
        "the candidate has its share", lambda: trigger_pass(stage) and kserve.percents() == {"led-v2": 85, "led-v3": 15}
    )
    stage.kubectl.annotate("ModelVersion", "led-v3", {"perennial.dev/rejected-by": "ada"})
    stage.until_phase("led-v3", "RolledBack")
    stage.wait("it has no requests", lambda: trigger_pass(stage) and kserve.percents() == {"led-v2": 100})
    assert kserve.ask(10, QUESTION) == {"led-v2": 10}
    stage.wait("its pods go", lambda: stage.serves_alone("led-v2"))
    stage.wait("the newest revision is the live version's", lambda: settled(stage, "led-v2"))
    assert kserve.ask(10, QUESTION) == {"led-v2": 10}


def trigger_pass(stage: Stage) -> bool:
    """Makes the operator read at once what it does not watch."""
    stage.kubectl.annotate("ModelDeployment", "led", {"somebody": f"looks at {time.monotonic()}"})
    return True


def settled(stage: Stage, version: str) -> bool:
    """Whether the InferenceService is as it is wanted outside of a roll-out."""
    trigger_pass(stage)
    inference = stage.kubectl.get("InferenceService", "led")
    assert inference
    predictor, status = inference["spec"]["predictor"], inference["status"]["components"]["predictor"]
    holds = predictor["labels"]["perennial.dev/model-version"], predictor["canaryTrafficPercent"]
    return holds == (version, 100) and len(status["traffic"]) == 1


def conditions(stage: Stage, version: str) -> dict[str, str]:
    return {c["type"]: c["status"] for c in stage.version(version).get("conditions", [])}
