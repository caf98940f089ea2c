"""What a node leaves behind, and what it finds when it comes back."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster.client import Refused
from tests.cluster.local import LocalCluster
from tests.cluster.node import LocalNode
from tests.cluster.objects import is_ready
from tests.cluster.space import Calls, Space, moments, pod, shell, succeeded


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[LocalCluster]:
    with LocalCluster(tmp_path / "server") as cluster:
        yield cluster


@pytest.fixture
def space(cluster: LocalCluster) -> Space:
    return Space(Calls(cluster.kubeconfig), "default")


def test_no_process_outlives_the_node(cluster: LocalCluster, space: Space, tmp_path: Path) -> None:
    with LocalNode(cluster.kubeconfig, tmp_path / "node", network="127.77.0.0/29") as node:
        space.put(pod("stubborn", shell("trap '' TERM; while :; do sleep 0.01; done")))
        space.put(pod("tame", ["sleep", "600"]))
        addresses = {space.until("Pod", name, is_ready)["status"]["podIP"] for name in ("stubborn", "tame")}
        assert len(addresses) == 2 and addresses < {f"127.77.0.{number}" for number in range(1, 8)}
        pids = list(node.processes.values())
        assert len(pids) == 2 and all(Path("/proc", str(pid)).exists() for pid in pids)
    assert not any(Path("/proc", str(pid)).exists() for pid in pids)


@pytest.mark.parametrize("forgets", [False, True])
def test_a_node_survives_a_restart_of_the_api_server(
    cluster: LocalCluster, space: Space, tmp_path: Path, forgets: bool
) -> None:
    with LocalNode(cluster.kubeconfig, tmp_path / "node") as node:
        space.put(pod("deleted", ["sleep", "600"]))
        space.put(pod("worker", shell(f"until test -e {tmp_path}/go; do sleep 0.01; done; touch {tmp_path}/done")))
        for name in ("deleted", "worker"):
            space.until("Pod", name, is_ready)
        pid = node.processes["deleted"]
        cluster.stop()
        (tmp_path / "go").touch()
        assert any((tmp_path / "done").exists() for _ in moments())
        cluster.start()
        if forgets:
            cluster.compact()
        space.delete("Pod", "deleted", gracePeriodSeconds=0)
        assert any(not Path("/proc", str(pid)).exists() for _ in moments())
        assert succeeded(space, "worker")


def test_a_node_needs_an_api_server(cluster: LocalCluster, tmp_path: Path) -> None:
    cluster.stop()
    with pytest.raises(Refused, match="503: GET /api/v1/namespaces"), LocalNode(cluster.kubeconfig, tmp_path):
        pass
