"""How a Deployment's pods come, change and go."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tests.cluster.controllers import deployments
from tests.cluster.node import LocalNode
from tests.cluster.objects import Obj, condition, is_true, name, owners
from tests.cluster.space import Space, pod_spec, shell

pytest_plugins = ["tests.cluster.fixtures"]

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def deployment(version: str, replicas: int = 2, probe: list[str] | None = None, **spec: Any) -> Obj:
    labels = {"app": "web"}
    words = {"readinessProbe": {"exec": {"command": probe}, "periodSeconds": 1}} if probe else {}
    env = [{"name": "VERSION", "value": version}]
    pod = pod_spec(["sleep", "600"], restartPolicy="Always", env=env, **words)
    template = {"metadata": {"labels": labels}, "spec": pod}
    body = {"replicas": replicas, "selector": {"matchLabels": labels}, "template": template, **spec}
    return {"kind": "Deployment", "metadata": {"name": "web"}, "spec": body}


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


def test_a_deployment_has_its_pods_through_a_replica_set(space: Space) -> None:
    space.put(deployment("1"))
    made = space.until("Deployment", "web", rolled_out)
    assert is_true(made, "Available")
    progressing = condition(made, "Progressing")
    assert progressing and progressing["reason"] == "NewReplicaSetAvailable"
    (replica_set,) = space.all("ReplicaSet")
    assert [(owner["kind"], owner["uid"]) for owner in owners(replica_set)] == [("Deployment", made["metadata"]["uid"])]
    pods = space.all("Pod")
    assert [owners(pod)[0]["uid"] for pod in pods] == [replica_set["metadata"]["uid"]] * 2
    assert all(name(pod).startswith(f"{name(replica_set)}-") for pod in pods)


def test_an_update_never_takes_the_ready_pods_below_the_wish(space: Space) -> None:
    space.put(deployment("1", probe=["true"]))
    space.until("Deployment", "web", rolled_out)
    changed = deployment("2", probe=["true"])["spec"]["template"]
    generation = space.patch("Deployment", "web", {"spec": {"template": changed}})["metadata"]["generation"]
    seen = list(
        space.versions(
            "Deployment",
            "web",
            lambda result: rolled_out(result) and result["metadata"]["generation"] >= generation,
        )
    )
    assert min(result["status"].get("availableReplicas", 0) for result in seen) == 2
    assert max(result["status"]["replicas"] for result in seen) == 3
    space.until_all("Pod", partial(shows, ["2", "2"]))


def test_an_update_that_never_gets_ready_keeps_the_old_pods(space: Space) -> None:
    space.put(deployment("1", progressDeadlineSeconds=1))
    space.until("Deployment", "web", rolled_out)
    bad = deployment("2", probe=["false"])["spec"]["template"]
    space.patch("Deployment", "web", {"spec": {"template": bad}})
    late = space.until("Deployment", "web", lambda result: not is_true(result, "Progressing"))
    result = condition(late, "Progressing")
    assert result and result["reason"] == "ProgressDeadlineExceeded"
    assert is_true(late, "Available")
    assert [version(pod) for pod in space.all("Pod") if is_true(pod, "Ready")] == ["1", "1"]


def test_an_earlier_template_uses_its_replica_set_again(space: Space) -> None:
    space.put(deployment("1", replicas=1))
    space.until("Deployment", "web", rolled_out)
    (first,) = space.all("ReplicaSet")
    for wanted in ("2", "1"):
        template = deployment(wanted)["spec"]["template"]
        space.patch("Deployment", "web", {"spec": {"template": template}})
        space.until_all("Pod", partial(shows, [wanted]))
    again = space.until("ReplicaSet", name(first), lambda result: result["spec"]["replicas"] == 1)
    assert again["metadata"]["annotations"][deployments.REVISION] == "3"
    assert len(space.all("ReplicaSet")) == 2


def test_a_dead_pod_of_a_deployment_is_replaced(space: Space, node: LocalNode) -> None:
    space.put(deployment("1", replicas=1))
    space.until("Deployment", "web", rolled_out)
    (first,) = space.all("Pod")
    space.delete("Pod", name(first))
    space.until_all("Pod", lambda pods: pods and name(first) not in map(name, pods))
    space.until("Deployment", "web", rolled_out)
    assert name(first) not in node.processes


def test_scaling_down_takes_the_pods_that_are_not_ready_first(space: Space, tmp_path: Path) -> None:
    probe = shell(f"test -e {tmp_path}/$POD")
    web = deployment("1", probe=probe)
    field = {"fieldRef": {"fieldPath": "metadata.name"}}
    web["spec"]["template"]["spec"]["containers"][0]["env"].append({"name": "POD", "valueFrom": field})
    space.put(web)
    one, two = map(name, space.until_all("Pod", lambda pods: len(pods) == 2))
    (tmp_path / one).touch()
    space.until("Pod", one, lambda pod: is_true(pod, "Ready"))
    space.patch("Deployment", "web", {"spec": {"replicas": 1}})
    space.until_gone("Pod", two)
    assert [name(pod) for pod in space.all("Pod")] == [one]


def test_a_deployment_without_pods_is_rolled_out_at_once(space: Space) -> None:
    space.put(deployment("1", replicas=0))
    assert is_true(space.until("Deployment", "web", rolled_out), "Available")


def test_with_a_deployment_go_its_replica_sets_and_pods(space: Space) -> None:
    space.put(deployment("1"))
    space.until("Deployment", "web", rolled_out)
    space.delete("Deployment", "web", propagationPolicy="Background")
    for kind in ("ReplicaSet", "Pod"):
        space.until_all(kind, lambda result: not result)


def replica_set(title: str, size: int, available: int) -> Obj:
    return {"metadata": {"name": title}, "spec": {"replicas": size}, "status": {"availableReplicas": available}}


@st.composite
def rollouts(draw: st.DrawFn) -> tuple[Obj, list[Obj]]:
    """A Deployment's spec, and ReplicaSets, the current one first, of which some pods are available."""
    surge, unavailable = draw(st.integers(0, 3)), draw(st.integers(0, 3))
    rolling = {"maxSurge": surge, "maxUnavailable": unavailable}
    spec = {"replicas": draw(st.integers(0, 6)), "strategy": {"type": "RollingUpdate", "rollingUpdate": rolling}}
    sizes = draw(st.lists(st.integers(0, 6), min_size=1, max_size=4))
    sets = [replica_set(str(i), size, draw(st.integers(0, size))) for i, size in enumerate(sizes)]
    return spec, sets


