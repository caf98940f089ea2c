"""A candidate's share of the requests, by the weights of an HTTPRoute, with and without a Gateway API."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.models import BY_ERRORS, a_report, a_table, first_version, rows
from tests.gateway import DEFINITION, SmallGateway, in_git
from tests.manifests.conftest import established
from tests.stage import Stage, chosen_cluster

QUESTION = {
    "inputs": [{"name": f"feature{i}", "shape": [1], "datatype": "FP64", "data": [float(i)]} for i in (1, 2)],
}
LONG = {
    "rollout": {
        "gateway": {"httpRoute": "led"},
        "shadow": "1h",
        "steps": [{"weight": 15, "hold": "1h"}],
        "analysis": BY_ERRORS,
    }
}


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """A cluster of its own, which has no Gateway API at first."""
    if chosen_cluster() == "current":
        pytest.skip("the tests lead requests themselves, and would be in the way of the cluster's own gateways")
    directory: Path = tmp_path_factory.mktemp("gateway")
    with Stage(directory, cluster=chosen_cluster()) as stage:
        yield stage


def test_a_model_serves_without_the_gateway_api(stage: Stage) -> None:
    first_version(stage, "led", {"0.csv": rows(0)}, {**LONG, "serving": {"replicas": 1}})
    stage.wait("it is told", lambda: stage.condition("led", "Routed").get("reason") == "RouteNotFound")
    assert "if the cluster has no Gateway API, install it" in stage.condition("led", "Routed")["message"]
    stage.wait("it serves", lambda: stage.condition("led", "Available").get("status") == "True")


def test_a_gateway_roll_out_shadows_and_splits_exactly(stage: Stage) -> None:
    gateway = SmallGateway(stage, "led")
    stage.apply(a_table("led-data", {"0.csv": rows(0), "1.csv": rows(1, slope=9)}), a_report("led-report", "led"))
    waits = "the roll-out waits for its route"
    stage.wait(waits, lambda: stage.version("led-v2").get("reason") == "RouteNotFound", 90)
    assert stage.kubectl.get("Deployment", "led-v2") is None

    stage.apply(DEFINITION)
    stage.wait("HTTPRoutes are served", lambda: established(stage.kubectl, DEFINITION["metadata"]["name"]))
    stage.apply(in_git("led"))
    gateway.accept()
    stage.kubectl.annotate("ModelDeployment", "led", {"somebody": "looks"})
    stage.wait("requests are mirrored", lambda: "filters" in gateway.route()["spec"]["rules"][0])
    assert gateway.ask(20, QUESTION) == {"led-v1": 20}
    assert gateway.counted("led-candidate") == 20

    stage.kubectl.patch("ModelDeployment", "led", {"spec": {"rollout": {"shadow": "1s"}}})
    stage.wait("the candidate has its weight", lambda: gateway.weights() == (85, 15))
    assert "filters" not in gateway.route()["spec"]["rules"][0]
    assert gateway.ask(100, QUESTION) == {"led-v1": 85, "led-v2": 15}

    stage.kubectl.patch("ModelDeployment", "led", {"spec": {"replicas": 2}}, "scale")
    stage.wait("the live version follows the scale", lambda: replicas(stage, "led-v1") == (2, 2), 90)
    assert stage.version("led-v2")["rollout"]["weight"] == 15
    stage.wait("the weights are kept", lambda: gateway.weights() == (85, 15))

    stage.kubectl.patch("ModelDeployment", "led", {"spec": {"rollout": {"steps": [{"weight": 15}]}}})
    stage.until_phase("led-v2", "Live")
    stage.wait("the route is as Git has it", lambda: spec_of(gateway.route()) == spec_of(in_git("led")))
    assert gateway.ask(10, QUESTION) == {"led-v2": 10}
    stage.wait("as many replicas serve as the scale says", lambda: replicas(stage, "led-v2") == (2, 2))
    before = gateway.route()["metadata"]["generation"]
    again = stage.kubectl.patch("HTTPRoute", "led", {"spec": in_git("led")["spec"]})
    assert again["metadata"]["generation"] == before


def replicas(stage: Stage, version: str) -> tuple[int, int]:
    """Asked for, ready."""
    deployment = stage.kubectl.get("Deployment", version) or {"spec": {"replicas": 0}}
    return deployment["spec"]["replicas"], (deployment.get("status") or {}).get("readyReplicas", 0)


def spec_of(route: dict[str, object]) -> dict[str, object]:
    """The spec without what the API server fills in."""
    spec = dict(route["spec"])  # type: ignore[call-overload]
    for rule in spec["rules"]:
        rule["backendRefs"] = [{k: v for k, v in b.items() if k not in ("group", "kind")} for b in rule["backendRefs"]]
    return spec
