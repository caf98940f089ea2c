"""The workers of a search exist as long as the training pod runs."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from perennial_operator.core.actions import Create, Delete, SetStatus
from perennial_operator.core.decide import decide_step
from perennial_operator.core.names import FOR_POD
from perennial_operator.core.world import Job, JobState, World
from tests.builders import a_deployment, a_version, a_world, task_of

TRAINING = {"search": {"space": {"fit_intercept": [True, False]}}, "engine": {"dask": {"workers": 3}}}
TRAIN = Job(
    "bike-v1-train", JobState.RUNNING, {"perennial.dev/role": "training"}, pod="bike-v1-train-abcde", address="10.0.0.7"
)


def workers(state: JobState = JobState.RUNNING, pod: str = TRAIN.pod, **fields: Any) -> Job:
    labels = {"perennial.dev/role": "worker", "perennial.dev/model-version": "bike-v1", FOR_POD: pod}
    return Job("bike-v1-workers", state, labels, **fields)


def a_search(*jobs: Job, phase: str = "Training", training: dict[str, Any] = TRAINING) -> World:
    version = a_version(1, phase, {"training": training})
    deployment = a_deployment(spec={"training": training})
    return a_world(deployment=deployment, versions=(version,), jobs={job.name: job for job in jobs})


def done(world: World) -> list[tuple[str, str]]:
    """The objects that are created and deleted, by name."""
    changes = []
    for action in decide_step(world).actions:
        match action:
            case Create(manifest):
                changes.append(("create", manifest["metadata"]["name"]))
            case Delete(_, name):
                changes.append(("delete", name))
    return changes


def test_workers_start_after_the_training_pod_with_its_address() -> None:
    world = a_search(TRAIN)
    (made,) = [a.manifest for a in decide_step(world).actions if isinstance(a, Create)]
    assert (made["kind"], made["metadata"]["name"]) == ("Job", "bike-v1-workers")
    assert (made["spec"]["parallelism"], made["spec"]["completions"]) == (3, 3)
    assert task_of(made)["scheduler"] == "tcp://10.0.0.7:8786"
    assert made["metadata"]["ownerReferences"][0]["kind"] == "ModelVersion"


def test_ipv6_address_is_in_brackets() -> None:
    (made,) = [
        a.manifest for a in decide_step(a_search(replace(TRAIN, address="fd00::7"))).actions if isinstance(a, Create)
    ]
    assert task_of(made)["scheduler"] == "tcp://[fd00::7]:8786"


ENDED = {"state": JobState.SUCCEEDED, "pod": "", "address": ""}
WITHOUT_POD = replace(TRAIN, pod="", address="")


@pytest.mark.parametrize(
    ("jobs", "expected"),
    [
        ((WITHOUT_POD,), []),
        ((TRAIN, workers()), []),
        ((TRAIN, workers(JobState.SUCCEEDED)), []),
        ((TRAIN, workers(pod="bike-v1-train-first")), [("delete", "bike-v1-workers")]),
        ((WITHOUT_POD, workers()), [("delete", "bike-v1-workers")]),
        ((replace(TRAIN, **ENDED), workers()), [("delete", "bike-v1-workers")]),
        ((replace(TRAIN, **ENDED), workers(JobState.FAILED)), [("delete", "bike-v1-workers")]),
    ],
    ids=[
        "no pod runs yet",
        "they are there",
        "they have no more to do",
        "they are of the pod before",
        "between two tries",
        "the training has ended",
        "the training has ended after they failed",
    ],
)
def test_workers_exist_as_long_as_their_training_pod(jobs: tuple[Job, ...], expected: list[tuple[str, str]]) -> None:
    assert done(a_search(*jobs)) == expected


@pytest.mark.parametrize("phase", ["Validating", "Failed", "Superseded", "Live"])
@pytest.mark.parametrize("state", JobState)
def test_workers_are_deleted_after_the_training(phase: str, state: JobState) -> None:
    assert ("delete", "bike-v1-workers") in done(a_search(TRAIN, workers(state), phase=phase))


def test_existing_scheduler_needs_no_workers() -> None:
    there = TRAINING | {"engine": {"dask": {"address": "tcp://dask:8786"}}}
    assert done(a_search(TRAIN, training=there)) == []


def test_adopted_model_needs_no_workers() -> None:
    adopt = {"uri": "s3://models/old.skops", "sha256": "a" * 64, "format": "skops"}
    version = a_version(1, "Training", {"training": TRAINING, "adopt": adopt, "trigger": {"reason": "Adopted"}})
    deployment = a_deployment(spec={"training": TRAINING, "adopt": adopt})
    assert done(a_world(deployment=deployment, versions=(version,), jobs={TRAIN.name: TRAIN})) == []


def test_version_fails_with_its_workers_and_reports_why() -> None:
    trouble = "pod bike-v1-workers-1 ran out of memory (OOMKilled)"
    lost = workers(JobState.FAILED, trouble=trouble)
    (step,) = [action for action in decide_step(a_search(TRAIN, lost)).actions if isinstance(action, SetStatus)]
    assert (step.status["phase"], step.status["reason"]) == ("Failed", "WorkersFailed")
    assert trouble in step.status["message"]


def test_failed_workers_of_an_earlier_pod_are_ignored() -> None:
    lost = workers(JobState.FAILED, pod="bike-v1-train-first")
    assert not [action for action in decide_step(a_search(TRAIN, lost)).actions if isinstance(action, SetStatus)]
