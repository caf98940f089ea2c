"""What becomes of a Job, by its conditions and its pods."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest

from tests.cluster.node import LocalNode
from tests.cluster.objects import Obj, condition, is_ready, is_true, name
from tests.cluster.space import Space, at, claim, job, pod_spec, shell

ENDLESS = "exec sleep 600"


def work(script: str, **spec: Any) -> Obj:
    """A Job with a claim at /kept."""
    mounted = at("/kept", persistentVolumeClaim={"claimName": "kept"})
    return job("work", pod_spec(shell(script), **mounted), **spec)


complete, failed = (partial(is_true, kind=kind) for kind in ("Complete", "Failed"))


@pytest.fixture
def space(space: Space) -> Space:
    space.put(claim("kept"))
    return space


def running_pod(space: Space) -> Obj:
    (pod,) = space.until_all("Pod", lambda pods: [pod for pod in pods if is_ready(pod)])
    return pod


def test_a_job_whose_pod_succeeds_is_complete(space: Space) -> None:
    made = space.put(work("true"))
    status = space.until("Job", "work", complete)["status"]
    assert status["succeeded"] == 1 and not status.get("failed") and not status.get("active")
    assert status["startTime"] <= status["completionTime"]
    assert {c["type"] for c in status["conditions"]} == {"SuccessCriteriaMet", "Complete"}
    (pod,) = space.all("Pod")
    own = {"job-name": "work", "controller-uid": made["metadata"]["uid"]}
    assert pod["metadata"]["labels"] == {**own, **{f"batch.kubernetes.io/{key}": value for key, value in own.items()}}
    (owner,) = pod["metadata"]["ownerReferences"]
    assert (owner["kind"], owner["uid"], owner["controller"]) == ("Job", made["metadata"]["uid"], True)


def rule(action: str, operator: str, *values: int) -> Obj:
    return {"rules": [{"action": action, "onExitCodes": {"operator": operator, "values": values}}]}


@pytest.mark.parametrize(
    ("script", "spec", "reason", "failures", "pods"),
    [
        ("exit 3", {"backoffLimit": 2}, "BackoffLimitExceeded", 3, 3),
        ("exit 42", {"podFailurePolicy": rule("FailJob", "In", 42)}, "PodFailurePolicy", 1, 1),
        ("exit 42", {"podFailurePolicy": rule("FailJob", "NotIn", 1, 2)}, "PodFailurePolicy", 1, 1),
        (ENDLESS, {"activeDeadlineSeconds": 1}, "DeadlineExceeded", 1, 0),
        ("test -e /kept/tried || { touch /kept/tried; exit 1; }", {}, "", 1, 2),
        (
            "test -e /kept/tried || { touch /kept/tried; exit 7; }",
            {"podFailurePolicy": rule("Ignore", "In", 7), "backoffLimit": 0},
            "",
            0,
            2,
        ),
    ],
)
def test_a_job_ends_for_a_reason(space: Space, script: str, spec: Obj, reason: str, failures: int, pods: int) -> None:
    space.put(work(script, **spec))
    job = space.until("Job", "work", failed if reason else complete)
    assert is_true(job, "FailureTarget" if reason else "SuccessCriteriaMet")
    assert (condition(job, "Failed") or {"reason": ""})["reason"] == reason
    assert job["status"].get("failed", 0) == failures
    space.until_all("Pod", lambda left: len(left) == pods)


def test_a_failjob_rule_names_the_exit_code(space: Space) -> None:
    space.put(work("exit 42", podFailurePolicy=rule("FailJob", "In", 42)))
    result = condition(space.until("Job", "work", failed), "Failed")
    (pod,) = space.all("Pod")
    text = f"Container main for pod {space.name}/{name(pod)} failed with exit code 42 matching FailJob rule at index 0"
    assert result and result["message"] == text


def test_a_deleted_pod_counts_as_a_failure_and_is_replaced(space: Space) -> None:
    space.put(work(ENDLESS))
    first = running_pod(space)
    space.delete("Pod", name(first))
    space.until_all("Pod", lambda pods: pods and name(first) not in map(name, pods))
    assert space.until("Job", "work", lambda job: job["status"].get("failed"))["status"]["failed"] == 1


def test_a_jobs_pod_is_deleted_with_it(space: Space, node: LocalNode) -> None:
    space.put(work(ENDLESS))
    pod = running_pod(space)
    assert name(pod) in node.processes
    space.delete("Job", "work", propagationPolicy="Background")
    space.until_gone("Pod", name(pod))
    assert name(pod) not in node.processes
