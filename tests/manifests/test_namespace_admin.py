"""Who is admin of one namespace installs the operator there, on Kubernetes' own API server and never as system:masters."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from helm_python import Config

from tests.charts.chart import PATH
from tests.cluster import RealApi, envtest_binaries
from tests.stage import ROOT

pytestmark = pytest.mark.skipif(
    envtest_binaries() is None or shutil.which("kubectl") is None,
    reason="rights are judged by a real kube-apiserver, and kustomizations read by kubectl: set KUBEBUILDER_ASSETS and PATH",
)
ROLE = "perennial-namespace-operator"
ADMIN = [f"system:aggregate-to-{name}" for name in ("view", "edit", "admin")]
"""What the controller manager, which does not run here, makes the ClusterRole admin of."""
AGGREGATED = ["perennial-view", "perennial-edit", "perennial-namespace-installer"]
"""What it adds to that from the administrator's part."""


class Person:
    """Somebody with kubectl."""

    def __init__(self, kubeconfig: Path) -> None:
        self.kubeconfig = kubeconfig

    def tries(self, *words: object) -> subprocess.CompletedProcess[str]:
        environment = os.environ | {"KUBECONFIG": str(self.kubeconfig)}
        return subprocess.run(["kubectl", *map(str, words)], env=environment, capture_output=True, text=True)

    def does(self, *words: object) -> str:
        done = self.tries(*words)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealApi]:
    with RealApi(tmp_path_factory.mktemp("real")) as api:
        administrator = Person(api.kubeconfig)
        administrator.does("apply", "--server-side", "-f", ROOT / "manifests" / "crds")
        yield api


def admin_of(api: RealApi, namespace: str, roles: list[str]) -> Person:
    """A person who has these roles in the namespace and no other right."""
    administrator = Person(api.kubeconfig)
    administrator.does("create", "namespace", namespace)
    for role in roles:
        name = role.replace(":", "-")
        administrator.does("create", "rolebinding", name, f"--clusterrole={role}", "--user=ada", "-n", namespace)
    return Person(api.kubeconfig_of("ada"))


def installation(directory: Path, namespace: str) -> Path:
    """manifests/namespaced with the namespace set."""
    overlay = {"namespace": namespace, "resources": [os.path.relpath(ROOT / "manifests" / "namespaced", directory)]}
    (directory / "kustomization.yaml").write_text(yaml.safe_dump(overlay))
    return directory


def may_bind(person: Person, namespace: str) -> str:
    return person.tries("auth", "can-i", "bind", f"clusterroles/{ROLE}", "-n", namespace).stdout.strip()


def test_missing_part_of_the_administrator_is_seen_beforehand(api: RealApi, tmp_path: Path) -> None:
    ada = admin_of(api, "without", ADMIN)
    assert may_bind(ada, "without") == "no"
    refused = ada.tries("apply", "--server-side", "-k", installation(tmp_path, "without"), "--dry-run=server")
    assert refused.returncode and f'"{ROLE}" not found' in refused.stderr
    assert "perennial-operator" not in ada.does("get", "deployments", "-n", "without")


def test_admin_of_a_namespace_installs_the_manifests(api: RealApi, tmp_path: Path) -> None:
    Person(api.kubeconfig).does("apply", "--server-side", "-k", ROOT / "manifests" / "installer")
    ada = admin_of(api, "team-a", [*ADMIN, *AGGREGATED])
    assert may_bind(ada, "team-a") == "yes"
    assert may_bind(ada, "default") == "no"
    ada.does("apply", "--server-side", "-k", installation(tmp_path, "team-a"))
    assert operator_may(api, "create modelversions", "team-a")
    assert not operator_may(api, "create modelversions", "default")
    assert not operator_may(api, "get secrets", "team-a")
    ada.does("apply", "--server-side", "-n", "team-a", "-f", ROOT / "manifests/samples/01-linear-regression.yaml")
    elsewhere = ada.tries("create", "rolebinding", "x", f"--clusterrole={ROLE}", "--user=ada", "-n", "default")
    assert "forbidden" in elsewhere.stderr
    more = ada.tries("create", "rolebinding", "x", "--clusterrole=cluster-admin", "--user=ada", "-n", "team-a")
    assert "forbidden" in more.stderr


def test_admin_of_a_namespace_installs_the_chart(api: RealApi, tmp_path: Path) -> None:
    Person(api.kubeconfig).does("apply", "--server-side", "-k", ROOT / "manifests" / "installer")
    ada = admin_of(api, "team-b", [*ADMIN, *AGGREGATED])
    values: dict[str, Any] = {
        "watchNamespaces": ["team-b"],
        "crds": {"install": False},
        "rbac": {"existingClusterRole": ROLE},
    }
    with Config(kubeconfig_path=ada.kubeconfig, namespace="team-b") as helm:
        assert helm.install(str(PATH), "perennial", values)["status"] == "deployed"
    assert operator_may(api, "create modelversions", "team-b", account="perennial")
    assert not operator_may(api, "create modelversions", "default", account="perennial")


def operator_may(api: RealApi, call: str, namespace: str, account: str = "perennial-operator") -> bool:
    of = "team-b" if account == "perennial" else "team-a"
    name = f"system:serviceaccount:{of}:{account}"
    words = ("auth", "can-i", *call.split(), "-n", namespace, f"--as={name}")
    return Person(api.kubeconfig).tries(*words).stdout.strip() == "yes"
