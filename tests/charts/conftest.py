"""API servers that Helm talks to: the local one, and a real one wherever it is installed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from helm_python import Config

from tests.charts.chart import NAMESPACE
from tests.cluster import LocalCluster, RealApi, envtest_binaries
from tests.kubectl import Kubectl

SERVERS = [LocalCluster] + ([RealApi] if envtest_binaries() else [])


@pytest.fixture(params=SERVERS, ids=lambda server: server.__name__)
def kubectl(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Kubectl]:
    """A person at an empty cluster."""
    with request.param(tmp_path / "api") as server:
        person = Kubectl(server.kubeconfig, NAMESPACE)
        yield person
        person.close()


@pytest.fixture
def helm(kubectl: Kubectl, tmp_path: Path) -> Iterator[Config]:
    with Config(kubeconfig_path=tmp_path / "api" / "kubeconfig", namespace=NAMESPACE) as helm:
        yield helm
