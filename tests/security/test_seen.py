"""Whose word counts: objects of other namespaces and of nobody change nothing."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from perennial_operator.cluster.cache import Cache
from perennial_operator.cluster.cache_entry import Key
from perennial_operator.core.actions import SetStatus
from perennial_operator.core.decide import decide_step
from perennial_operator.core.manifests.train_job import train_manifest
from perennial_operator.core.names import labels
from perennial_operator.core.world import Job, JobState, Policy, World
from perennial_operator.reconcile.world_builder import build_world
from tests.builders import NOON, SPEC, a_body, a_deployment, a_version, a_world, merged
from tests.simulation.play import a_play
from tests.simulation.results import TRAINED, checked

BIKE = Key("default", "bike")


def seen(*bodies: dict[str, Any]) -> World:
    cache = Cache()
    cache.put(a_body("ModelDeployment", "bike", SPEC))
    for body in bodies:
        cache.put(body)
    world = build_world(cache, BIKE, NOON, Policy("trainer"))
    assert world
    return world


def a_report(namespace: str) -> dict[str, Any]:
    return a_body("DriftReport", "r", {"modelDeployment": "bike", "samples": 10}, namespace=namespace)


def test_a_report_is_about_the_deployment_of_its_own_namespace() -> None:
    assert [report.name for report in seen(a_report("default")).reports] == ["r"]
    assert seen(a_report("elsewhere")).reports == ()


def a_job(owner: str | None) -> dict[str, Any]:
    references = [{"kind": "ModelVersion", "name": "bike-v1", "uid": owner}] if owner else []
    status = {"conditions": [{"type": "Complete", "status": "True"}]}
    return a_body("Job", "bike-v1-train", {}, status, labels=labels("bike", "training"), ownerReferences=references)


def test_a_job_of_another_owner_with_our_labels_is_ignored() -> None:
    version = a_version(1, "Training")
    owner = {"kind": "ModelDeployment", "name": "bike", "uid": "uid-bike", "controller": True}
    spec, status = version.spec.to_api(), version.status.to_api()
    body = a_body("ModelVersion", "bike-v1", spec, status, ownerReferences=[owner])
    assert seen(body, a_job("uid-bike-v1")).jobs.keys() == {"bike-v1-train"}
    assert seen(body, a_job(None)).jobs == {}
    assert seen(body, a_job("uid-of-an-older-version")).jobs == {}


ELSEWHERE = [
    "s3://models/perennial/default/victim/victim-v3/model.joblib",
    "s3://models/perennial/default/bike/../victim/victim-v3/model.joblib",
    "file:///etc/shadow",
    "https://evil/default/bike/x::file:///etc/shadow",
    "https://elsewhere/x/default/bike/model.joblib",
    "s3://elsewhere/perennial/default/bike/model.joblib",
    "s3://models/elsewhere/perennial/default/bike/model.joblib",
    "S3://models/perennial/default/bike/model.joblib",
    "s3://Models/perennial/default/bike/model.joblib",
    "s3://models./perennial/default/bike/model.joblib",
    "s3://ada@models/perennial/default/bike/model.joblib",
    "s3://models/perennial/default/bike/%2e%2e/victim/model.joblib",
    "s3://models/perennial/default/bike/..%2Fvictim/model.joblib",
    "s3://models/perennial/default/bike/../../default/bike/../victim/model.joblib",
    "s3://models/perennial/default/bike/./model.joblib",
    "s3://models/perennial/default/bike/.../model.joblib",
    "s3://models/perennial/default/bike//model.joblib",
    "s3://models/perennial/default/bike/..\\victim\\model.joblib",
    "s3://models/perennial/default/bike/model.joblib?versionId=1",
    "s3://models/perennial/default/bike/model.joblib#x",
    "s3://models/perennial/default/bike/m\nodel.joblib",
    "s3://models/perennial/default/bike/",
    "s3://models/perennial/default/bike",
    "s3://models/perennial/default/bikes/model.joblib",
]


@pytest.mark.parametrize("uri", ELSEWHERE)
@pytest.mark.parametrize("part", ["artifact.uri", "data.holdoutUri"])
def test_a_trainer_that_names_files_of_others_has_failed(part: str, uri: str) -> None:
    answer = json.loads(json.dumps(TRAINED))
    field, name = part.split(".")
    answer[field][name] = uri
    job = Job("bike-v1-train", JobState.SUCCEEDED, labels("bike", "training", "bike-v1"), answer=answer)
    world = a_world(deployment=a_deployment(), versions=(a_version(1, "Training"),), jobs={job.name: job})
    (status,) = [action for action in decide_step(world).actions if isinstance(action, SetStatus)]
    assert (status.status["phase"], status.status["reason"]) == ("Failed", "BadAnswer")
    assert "below s3://models/perennial/default/bike/" in status.status["message"]
    assert "artifact" not in status.status


@pytest.mark.parametrize("uri", ELSEWHERE)
def test_check_that_names_a_page_of_others_has_failed(uri: str) -> None:
    play = a_play(drift={"check": {"schedule": "*/15 * * * *", "data": {"uri": "s3://bikes/live/*.parquet"}}})
    play.until_live(1)
    play.wait(minutes=15)
    play.finish("bike-check-202611231215", checked() | {"details": uri})
    assert not [key for key in play.bodies if key[0] == "DriftReport"]
    assert play.condition("Checked")["reason"] == "BadAnswer"


@pytest.mark.parametrize("old", [{"uri": "s3://models/perennial"}, {"uri": "s3://old/place"}])
def test_training_may_store_where_its_task_said(old: dict[str, str]) -> None:
    """spec.storage is edited while the training runs: its files are in the folder that its task named."""
    world = a_world(deployment=a_deployment(spec={"storage": old}), versions=(a_version(1, "Training"),))
    manifest = train_manifest(world, world.versions[0])
    folder = f"{old['uri']}/default/bike/bike-v1"
    answer = merged(
        TRAINED,
        {"artifact": {"uri": f"{folder}/model.joblib"}, "data": {"holdoutUri": f"{folder}/holdout.parquet"}},
    )
    job = Job("bike-v1-train", JobState.SUCCEEDED, manifest["metadata"]["labels"], answer=answer)
    edited = replace(world, deployment=a_deployment(spec={"storage": {"uri": "s3://new"}}), jobs={job.name: job})
    (status,) = [action for action in decide_step(edited).actions if isinstance(action, SetStatus)]
    assert status.status["phase"] == "Validating", status.status["message"]
