"""`kubectl apply -k` on Kubernetes' own API server: the operators run with the rights of their role, and need no others."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from perennial_operator.core.names import RETRAIN
from tests.cluster import LocalNode, RealApi, envtest_binaries
from tests.kubectl import Kubectl
from tests.samples import apply_first
from tests.stage import HURRY, IMAGES, PRELOADED, ROOT, Stage

ACCOUNT = "perennial-operator"
FORBIDDEN = [
    "get secrets", "list configmaps", "create pods", "create pods/exec", "patch pods", "delete services",
    "get modeldeployments", "patch modeldeployments", "delete modeldeployments", "patch modelversions",
    "patch deployments.apps/scale", "create serviceaccounts/token", "create roles", "list namespaces",
]  # fmt: skip

pytestmark = pytest.mark.skipif(
    envtest_binaries() is None or shutil.which("kubectl") is None,
    reason="rights are judged by a real kube-apiserver, and kustomizations read by kubectl: set KUBEBUILDER_ASSETS and PATH",
)


class Installed(Stage):
    """While the context lasts the operators of a kustomization run as their own account, as pods of the local node."""

    def __init__(self, directory: Path, kustomization: str, system: str) -> None:
        super().__init__(directory, cluster="real")
        self._kustomization, self.system_namespace = ROOT / kustomization, system

    def _set_up(self) -> None:
        self.kubeconfig = self._stack.enter_context(RealApi(self.directory / "api")).kubeconfig
        self.kubectl = Kubectl(self.kubeconfig, self.namespace)
        self._stack.callback(self.kubectl.close)
        self.system = Kubectl(self.kubeconfig, self.system_namespace)
        self._stack.callback(self.system.close)
        self.type("apply", "--server-side", "-f", ROOT / "manifests" / "crds")
        self.type("wait", "--for=condition=Established", "-f", ROOT / "manifests" / "crds")
        self.type("apply", "--server-side", "-k", ROOT / "manifests" / "installer")
        self.type("apply", "--server-side", "-k", self._kustomization)
        code = {"PYTHONPATH": f"{ROOT / 'operator'}:{ROOT / 'trainer'}", "KUBECONFIG": str(self.own_kubeconfig())}
        self.node = self._stack.enter_context(
            LocalNode(
                self.kubeconfig, self.directory / "node", code, hurry=HURRY, entrypoints=IMAGES, preloaded=PRELOADED
            )
        )
        self.type("rollout", "status", f"deployment/{ACCOUNT}", "-n", self.system_namespace, "--timeout=120s")

    def type(self, *words: object) -> str:
        """What kubectl prints; AssertionError with its complaint if it fails."""
        environment = os.environ | {"KUBECONFIG": str(self.kubeconfig)}
        done = subprocess.run(["kubectl", *map(str, words)], env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def own_kubeconfig(self) -> Path:
        """A kubeconfig with a token of the operators' account."""
        config = yaml.safe_load(self.kubeconfig.read_text())
        config["users"][0]["user"] = {
            "token": self.type("create", "token", ACCOUNT, "-n", self.system_namespace).strip()
        }
        path = self.directory / "operator-kubeconfig"
        path.write_text(yaml.safe_dump(config))
        return path

    def logs(self) -> str:
        pods = self.system.list("Pod", f"app.kubernetes.io/name={ACCOUNT}")
        return "".join(Path(pod["metadata"]["annotations"]["cluster.local/log-file"]).read_text() for pod in pods)


@pytest.fixture(
    scope="module",
    params=[("manifests", "perennial-system"), ("manifests/namespaced", "default")],
    ids=["cluster", "namespace"],
)
def installed(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installed]:
    with Installed(tmp_path_factory.mktemp("installed"), *request.param) as installed:
        yield installed


def test_a_model_lives_with_the_rights_of_the_role(installed: Installed) -> None:
    apply_first(installed.kubectl)
    installed.until_phase("linear-regression-v1", "Live", timeout=120)
    installed.kubectl.annotate("ModelDeployment", "linear-regression", {RETRAIN: "now"})
    second = installed.until_phase("linear-regression-v2", "Live", "Rejected", "Failed", "RolledBack", timeout=120)
    assert second["phase"] == "Live", second["message"]
    installed.wait("v1 is served no more", lambda: not installed.kubectl.get("Deployment", "linear-regression-v1"))
    log = [json.loads(line) for line in installed.logs().splitlines()]
    assert sum("acquired the Lease" in line["message"] for line in log) == 1
    troubles = ("forbidden", "outdatedcrds", "notstored")
    assert [line for line in log if any(trouble in line["message"].lower() for trouble in troubles)] == []


@pytest.mark.parametrize("call", FORBIDDEN)
def test_the_operators_may_not(installed: Installed, call: str) -> None:
    assert allowed(installed, call, "default") == "no"


def test_the_operators_of_a_namespace_may_do_nothing_elsewhere(installed: Installed) -> None:
    whole_cluster = installed.system_namespace != "default"
    for call in ("list modeldeployments", "create jobs.batch", "list pods", "patch deployments.apps"):
        assert allowed(installed, call, "kube-system") == ("yes" if whole_cluster else "no")


def allowed(installed: Installed, call: str, namespace: str) -> str:
    """yes or no, in the words of the API server."""
    verb, resource = call.split()
    resource, _, subresource = resource.partition("/")
    words = ["kubectl", "auth", "can-i", verb, resource, "-n", namespace, f"--subresource={subresource}"]
    environment = os.environ | {"KUBECONFIG": str(installed.own_kubeconfig())}
    return subprocess.run(words, env=environment, capture_output=True, text=True).stdout.split()[0]
