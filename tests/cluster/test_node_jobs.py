"""What becomes of a Job, told by its conditions and its pods."""

from __future__ import annotations

from typing import Any

import pytest

from tests.cluster.node import LocalNode
from tests.cluster.objects import Obj, condition, is_true, name
from tests.cluster.space import Space, at, claim, pod_spec, shell

pytest_plugins = ["tests.cluster.fixtures"]

ENDLESS = "exec sleep 600"


def job(script: str, pod: dict[str, object] | None = None, **spec: Any) -> Obj:
    template = {"spec": pod_spec(shell(script), **(pod or {}))}
    return {"kind": "Job", "metadata": {"name": "work"}, "spec": {"template": template, **spec}}


def complete(job: Obj) -> bool:
    return is_true(job, "Complete")


def failed(job: Obj) -> bool:
    return is_true(job, "Failed")


def runs(job: Obj) -> bool:
    return bool(job.get("status", {}).get("active"))


def reason(job: Obj) -> str:
    result = condition(job, "Failed")
    return str(result and result["reason"])


def test_a_job_whose_pod_succeeds_is_complete(space: Space) -> None:
    space.put(job("true"))
    status = space.until("Job", "work", complete)["status"]
    assert status["succeeded"] == 1
    assert not status.get("failed") and not status.get("active")
    assert status["startTime"] <= status["completionTime"]
    assert {c["type"] for c in status["conditions"]} == {"SuccessCriteriaMet", "Complete"}


def test_the_pod_of_a_job_carries_its_labels_and_belongs_to_it(space: Space) -> None:
    made = space.put(job("true"))
    (pod,) = space.until_all("Pod", lambda pods: pods)
    own = {"job-name": "work", "controller-uid": made["metadata"]["uid"]}
    assert pod["metadata"]["labels"] == {**own, **{f"batch.kubernetes.io/{key}": value for key, value in own.items()}}
    (owner,) = pod["metadata"]["ownerReferences"]
    assert (owner["kind"], owner["uid"], owner["controller"]) == ("Job", made["metadata"]["uid"], True)


def test_a_job_fails_after_its_last_retry(space: Space) -> None:
    space.put(job("exit 3", backoffLimit=2))
    ended = space.until("Job", "work", failed)
    assert reason(ended) == "BackoffLimitExceeded"
    assert is_true(ended, "FailureTarget")
    assert ended["status"]["failed"] == len(space.all("Pod")) == 3


def test_a_retry_that_works_completes_the_job(space: Space) -> None:
    space.put(claim("kept"))
    mounted = at("/kept", persistentVolumeClaim={"claimName": "kept"})
    space.put(job("test -e /kept/tried || { touch /kept/tried; exit 1; }", mounted))
    status = space.until("Job", "work", complete)["status"]
    assert (status["succeeded"], status["failed"]) == (1, 1)


def test_a_job_that_takes_too_long_is_stopped(space: Space, node: LocalNode) -> None:
    space.put(job(ENDLESS, activeDeadlineSeconds=1))
    (pod,) = space.until_all("Pod", lambda pods: pods)
    assert reason(space.until("Job", "work", failed)) == "DeadlineExceeded"
    space.until_gone("Pod", name(pod))
    assert name(pod) not in node.processes


@pytest.mark.parametrize("operator,values", [("In", [42]), ("NotIn", [1, 2])])
def test_a_failjob_exit_code_ends_the_job_without_a_retry(space: Space, operator: str, values: list[int]) -> None:
    rule = {"action": "FailJob", "onExitCodes": {"operator": operator, "values": values}}
    space.put(job("exit 42", podFailurePolicy={"rules": [rule]}))
    ended = space.until("Job", "work", failed)
    (pod,) = space.all("Pod")
    result = condition(ended, "Failed")
    assert result and result["reason"] == "PodFailurePolicy"
    assert result["message"] == (
        f"Container main for pod {space.name}/{name(pod)} failed with exit code 42 matching FailJob rule at index 0"
    )


def test_an_ignored_failure_is_retried_and_not_counted(space: Space) -> None:
    space.put(claim("kept"))
    mounted = at("/kept", persistentVolumeClaim={"claimName": "kept"})
    rule = {"action": "Ignore", "onExitCodes": {"operator": "In", "values": [7]}}
    again = "test -e /kept/tried || { touch /kept/tried; exit 7; }"
    space.put(job(again, mounted, backoffLimit=0, podFailurePolicy={"rules": [rule]}))
    assert not space.until("Job", "work", complete)["status"].get("failed")
    assert len(space.all("Pod")) == 2


def test_a_deleted_pod_counts_as_a_failure_and_is_replaced(space: Space) -> None:
    space.put(job(ENDLESS))
    (first,) = space.until_all("Pod", lambda pods: [pod for pod in pods if is_true(pod, "Ready")])
    space.delete("Pod", name(first))
    space.until_all("Pod", lambda pods: pods and name(first) not in map(name, pods))
    assert space.until("Job", "work", lambda job: job["status"].get("failed"))["status"]["failed"] == 1


def test_with_its_job_goes_the_pod_and_its_process(space: Space, node: LocalNode) -> None:
    space.put(job(ENDLESS))
    (pod,) = space.until_all("Pod", lambda pods: [pod for pod in pods if is_true(pod, "Ready")])
    assert name(pod) in node.processes
    space.delete("Job", "work", propagationPolicy="Background")
    space.until_gone("Pod", name(pod))
    assert name(pod) not in node.processes
