"""From an empty cluster to a model that serves, as a newcomer types it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from helm_python import Config

from tests.charts.chart import NAMESPACE, PATH
from tests.cluster import LocalCluster, LocalNode, RealApi, envtest_binaries
from tests.kubectl import Body, Kubectl
from tests.samples import apply_first
from tests.stage import HURRY, IMAGES, PRELOADED, ROOT, Stage


class Empty(Stage):
    """A cluster with nothing installed, and a node on which every image is this checkout."""

    def _set_up(self) -> None:
        start = RealApi if self.cluster == "real" else LocalCluster
        self.kubeconfig = self._stack.enter_context(start(self.directory / "api")).kubeconfig
        self.kubectl = Kubectl(self.kubeconfig, self.namespace)
        self._stack.callback(self.kubectl.close)
        code = {"PYTHONPATH": f"{ROOT / 'operator'}:{ROOT / 'trainer'}", "KUBECONFIG": str(self.kubeconfig)}
        self.node = self._stack.enter_context(
            LocalNode(
                self.kubeconfig, self.directory / "node", code, hurry=HURRY, entrypoints=IMAGES, preloaded=PRELOADED
            )
        )


@pytest.fixture(params=["local", *(["real"] if envtest_binaries() else [])])
def stage(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Stage]:
    with Empty(tmp_path / "stage", cluster=request.param) as stage:
        yield stage


@pytest.fixture
def helm(stage: Stage) -> Iterator[Config]:
    with Config(kubeconfig_path=stage.kubeconfig, namespace=NAMESPACE) as helm:
        yield helm


@pytest.fixture
def system(stage: Stage) -> Iterator[Kubectl]:
    person = Kubectl(stage.kubeconfig, NAMESPACE)
    yield person
    person.close()


def operators(system: Kubectl) -> list[Body]:
    return system.list("Pod", "app.kubernetes.io/name=perennial-operator")


def acting(pod: Body) -> bool:
    """Whether the pod says of itself that it acts."""
    metrics = httpx.get(f"http://{pod['status']['podIP']}:9090/metrics", trust_env=False).text
    return re.search(r"^perennial_leader 1.0$", metrics, re.MULTILINE) is not None


def test_installed_tested_and_the_sample_serves(stage: Stage, helm: Config, system: Kubectl) -> None:
    helm.install(str(PATH), "perennial", namespace=NAMESPACE, create_namespace=True, wait="watcher", timeout=120)
    pods = operators(system)
    assert [pod["status"]["containerStatuses"][0]["ready"] for pod in pods] == [True, True]
    helm.test("perennial", timeout=120)
    stage.wait("one of the two acts", lambda: sum(acting(pod) for pod in pods) == 1)

    apply_first(stage.kubectl)
    stage.wait(
        "the sample is Ready", lambda: stage.condition("linear-regression", "Ready").get("status") == "True", 120
    )
    assert len(stage.predict("linear-regression", {"feature1": [20.0], "feature2": [60.0]})) == 1

    helm.upgrade(str(PATH), "perennial", {"maxTrainings": 3}, wait="watcher", timeout=120)
    helm.uninstall("perennial", wait="watcher", timeout=120)
    stage.wait("the operators are gone", lambda: not operators(system))
    assert stage.predict("linear-regression", {"feature1": [20.0], "feature2": [60.0]})
    assert stage.version("linear-regression-v1")["phase"] == "Live"
