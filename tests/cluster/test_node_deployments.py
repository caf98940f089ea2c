"""How a Deployment's pods come, change and go."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tests.cluster.controllers import deployments
from tests.cluster.objects import Obj, condition, is_ready, is_true, name, owners
from tests.cluster.space import Space, deployment, pod_spec, shell


def web(version: str, replicas: int = 2, probe: list[str] | None = None, **spec: Any) -> Obj:
    fields = {"readinessProbe": {"exec": {"command": probe}, "periodSeconds": 1}} if probe else {}
    pod = {"fieldRef": {"fieldPath": "metadata.name"}}
    env = [{"name": "VERSION", "value": version}, {"name": "POD", "valueFrom": pod}]
    pod = pod_spec(["sleep", "600"], restartPolicy="Always", env=env, **fields)
    return deployment(pod=pod, replicas=replicas, **spec)


def update(space: Space, version: str, probe: list[str] | None = None) -> int:
    """The generation of the Deployment whose pods shall be of this version."""
    template = web(version, probe=probe)["spec"]["template"]
    changed = space.patch("Deployment", "web", {"spec": {"template": template}})
    return int(changed["metadata"]["generation"])


def rolled_out(deployment: Obj) -> bool:
    """What `kubectl rollout status` waits for."""
    status, spec = deployment.get("status", {}), deployment["spec"]
    fields = ("replicas", "updatedReplicas", "readyReplicas", "availableReplicas")
    seen = status.get("observedGeneration", 0) >= deployment["metadata"]["generation"]
    return seen and all(status.get(field, 0) == spec["replicas"] for field in fields)


def version(pod: Obj) -> str:
    return str(pod["spec"]["containers"][0]["env"][0]["value"])


def shows(versions: list[str], pods: list[Obj]) -> bool:
    return [version(pod) for pod in pods] == versions


def test_a_deployment_owns_its_pods_through_a_replica_set(space: Space) -> None:
    space.put(web("1"))
    made = space.until("Deployment", "web", rolled_out)
    progressing = condition(made, "Progressing")
    assert is_true(made, "Available") and progressing and progressing["reason"] == "NewReplicaSetAvailable"
    (replica_set,) = space.all("ReplicaSet")
    assert [(owner["kind"], owner["uid"]) for owner in owners(replica_set)] == [("Deployment", made["metadata"]["uid"])]
    assert [owners(pod)[0]["uid"] for pod in space.all("Pod")] == [replica_set["metadata"]["uid"]] * 2
    space.delete("Deployment", "web", propagationPolicy="Background")
    for kind in ("ReplicaSet", "Pod"):
        space.until_all(kind, lambda result: not result)


def test_an_update_keeps_enough_pods_ready(space: Space) -> None:
    space.put(web("1", probe=["true"]))
    space.until("Deployment", "web", rolled_out)
    new = update(space, "2", ["true"])
    last = lambda result: rolled_out(result) and result["metadata"]["generation"] >= new  # noqa: E731
    seen = list(space.versions("Deployment", "web", last))
    assert min(result["status"].get("availableReplicas", 0) for result in seen) == 2
    assert max(result["status"]["replicas"] for result in seen) == 3
    space.until_all("Pod", partial(shows, ["2", "2"]))


def test_an_update_that_never_gets_ready_keeps_the_old_pods(space: Space) -> None:
    space.put(web("1", progressDeadlineSeconds=1))
    space.until("Deployment", "web", rolled_out)
    update(space, "2", ["false"])
    late = space.until("Deployment", "web", lambda result: not is_true(result, "Progressing"))
    result = condition(late, "Progressing")
    assert result and result["reason"] == "ProgressDeadlineExceeded" and is_true(late, "Available")
    assert [version(pod) for pod in space.all("Pod") if is_ready(pod)] == ["1", "1"]


def test_an_earlier_template_uses_its_replica_set_again(space: Space) -> None:
    space.put(web("1", replicas=1))
    space.until("Deployment", "web", rolled_out)
    (first,) = space.all("ReplicaSet")
    for wanted in ("2", "1"):
        update(space, wanted)
        space.until_all("Pod", partial(shows, [wanted]))
    again = space.until("ReplicaSet", name(first), lambda result: result["spec"]["replicas"] == 1)
    assert again["metadata"]["annotations"][deployments.REVISION] == "3" and len(space.all("ReplicaSet")) == 2


def test_a_deleted_pod_is_replaced(space: Space) -> None:
    space.put(web("1", replicas=1))
    space.until("Deployment", "web", rolled_out)
    (first,) = space.all("Pod")
    space.delete("Pod", name(first))
    space.until_all("Pod", lambda pods: pods and name(first) not in map(name, pods))
    space.until("Deployment", "web", rolled_out)


def test_scaling_down_takes_unready_pods_first(space: Space, tmp_path: Path) -> None:
    space.put(web("1", probe=shell(f"test -e {tmp_path}/$POD")))
    one, two = map(name, space.until_all("Pod", lambda pods: len(pods) == 2))
    (tmp_path / one).touch()
    space.until("Pod", one, is_ready)
    space.patch("Deployment", "web", {"spec": {"replicas": 1}})
    space.until_gone("Pod", two)
    assert [name(pod) for pod in space.all("Pod")] == [one]
    space.patch("Deployment", "web", {"spec": {"replicas": 0}})
    assert is_true(space.until("Deployment", "web", rolled_out), "Available")


def replica_set(title: str, size: int, available: int) -> Obj:
    return {"metadata": {"name": title}, "spec": {"replicas": size}, "status": {"availableReplicas": available}}


@st.composite
def rollouts(draw: st.DrawFn) -> tuple[Obj, list[Obj]]:
    """A Deployment's spec, and ReplicaSets, the current one first, of which some pods are available."""
    rolling = {"maxSurge": draw(st.integers(0, 3)), "maxUnavailable": draw(st.integers(0, 3))}
    spec = {"replicas": draw(st.integers(0, 6)), "strategy": {"type": "RollingUpdate", "rollingUpdate": rolling}}
    sizes = draw(st.lists(st.integers(0, 6), min_size=1, max_size=4))
    sets = [replica_set(str(i), size, draw(st.integers(0, size))) for i, size in enumerate(sizes)]
    return spec, sets


@given(rollouts())
def test_a_rollout_keeps_its_limits_and_ends(rollout: tuple[Obj, list[Obj]]) -> None:
    spec, sets = rollout
    rolling, desired = spec["strategy"]["rollingUpdate"], spec["replicas"]
    surge, unavailable = rolling["maxSurge"], rolling["maxUnavailable"] or (0 if rolling["maxSurge"] else 1)
    for _ in range(40):
        wanted = deployments.sizes(spec, sets[0], sets[1:])
        before = sum(result["spec"]["replicas"] for result in sets)
        assert sum(wanted.values()) <= max(before, desired + surge)
        available = [result["status"]["availableReplicas"] for result in sets]
        lost = sum(max(0, was - wanted[name(result)]) for was, result in zip(available[1:], sets[1:], strict=True))
        assert lost <= max(0, sum(available) - (desired - unavailable))
        sets = [replica_set(name(result), wanted[name(result)], wanted[name(result)]) for result in sets]
    assert [result["spec"]["replicas"] for result in sets] == [desired, *[0] * (len(sets) - 1)]
