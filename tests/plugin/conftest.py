"""One local cluster with Perennial's CRDs; each test has a namespace of its own."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.cluster import LocalCluster
from tests.kubectl import Kubectl
from tests.plugin.rollout_in_progress import put_rollout
from tests.plugin.terminal import Terminal, console_script
from tests.stage import ROOT

NUMBERS = itertools.count(1)


@pytest.fixture(scope="session")
def kubeconfig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with LocalCluster(tmp_path_factory.mktemp("plugin")) as cluster:
        administrator = Kubectl(cluster.kubeconfig)
        administrator.apply(ROOT / "manifests" / "crds")
        administrator.close()
        yield cluster.kubeconfig


@pytest.fixture(scope="session")
def script(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return console_script(tmp_path_factory.mktemp("bin"))


@pytest.fixture
def terminal(kubeconfig: Path, script: Path, tmp_path: Path) -> Iterator[Terminal]:
    kubectl = Kubectl(kubeconfig, f"team-{next(NUMBERS)}")
    kubectl.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": kubectl.namespace}})
    yield Terminal(script, kubeconfig, kubectl, tmp_path)
    kubectl.close()


@pytest.fixture
def as_process(rolling_out: Terminal) -> Terminal:
    """The same, with each command as the console script in its own process."""
    return replace(rolling_out, as_process=True)


@pytest.fixture
def rolling_out(terminal: Terminal) -> Terminal:
    """The terminal of a namespace where bike is rolled out."""
    put_rollout(terminal)
    return terminal
