"""The operator at any call, the leader, trainers, servers and a whole node are killed; the outcome is the same."""

from __future__ import annotations

import os
import signal
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Self

import pytest
from aiohttp import web

from tests.cluster import LocalNode
from tests.e2e.proxy import Proxy
from tests.faults.story import PATIENCE, Restarting, begin, drift, ends_like_an_undisturbed_story, play_story
from tests.stage import HURRY, IMAGES, PRELOADED, ROOT, Stage, chosen_cluster

pytestmark = pytest.mark.timeout(1200)


class Deadly(Proxy):
    """A proxy that kills the operator at some of its calls, before the call takes effect or before its response."""

    def __init__(self, to: Path, directory: Path, seed: int, lives: int) -> None:
        super().__init__(to, directory, lambda method, path: None)
        self._random = Random(seed)
        self._left, self._calls, self._last = lives, 0, self._random.randint(1, 30)
        self.kill: Callable[[], None] = lambda: None
        self.deaths: list[str] = []

    async def _forward(self, request: web.Request) -> web.StreamResponse:
        self._calls += 1
        if self._calls < self._last or not self._left:
            return await super()._forward(request)
        after = self._random.random() < 0.5 and not request.query.get("watch")
        self._left, self._calls, self._last = self._left - 1, 0, self._random.randint(1, 30)
        if after:
            await super()._forward(request)
        self.deaths.append(f"{request.method} {request.path} {'done' if after else 'not done'}")
        self.kill()
        if request.transport:
            request.transport.abort()
        return web.Response()


@pytest.mark.parametrize("seed", range(3))
def test_operator_killed_at_any_call_reaches_the_same_outcome(
    seed: int, tmp_path: Path, counted: Callable[[str], None]
) -> None:
    proxies: list[Deadly] = []

    def through(kubeconfig: Path) -> Path:
        if not proxies:
            proxies.append(Deadly(kubeconfig, tmp_path, seed, lives=40))
            proxies[0].__enter__()
        return proxies[0].kubeconfig

    where = {"cluster": chosen_cluster(), "namespace": f"faults-kill-{seed}"}
    with Stage(tmp_path / "stage", operator=False, through=through, **where) as stage:
        through(stage.kubeconfig)
        proxies[0].kill = stage.shoot_operator
        with Restarting(stage):
            play_story(stage, "killed")
            ends_like_an_undisturbed_story(stage, "killed")
        proxies[0].__exit__()
    counted(f"{len(proxies[0].deaths)} deaths at {len(set(proxies[0].deaths))} different calls")
    assert len(proxies[0].deaths) > 5


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    with Stage(tmp_path / "stage", cluster=chosen_cluster(), namespace="faults-kills", operator=False) as stage:
        yield stage


def test_standby_continues_after_the_leader_is_killed(stage: Stage) -> None:
    def leader() -> str:
        lease = stage.kubectl.get("Lease", "perennial-operator")
        return str((lease or {}).get("spec", {}).get("holderIdentity", ""))

    two = {
        name: stage.operator_process(PERENNIAL_LEASE_NAMESPACE=stage.namespace, PERENNIAL_IDENTITY=name)
        for name in ("one", "two")
    }
    try:
        begin(stage, "led")
        first = leader()
        drift(stage, "led")
        stage.wait("the second version is made", lambda: stage.kubectl.get("ModelVersion", "led-v2"))
        two[first].send_signal(signal.SIGKILL)
        stage.until_phase("led-v2", "Live", timeout=PATIENCE)
        ends_like_an_undisturbed_story(stage, "led")
        assert {first, leader()} == {"one", "two"}
    finally:
        for process in two.values():
            process.send_signal(signal.SIGKILL)
            process.wait(20)


class Reaper:
    """While the context lasts, random processes of pods are killed, each pod's at most twice."""

    def __init__(self, stage: Stage, seed: int, count: int) -> None:
        self._stage, self._random, self._left = stage, Random(seed), count
        self._over = threading.Event()
        self.killed: Counter[str] = Counter()
        self._thread = threading.Thread(target=self._reap, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _reap(self) -> None:
        while self._left and not self._over.wait(self._random.uniform(0.05, 0.6)):
            running = [name for name in self._stage.node.processes if self.killed[self._kind(name)] < 3]
            if running:
                name = self._random.choice(sorted(running))
                try:
                    self._stage.node.kill(name)
                except LookupError:
                    continue
                self.killed[self._kind(name)] += 1
                self._left -= 1

    def _kind(self, pod: str) -> str:
        """The Job or the Deployment that the pod belongs to."""
        return "-".join(pod.split("-")[:3])


@pytest.mark.parametrize("seed", range(2))
def test_killed_pods_are_recreated_without_partial_results(
    stage: Stage, seed: int, counted: Callable[[str], None]
) -> None:
    with Restarting(stage), Reaper(stage, seed, count=12) as reaper:
        play_story(stage, "reaped")
        ends_like_an_undisturbed_story(stage, "reaped")
    counted(", ".join(f"{name} {count}" for name, count in sorted(reaper.killed.items())))
    assert reaper.killed.total() > 3


def test_loop_continues_on_another_node_after_a_node_loss(stage: Stage) -> None:
    if stage.cluster == "current":
        pytest.fail("this test takes a node away: play it on a cluster of its own, CLUSTER=local or real")
    code = {"PYTHONPATH": f"{ROOT / 'trainer'}:{ROOT / 'tests' / 'contract'}"}
    other = LocalNode(
        stage.kubeconfig,
        stage.directory / "node",
        code,
        hurry=HURRY,
        entrypoints=IMAGES,
        preloaded=PRELOADED,
        name="other",
    )

    def vanish() -> None:
        stage.wait("the second version is made", lambda: stage.kubectl.get("ModelVersion", "moved-v2"))
        stage.node.__exit__()
        for pod in stage.kubectl.list("Pod"):  # as the pod collector does with those of a node that is gone
            stage.kubectl.force_delete("Pod", pod["metadata"]["name"])
        other.__enter__()

    with Restarting(stage):
        try:
            play_story(stage, "moved", between=vanish)
            ends_like_an_undisturbed_story(stage, "moved")
        finally:
            other.__exit__()


def test_hanging_data_source_times_out_and_serving_continues(stage: Stage) -> None:
    with Restarting(stage):
        begin(stage, "hung")
        os.mkfifo(stage.claim("hung-slow") / "rows.csv")  # a store that answers and then says nothing
        slow = {"uri": None, "persistentVolumeClaim": {"claimName": "hung-slow", "path": "*.csv"}}
        change = {"data": {"training": slow}, "training": {"timeout": "3s", "maxRejections": 1}}
        stage.kubectl.patch("ModelDeployment", "hung", {"spec": change})
        failed = stage.until_phase("hung-v2", "Failed", timeout=PATIENCE)
        assert (failed["reason"], "spec.training.timeout" in failed["message"]) == ("TimedOut", True)
        assert stage.serves_alone("hung-v1")
        assert stage.condition("hung", "Available")["status"] == "True"