@given(rollouts())
def test_no_step_of_a_roll_out_takes_away_what_is_needed(rollout: tuple[Obj, list[Obj]]) -> None:
    spec, sets = rollout
    wanted = deployments.sizes(spec, sets[0], sets[1:])
    rolling = spec["strategy"]["rollingUpdate"]
    before = sum(result["spec"]["replicas"] for result in sets)
    surge, unavailable = rolling["maxSurge"], rolling["maxUnavailable"] or (0 if rolling["maxSurge"] else 1)
    assert sum(wanted.values()) <= max(before, spec["replicas"] + surge)
    old = sets[1:]
    available = sum(result["status"]["availableReplicas"] for result in sets)
    lost = sum(max(0, result["status"]["availableReplicas"] - wanted[name(result)]) for result in old)
    assert lost <= max(0, available - (spec["replicas"] - unavailable))


@given(rollouts())
def test_a_rollout_ends_with_the_current_version_alone(
    rollout: tuple[Obj, list[Obj]],
) -> None:
    spec, sets = rollout
    for _ in range(40):
        wanted = deployments.sizes(spec, sets[0], sets[1:])
        sets = [replica_set(name(result), wanted[name(result)], wanted[name(result)]) for result in sets]
    assert [result["spec"]["replicas"] for result in sets] == [spec["replicas"], *[0] * (len(sets) - 1)]
