"""The World of a model that KServe serves: pods by their labels, and an InferenceService that may be missing."""

from __future__ import annotations

import json
from typing import Any

import pytest

from perennial_operator.cluster.cache import Cache
from perennial_operator.cluster.cache_entry import Key
from perennial_operator.cluster.errors import GoneError, UnknownKindError, error_of
from perennial_operator.core import names
from perennial_operator.core.world import Policy, RoutingObject, Serving, World
from perennial_operator.reconcile.world_builder import build_world
from tests.builders import NOON, SPEC, a_body, merged

KEY = Key("default", "bike")
KSERVE = merged(SPEC, {"serving": {"runtime": "kserve"}})


def an_inference(owner: str = "uid-bike", **status: Any) -> dict[str, Any]:
    """Its spec has the second version, in its newest predictor."""
    predictor = {
        "labels": {names.MODEL_VERSION: "bike-v2"},
        "annotations": {names.PREDICTOR: "new"},
        "minReplicas": 2,
        "containers": [{"ports": [{"containerPort": 8080}]}],
    }
    owners = [{"kind": "ModelDeployment", "name": "bike", "uid": owner}]
    return a_body("InferenceService", "bike", {"predictor": predictor}, status, ownerReferences=owners)


def a_pod(name: str, version: str, made_from: str, ready: bool = True, of: str = "bike", **more: Any) -> dict[str, Any]:
    labels = names.labels("bike", "serving", version) | {
        "serving.kserve.io/inferenceservice": of,
        "serving.knative.dev/revision": f"bike-predictor-{version[-1]}-{made_from}",
    }
    status = {"podIP": f"10.0.0.{name}", "conditions": [{"type": "Ready", "status": str(ready)}]}
    return a_body("Pod", name, {}, status, labels=labels, annotations={names.PREDICTOR: made_from}, **more)


def seen(inference: dict[str, Any], *pods: dict[str, Any]) -> World:
    cache = Cache()
    for body in (a_body("ModelDeployment", "bike", KSERVE), *pods):
        cache.put(body)
    world = build_world(cache, KEY, NOON, Policy(trainer_image="trainer:1"), routing=RoutingObject(inference))
    assert world
    return world


def counted(serving: Serving) -> tuple[int, int, int, bool]:
    return serving.ready, serving.answering, serving.total, serving.settled


PODS = (
    a_pod("1", "bike-v1", "old"),
    a_pod("2", "bike-v1", "old", ready=False),
    a_pod("3", "bike-v2", "old"),
    a_pod("4", "bike-v2", "new"),
    a_pod("5", "bike-v2", "new", deletionTimestamp="2026-11-23T12:00:00Z"),
    a_pod("6", "bike-v2", "new", of="another"),
)


def test_only_pods_of_the_current_predictor_count_as_ready() -> None:
    world = seen(an_inference(), *PODS)
    assert {name: counted(serving) for name, serving in world.serving.items()} == {
        "bike-v1": (1, 1, 2, True),
        "bike-v2": (1, 2, 2, False),
    }
    assert world.serving["bike-v2"].addresses == {"3": "10.0.0.3:8080", "4": "10.0.0.4:8080"}


def test_revision_belongs_to_the_version_of_its_pods() -> None:
    world = seen(an_inference(), *PODS[:4])
    assert world.routing and world.routing.revisions == {
        "bike-predictor-1-old": "bike-v1",
        "bike-predictor-2-old": "bike-v2",
        "bike-predictor-2-new": "bike-v2",
    }


def condition(status: str, **more: str) -> dict[str, Any]:
    return {"conditions": [{"type": "PredictorReady", "status": status, **more}]}


MADE = {"deploymentMode": "Knative", "components": {"predictor": {"latestCreatedRevision": "bike-predictor-00001"}}}
TROUBLES: dict[str, tuple[dict[str, Any], str]] = {
    "failed": (condition("False", reason="RevisionFailed", message="no such image"), "is not ready: no such image"),
    "failed without a message": (condition("False", reason="RevisionFailed"), "is not ready: RevisionFailed"),
    "on its way": (condition("Unknown", reason="Deploying") | MADE, ""),
    "not seen by KServe": ({}, ""),
    "no Knative": ({"deploymentMode": "Knative"}, "KServe has created no revision; is Knative installed?"),
}


@pytest.mark.parametrize(("status", "words"), TROUBLES.values(), ids=TROUBLES)
def test_kserve_problem_belongs_to_the_version_in_the_spec(status: dict[str, Any], words: str) -> None:
    world = seen(an_inference(**status), *PODS[:2])
    problem = world.serving["bike-v2"].trouble
    assert words in problem
    assert bool(problem) is bool(words)
    assert world.serving["bike-v1"].trouble == ""


@pytest.mark.parametrize("owner", ["other", ""])
def test_inference_service_of_another_owner_is_ignored(owner: str) -> None:
    assert seen(an_inference(owner), *PODS).serving == {}


def not_found(**details: Any) -> bytes:
    return json.dumps({"kind": "Status", "reason": "NotFound", "message": "no", "details": details}).encode()


ABSENT = {
    "an object": (not_found(name="bike", kind="inferenceservices"), GoneError),
    "a resource of a known group": (not_found(), UnknownKindError),
    "a group": (b"404 page not found\n", UnknownKindError),
}


@pytest.mark.parametrize(("answer", "error"), ABSENT.values(), ids=ABSENT)
def test_missing_kind_differs_from_missing_object(answer: bytes, error: type[Exception]) -> None:
    assert type(error_of(404, "Not Found", answer)) is error
