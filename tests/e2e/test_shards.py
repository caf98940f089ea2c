"""Three operators share the fleet: each write is made by the holder of its namespace's shard, also after one is killed."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from perennial_operator.core.shards import shard_of
from perennial_operator.election import lease_names
from tests.bench import fleet
from tests.bench.operator_process import OperatorProcess
from tests.cluster import Api, Connection, LocalCluster, RealApi
from tests.e2e.proxy import Proxy
from tests.kubectl import Kubectl
from tests.manifests.conftest import install
from tests.stage import chosen_cluster

SHARDS, SYSTEM = 3, "shards-system"
NAMESPACES = [f"shards-{number}" for number in (0, 2, 1, 5, 12, 15)]
"""Two in each shard."""
PATIENCE = 240.0
"""Seconds for each step."""
pytestmark = pytest.mark.timeout(900)


class Operators:
    """Operators by name; each one's writes are compared with the Lease of the shard that they are about."""

    def __init__(self, kubeconfig: Path, directory: Path) -> None:
        self.kubectl = Kubectl(kubeconfig, SYSTEM)
        self.running, self.foreign, self.written = dict[str, OperatorProcess](), list[str](), set[str]()
        self._kubeconfig, self._directory, self._stack = kubeconfig, directory, ExitStack()
        self._stack.callback(self.kubectl.close)

    def start(self, name: str) -> None:
        directory = self._directory / name
        directory.mkdir()
        proxy = Proxy(self._kubeconfig, directory, lambda _, path: self._wrote(name, path))
        kubeconfig = self._stack.enter_context(proxy).kubeconfig
        lease = {"PERENNIAL_LEASE_NAMESPACE": SYSTEM, "PERENNIAL_IDENTITY": name, "PERENNIAL_SHARDS": str(SHARDS)}
        operator = OperatorProcess(kubeconfig, directory, "", **lease)
        self.running[name] = self._stack.enter_context(operator)

    def _wrote(self, name: str, path: str) -> None:
        """The write is done, and its caller has no response yet."""
        namespace = path.partition("/namespaces/")[2].partition("/")[0]
        if namespace in NAMESPACES:
            self.written.add(namespace)
            if (holder := self.holders()[shard_of(namespace, SHARDS)]) != name:
                self.foreign.append(f"{name} wrote {path}, whose shard is held by {holder}")

    def holders(self) -> list[str]:
        leases = [self.kubectl.get("Lease", name) or {} for name in lease_names(SHARDS)]
        return [str(lease.get("spec", {}).get("holderIdentity", "")) for lease in leases]

    def everywhere(self, do: Callable[[Api, str], Coroutine[Any, Any, Any]]) -> None:
        async def done() -> None:
            async with Api(Connection.of(self._kubeconfig)) as api:
                for namespace in NAMESPACES:
                    await do(api, namespace)

        asyncio.run(done())

    def report_everywhere(self, psi: float) -> None:
        self.everywhere(lambda api, namespace: fleet.create(api, fleet.report(namespace, fleet.model(1), psi)))

    def judged(self) -> int:
        return sum("outcome" in report.get("status", {}) for report in self.kubectl.everywhere("DriftReport"))

    def until(self, what: str, is_so: Callable[[], bool]) -> None:
        """It is so. Meanwhile operators that end are started again: on a slow machine one may lose its Lease."""
        end = time.monotonic() + PATIENCE
        while not is_so():
            assert time.monotonic() < end, f"after {PATIENCE:g} s it is not so that {what}"
            for operator in self.running.values():
                if operator.ended():
                    operator.start()
            time.sleep(0.5)

    def close(self) -> None:
        self._stack.close()


@pytest.fixture
def operators(tmp_path: Path) -> Iterator[Operators]:
    start = RealApi if chosen_cluster() == "real" else LocalCluster
    with start(tmp_path / "api") as api:
        operators = Operators(api.kubeconfig, tmp_path)
        install(operators.kubectl)
        for name in (SYSTEM, *NAMESPACES):
            operators.kubectl.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
        operators.everywhere(lambda api, namespace: fleet.create_fleet(api, namespace, [1]))
        yield operators
        operators.close()


def test_operators_share_the_fleet_and_none_acts_twice(operators: Operators) -> None:
    def share(*names: str) -> None:
        operators.until(f"{', '.join(names)} have a shard each", lambda: sorted(operators.holders()) == sorted(names))

    def all_judged(number: int) -> None:
        expected = number * len(NAMESPACES)
        operators.until(f"{number} reports of each model are judged", lambda: operators.judged() == expected)

    for name in ("one", "two", "three"):
        operators.start(name)
    share("one", "three", "two")
    operators.report_everywhere(0.3)
    all_judged(1)
    operators.running["two"].kill()
    operators.report_everywhere(0.31)
    all_judged(2)
    assert "two" not in operators.holders()
    operators.start("four")
    share("one", "three", "four")
    operators.report_everywhere(0.32)
    all_judged(3)
    assert operators.foreign == []
    assert operators.written == set(NAMESPACES)
