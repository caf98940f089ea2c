"""The API servers that these tests run on: the local one, and a real one beside it where its binaries are."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.cluster.local import LocalCluster
from tests.cluster.node import LocalNode
from tests.cluster.real import RealApi, envtest_binaries
from tests.cluster.space import Calls, Space

# The same tests hold for both; whatever differs is a fault of the local one.
SERVERS = [LocalCluster] + ([RealApi] if envtest_binaries() else [])
DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"


@pytest.fixture(scope="session", params=SERVERS, ids=lambda server: server.__name__)
def server(request: pytest.FixtureRequest) -> type[LocalCluster | RealApi]:
    result: type[LocalCluster | RealApi] = request.param
    return result


@pytest.fixture(scope="session")
def api(server: type[LocalCluster | RealApi], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Calls]:
    """Any verb on a server without a node, which knows the custom kind Widget."""
    with server(tmp_path_factory.mktemp("cluster")) as cluster:
        calls = Calls(cluster.kubeconfig)
        definition = yaml.safe_load((Path(__file__).parent / "widgets.yaml").read_text())
        assert calls.post(DEFINITIONS, definition).code == 201
        calls.until(lambda: calls.get("/apis/test.dev/v1/widgets").code == 200)
        yield calls


@pytest.fixture
def folder(api: Calls) -> Iterator[Space]:
    """A namespace without a node, of its own for each test."""
    with Space(api) as folder:
        yield folder


@pytest.fixture
def maps(folder: Space) -> str:
    """The path of the namespace's ConfigMaps."""
    return folder.path("configmaps")


@pytest.fixture
def widgets(folder: Space) -> str:
    """The path of the namespace's Widgets."""
    return folder.path("widgets")


@pytest.fixture(scope="session")
def kubeconfig(server: type[LocalCluster | RealApi], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with server(tmp_path_factory.mktemp("server")) as cluster:
        yield cluster.kubeconfig


@pytest.fixture(scope="session")
def node(kubeconfig: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalNode]:
    """A node in a hurry: a probe's period of 1 s lasts 20 ms."""
    environment = {"GREETING": "hello", "PYTHONPATH": str(Path(__file__).parent / "programs")}
    directory, preloaded = tmp_path_factory.mktemp("node"), {"forked": ["decimal"]}
    with LocalNode(kubeconfig, directory, environment, hurry=50, backoff=0.05, preloaded=preloaded) as node:
        yield node


@pytest.fixture
def space(kubeconfig: Path, node: LocalNode) -> Iterator[Space]:
    """A namespace with a node, of its own for each test."""
    with Space(Calls(kubeconfig)) as space:
        yield space
