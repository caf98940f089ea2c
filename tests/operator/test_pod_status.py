"""What the containers of a pod say of its Job and of its Deployment."""

from __future__ import annotations

import json
from typing import Any

import pytest

from perennial_operator.cluster.pod_status import pod_problem
from perennial_operator.cluster.workloads import job_of
from perennial_operator.core.world import Job, JobState
from tests.builders import NOON

ENDED = {"terminated": {"exitCode": 0, "message": json.dumps({"outcome": "Succeeded"})}}
REFUSED = {"terminated": {"exitCode": 3, "message": json.dumps({"outcome": "Refused", "reason": "TooFewRows"})}}
RUNNING: dict[str, Any] = {"running": {}}
KILLED = {"terminated": {"exitCode": 137, "reason": "OOMKilled"}}
CRASHING = {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 40s restarting failed container"}}


def a_pod(trainer: Any, role: str = "training", last: Any = None, **others: Any) -> dict[str, Any]:
    states = {"trainer": trainer, **others}
    containers = [{"name": name.replace("_", "-"), "state": state} for name, state in states.items()]
    if last:
        containers[0]["lastState"] = last
    owners = [{"kind": "Job", "uid": "1"}]
    metadata = {"name": "bike-v1-pod", "labels": {"perennial.dev/role": role}, "ownerReferences": owners}
    return {"metadata": metadata, "status": {"phase": "Running", "containerStatuses": containers}}


def job_with(*pods: dict[str, Any], limit: str = "") -> Job:
    container = {"resources": {"limits": {"memory": limit}}} if limit else {}
    body = {
        "metadata": {"name": "bike-v1-train", "uid": "1"},
        "spec": {"template": {"spec": {"containers": [container]}}},
    }
    return job_of(body, pods, NOON)


@pytest.mark.parametrize(
    ("pod", "state", "lingers"),
    [
        (a_pod(RUNNING, istio_proxy=RUNNING), JobState.RUNNING, False),
        (a_pod(ENDED, istio_proxy=RUNNING), JobState.SUCCEEDED, True),
        (a_pod(REFUSED, istio_proxy=RUNNING), JobState.FAILED, True),
        (a_pod(ENDED, istio_proxy=ENDED), JobState.RUNNING, False),
        (a_pod(ENDED), JobState.RUNNING, False),
    ],
)
def test_result_counts_although_a_sidecar_runs(pod: dict[str, Any], state: JobState, lingers: bool) -> None:
    job = job_with(pod)
    assert (job.state, job.lingers) == (state, lingers)


def test_deleted_pod_with_a_sidecar_is_no_result() -> None:
    pod = a_pod(ENDED, istio_proxy=RUNNING)
    pod["metadata"]["deletionTimestamp"] = "2026-11-23T12:00:00Z"
    assert job_with(pod).state is JobState.RUNNING


def test_only_the_trainer_is_out_of_memory() -> None:
    job = job_with(a_pod(KILLED), limit="512Mi")
    assert (job.out_of_memory, job.memory_limit) == (True, "512Mi")
    assert not job_with(a_pod(RUNNING, istio_proxy=KILLED)).out_of_memory


@pytest.mark.parametrize(
    ("pod", "problem"),
    [
        (a_pod(KILLED), "ran out of memory (OOMKilled); raise spec.training.pod.resources.limits.memory"),
        (
            a_pod(CRASHING, role="serving", last=KILLED),
            "is waiting (CrashLoopBackOff: ran out of memory (OOMKilled); "
            "raise spec.serving.pod.resources.limits.memory)",
        ),
        (
            a_pod(RUNNING, istio_proxy=KILLED),
            "ran out of memory in container istio-proxy (OOMKilled); raise its memory limit",
        ),
        (a_pod(CRASHING), "is waiting (CrashLoopBackOff: back-off 40s restarting failed container)"),
    ],
)
def test_want_of_memory_is_named_with_its_limit(pod: dict[str, Any], problem: str) -> None:
    assert pod_problem(pod) == f"pod bike-v1-pod {problem}"
