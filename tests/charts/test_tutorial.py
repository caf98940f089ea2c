"""docs/tutorial.md: each of its commands, in its order, from an empty cluster to a second version."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from helm_python import Config

from perennial_operator import __version__
from tests.charts.chart import NAMESPACE, PATH
from tests.cluster import LocalCluster, LocalNode, RealApi, envtest_binaries
from tests.kubectl import Body, Kubectl
from tests.plugin.terminal import PATHS, console_script
from tests.stage import HURRY, IMAGES, PRELOADED, ROOT, Stage

PAGE = (ROOT / "docs" / "tutorial.md").read_text()
COMMANDS = [line for block in re.findall(r"```sh\n(.*?)```", PAGE, re.S) for line in block.splitlines()]
LAST = COMMANDS.index("helm uninstall perennial --namespace perennial-system")


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


class Reader:
    """Types the commands of the page."""

    def __init__(self, stage: Stage, helm: Config) -> None:
        self._stage, self._helm = stage, helm
        script = console_script(stage.directory)
        self._environment = os.environ | {
            "KUBECONFIG": str(stage.kubeconfig),
            "PATH": f"{script.parent}:{os.environ['PATH']}",
            "PYTHONPATH": PATHS,
        }

    def types(self, line: str) -> None:
        match shlex.split(line):
            case ["kind" | "minikube" | "make" | "pip", *_] | [
                "kubectl",
                "port-forward",
                "service/linear-regression",
                "8080",
            ]:
                pass
            case [
                "helm",
                "install",
                "perennial",
                "charts/perennial",
                "--namespace",
                space,
                "--create-namespace",
                "--wait",
            ]:
                assert space == NAMESPACE
                self._helm.install(
                    str(PATH), "perennial", namespace=space, create_namespace=True, wait="watcher", timeout=300
                )
            case ["helm", "test", "perennial", "--namespace", "perennial-system"]:
                self._helm.test("perennial", timeout=300)
            case ["helm", "uninstall", "perennial", "--namespace", "perennial-system"]:
                self._helm.uninstall("perennial", wait="watcher", timeout=300)
            case ["curl", "-s", "-d", file, address]:
                assert address == "http://localhost:8080/v2/models/linear-regression/infer"
                body = json.loads((ROOT / file.removeprefix("@")).read_text())
                assert len(self._stage.infer("linear-regression", body)["predict"]) == 2
            case ["kubectl", *_]:
                shell = ["bash", "-o", "pipefail", "-c", line]
                done = subprocess.run(shell, cwd=ROOT, env=self._environment, capture_output=True, text=True)
                assert done.returncode == 0, f"{line}\n{done.stdout}\n{done.stderr}"
            case _:
                raise AssertionError(f"the page has a command that this test does not know: {line}")


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
    metrics = httpx.get(f"http://{pod['status']['podIP']}:9090/metrics", trust_env=False, verify=False).text
    return re.search(r'^perennial_leader{shard="0"} 1.0$', metrics, re.MULTILINE) is not None


def test_kind_and_minikube_load_the_images_of_the_chart() -> None:
    images = {f"perennial-{part}:{__version__}" for part in ("operator", "trainer")}
    for tool, command in (("kind", "load docker-image"), ("minikube", "image load")):
        assert set(re.findall(rf"^{tool} {command} (\S+)", PAGE, re.M)) == images
        clusters = re.findall(rf"^{tool} .*(?:--name|--profile) (\S+)$", PAGE, re.M)
        assert clusters == ["perennial"] * 4


@pytest.mark.skipif(shutil.which("kubectl") is None, reason="the page's commands need kubectl: put it into PATH")
@pytest.mark.timeout(600)
def test_each_command_works_and_a_second_version_serves(stage: Stage, helm: Config, system: Kubectl) -> None:
    reader = Reader(stage, helm)
    for line in COMMANDS[:LAST]:
        reader.types(line)
    pods = operators(system)
    assert [pod["status"]["containerStatuses"][0]["ready"] for pod in pods] == [True, True]
    assert sum(acting(pod) for pod in pods) == 1

    second = stage.version("linear-regression-v2")
    assert second["metrics"]["candidate"]["r2"] > 0.9 > second["metrics"]["live"]["r2"]
    version = stage.kubectl.get("ModelVersion", "linear-regression-v2")
    assert version and version["spec"]["trigger"]["reason"] == "Drift"
    report = stage.kubectl.get("DriftReport", version["spec"]["trigger"]["driftReport"])
    assert report and report["status"]["outcome"] == "Triggered"

    helm.upgrade(str(PATH), "perennial", {"maxTrainings": 3}, wait="watcher", timeout=300)
    for line in COMMANDS[LAST:]:
        reader.types(line)
    stage.wait("the operators are gone", lambda: not operators(system))
    assert stage.predict("linear-regression", {"feature1": [20.0], "feature2": [60.0]})
    assert stage.version("linear-regression-v2")["phase"] == "Live"
