"""API servers with the CRDs: the local one, and a real one where its envtest_binaries are."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cluster import LocalCluster, RealApi, envtest_binaries
from tests.kubectl import Kubectl
from tests.stage import ROOT


@pytest.fixture(scope="session", params=["local", "real"] if envtest_binaries() else ["local"])
def kubectl(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kubectl]:
    start = RealApi if request.param == "real" else LocalCluster
    with start(tmp_path_factory.mktemp(request.param)) as api:
        kubectl = Kubectl(api.kubeconfig)
        install(kubectl)
        yield kubectl
        kubectl.close()


def install(kubectl: Kubectl) -> None:
    """The CRDs are there and served."""
    files = sorted((ROOT / "manifests" / "crds").glob("*.yaml"))
    define(kubectl, *files)


def define(kubectl: Kubectl, *definitions: Path | dict[str, Any]) -> None:
    """The kinds are served."""
    names = [kubectl.apply(definition)[0]["metadata"]["name"] for definition in definitions]
    end = time.monotonic() + 30
    while not all(established(kubectl, name) for name in names):
        assert time.monotonic() < end, "the CRDs were not established in time"
        time.sleep(0.05)


def established(kubectl: Kubectl, name: str) -> bool:
    definition = kubectl.get("CustomResourceDefinition", name) or {}
    conditions = (definition.get("status") or {}).get("conditions") or []
    return any(c["type"] == "Established" and c["status"] == "True" for c in conditions)


@pytest.fixture(scope="session")
def full() -> Path:
    """A ModelDeployment with every field of the design."""
    return Path(__file__).parent / "full.yaml"
