"""What a node leaves behind, and what it finds when it comes back."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster.client import Connection, Refused
from tests.cluster.local import LocalCluster
from tests.cluster.node import LocalNode
from tests.cluster.objects import Obj, is_true
from tests.cluster.space import Space, moments, pod, shell


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[LocalCluster]:
    with LocalCluster(tmp_path / "server") as cluster:
        yield cluster


@pytest.fixture
def space(cluster: LocalCluster) -> Space:
    return Space(Connection.of(cluster.kubeconfig), "default")


def ready(pod: Obj) -> bool:
    return is_true(pod, "Ready")


def alive(pid: int) -> bool:
    return Path("/proc", str(pid)).exists()


def test_no_process_outlives_the_node(cluster: LocalCluster, space: Space, tmp_path: Path) -> None:
    with LocalNode(cluster.kubeconfig, tmp_path / "node") as node:
        space.put(pod("stubborn", shell("trap '' TERM; while :; do sleep 0.01; done")))
        space.put(pod("tame", ["sleep", "600"]))
        for name in ("stubborn", "tame"):
            space.until("Pod", name, ready)
        pids = list(node.processes.values())
        assert all(map(alive, pids)) and len(pids) == 2
    assert not any(map(alive, pids))


def test_a_new_node_restarts_only_pods_that_may_restart(cluster: LocalCluster, space: Space, tmp_path: Path) -> None:
    with LocalNode(cluster.kubeconfig, tmp_path / "node"):
        space.put(pod("lasting", ["sleep", "600"], restartPolicy="Always"))
        space.put(pod("once", ["sleep", "600"]))
        space.put(pod("over", ["true"]))
        for name in ("lasting", "once"):
            space.until("Pod", name, ready)
        space.until("Pod", "over", lambda pod: pod["status"]["phase"] == "Succeeded")
    with LocalNode(cluster.kubeconfig, tmp_path / "node") as node:
        lost = space.until("Pod", "once", lambda pod: pod["status"]["phase"] == "Failed")
        (status,) = lost["status"]["containerStatuses"]
        assert status["state"]["terminated"]["reason"] == "ContainerStatusUnknown"
        again = space.until(
            "Pod", "lasting", lambda pod: pod["status"]["containerStatuses"][0]["restartCount"] == 1 and ready(pod)
        )
        assert again["status"]["containerStatuses"][0]["lastState"]["terminated"]["exitCode"] == 137
        assert list(node.processes) == ["lasting"]


def test_changes_during_an_api_server_restart_are_reported(cluster: LocalCluster, space: Space, tmp_path: Path) -> None:
    with LocalNode(cluster.kubeconfig, tmp_path / "node"):
        space.put(pod("worker", shell(f"until test -e {tmp_path}/go; do sleep 0.01; done; touch {tmp_path}/done")))
        space.until("Pod", "worker", ready)
        cluster.stop()
        (tmp_path / "go").touch()
        assert any((tmp_path / "done").exists() for _ in moments())
        cluster.start()
        space.until("Pod", "worker", lambda pod: pod["status"]["phase"] == "Succeeded")
        space.put(pod("next", ["true"]))
        space.until("Pod", "next", lambda pod: pod.get("status", {}).get("phase") == "Succeeded")


def test_a_forgotten_past_is_made_up_for_by_a_new_list(cluster: LocalCluster, space: Space, tmp_path: Path) -> None:
    with LocalNode(cluster.kubeconfig, tmp_path / "node") as node:
        space.put(pod("worker", ["sleep", "600"]))
        space.until("Pod", "worker", ready)
        pid = node.processes["worker"]
        cluster.stop()
        cluster.start()
        cluster.compact()
        space.delete("Pod", "worker", gracePeriodSeconds=0)
        assert any(not alive(pid) for _ in moments())


def test_pods_get_addresses_of_the_node_s_network(cluster: LocalCluster, space: Space, tmp_path: Path) -> None:
    with LocalNode(cluster.kubeconfig, tmp_path / "node", network="127.77.0.0/29"):
        addresses = set()
        for name in ("one", "two", "three"):
            space.put(pod(name, ["sleep", "600"]))
            addresses.add(space.until("Pod", name, ready)["status"]["podIP"])
    assert len(addresses) == 3
    assert addresses < {f"127.77.0.{number}" for number in range(1, 8)}


def test_a_node_that_finds_no_api_server_says_so(cluster: LocalCluster, tmp_path: Path) -> None:
    cluster.stop()
    with pytest.raises(Refused, match="503: GET /api/v1/namespaces"), LocalNode(cluster.kubeconfig, tmp_path):
        pass
