"""The API servers that the tests of the API run on: the local one, and on request a real one beside it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.cluster.calls import Calls, Cluster, Folder
from tests.cluster.local import LocalCluster
from tests.cluster.real import RealApi, envtest_binaries

# The same tests hold for both; whatever differs is a fault of the local one.
SERVERS = (
    [LocalCluster, RealApi] if os.environ.get("PERENNIAL_REAL_API") == "1" and envtest_binaries() else [LocalCluster]
)
DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"


@pytest.fixture(scope="session", params=SERVERS, ids=lambda server: server.__name__)
def cluster(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with request.param(tmp_path_factory.mktemp("cluster")) as cluster:
        yield cluster


@pytest.fixture(scope="session")
def api(cluster: Cluster) -> Calls:
    """Any verb on the server, which knows the custom kind Widget."""
    calls = Calls(cluster)
    definition = yaml.safe_load((Path(__file__).parent / "widgets.yaml").read_text())
    assert calls.post(DEFINITIONS, definition).code == 201
    calls.until(lambda: calls.get("/apis/test.dev/v1/widgets").code == 200)
    return calls


@pytest.fixture
def folder(api: Calls) -> Iterator[Folder]:
    """A namespace of its own for each test."""
    with Folder(api) as folder:
        yield folder
