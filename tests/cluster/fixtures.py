"""A cluster with a node, as tests are given it: the local API server, and the real one wherever it is installed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster.client import Connection
from tests.cluster.local import LocalCluster
from tests.cluster.node import LocalNode
from tests.cluster.real import RealApi, envtest_binaries
from tests.cluster.space import Space

SERVERS = [LocalCluster] + ([RealApi] if envtest_binaries() else [])


@pytest.fixture(scope="session", params=SERVERS, ids=lambda server: server.__name__)
def kubeconfig(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with request.param(tmp_path_factory.mktemp("server")) as server:
        yield server.kubeconfig


@pytest.fixture(scope="session")
def node(kubeconfig: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalNode]:
    """A node in a hurry: a probe's period of 1 s lasts 20 ms."""
    environment, preloaded = (
        {"GREETING": "hello", "PYTHONPATH": str(Path(__file__).parent / "programs")},
        {"forked": ["decimal"]},
    )
    directory = tmp_path_factory.mktemp("node")
    with LocalNode(kubeconfig, directory, environment, hurry=50, backoff=0.05, preloaded=preloaded) as node:
        yield node


@pytest.fixture
def space(kubeconfig: Path, node: LocalNode) -> Iterator[Space]:
    """A namespace of its own for each test."""
    with Space(Connection.of(kubeconfig)) as space:
        yield space
