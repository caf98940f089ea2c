"""Settled fleets of several sizes under one operator, then under three: `python -m tests.bench.bench_fleet --sizes 1000 5000`.

Each model has ten versions with their Jobs and pods, and fifty reports. Needs etcd and kube-apiserver in $KUBEBUILDER_ASSETS.
Other load on the machine lengthens times; so CPU seconds and ratios are what counts.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from perennial_operator.election import lease_names
from tests.bench import fleet, settled
from tests.bench.operator_process import OperatorProcess
from tests.cluster import Api, Connection, RealApi
from tests.kubectl import Kubectl
from tests.manifests.conftest import install

SHARDS, SYSTEM = 3, "default"
NAMESPACES = [f"fleet-{number:02}" for number in range(30)]
UNLIMITED = {"PERENNIAL_MAX_TRAININGS": "100000", "PERENNIAL_TRAINER_IMAGE": settled.POLICY.trainer_image}
PATIENCE = 7200.0
QUIET_SECONDS = 10.0


class Bench:
    """What was measured is in `results`."""

    def __init__(self, api: RealApi, directory: Path, rest: float) -> None:
        self.api, self.directory, self.rest = api, directory, rest
        self.template, self.kubectl = settled.Template(), Kubectl(api.kubeconfig, SYSTEM)
        self.results: dict[str, Any] = {"rest_s": rest, "sizes": {}}
        self.models, self.restarts, self.base = 0, 0, 0.0

    def operator(self, name: str, **settings: str) -> OperatorProcess:
        directory = self.directory / name
        directory.mkdir(exist_ok=True)
        return OperatorProcess(self.api.kubeconfig, directory, "", **UNLIMITED, **settings)

    def prepare(self) -> None:
        install(self.kubectl)
        for name in NAMESPACES:
            self.kubectl.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
        with self.operator("empty") as operator:
            operator.settled(0, PATIENCE)
            self.base = operator.megabytes()

    def measure(self, models: int) -> None:
        """One operator starts on this many settled models, and has nothing to do."""
        written = settled.write(self.api.etcd, settled.models(self.template, NAMESPACES, range(self.models, models)))
        say(f"{models} models: {written} objects written")
        self.models = models
        with self.operator("alone") as operator:
            seconds = operator.settled(models, PATIENCE)
            figures, cpu, megabytes = operator.figures(), operator.cpu_seconds(), operator.megabytes()
            assert figures
            until("the watches have ended their first lists", lambda: self._is_quiet(operator))
            began = operator.cpu_seconds()
            time.sleep(self.rest)
            at_rest = (operator.cpu_seconds() - began) / self.rest
            after = operator.rest(PATIENCE)
            self.results["sizes"][models] = {
                "settle_s": round(seconds, 1),
                "settle_cpu_s": round(cpu, 1),
                "writes": after.writes,
                "kib_a_model": round((megabytes - self.base) * 1024 / models, 1),
                "rss_mb": round(megabytes),
                "rss_mb_at_most": round(operator.greatest_megabytes()),
                "cpu_at_rest": round(at_rest, 4),
            }
        say(f"{models} models: {self.results['sizes'][models]}")

    def _is_quiet(self, operator: OperatorProcess) -> bool:
        before = operator.cpu_seconds()
        time.sleep(QUIET_SECONDS)
        return operator.cpu_seconds() - before < QUIET_SECONDS / 50

    def share(self) -> None:
        """Three operators share the largest fleet; one is killed."""
        with ExitStack() as stack:
            leases = {"PERENNIAL_LEASE_NAMESPACE": SYSTEM, "PERENNIAL_SHARDS": str(SHARDS)}
            names = ("one", "two", "three")
            operators = {name: self.operator(name, PERENNIAL_IDENTITY=name, **leases) for name in names}
            for operator in operators.values():
                stack.enter_context(operator)
            until("each has a shard", lambda: self._alive(operators) and sorted(self.holders()) == sorted(names))
            passes = self._passes(operators)
            self.results["three"] = {
                "rss_mb": [round(operator.megabytes()) for operator in operators.values()],
                "settle_cpu_s": [round(operator.cpu_seconds(), 1) for operator in operators.values()],
                "passes": passes,
            }
            passes_before = self._passes_of_a_report(operators, 0.1)
            operators.pop("two").kill()
            began = time.monotonic()
            until("its shard is taken over", lambda: self._alive(operators) and "two" not in self.holders())
            taken = time.monotonic() - began
            self._passes(operators)
            self.results["three"] |= {
                "taken_over_after_s": round(taken, 1),
                "working_after_s": round(time.monotonic() - began - 2, 1),
                "restarts": self.restarts,
                "passes_of_a_report": [passes_before, self._passes_of_a_report(operators, 0.11)],
            }
        say(f"three operators: {self.results['three']}")

    def _alive(self, operators: dict[str, OperatorProcess]) -> bool:
        """Whether all run; one that has lost its Lease, as on a machine that is too busy, is started again."""
        ended = [operator for operator in operators.values() if operator.ended()]
        for operator in ended:
            operator.start()
        self.restarts += len(ended)
        return not ended

    def _passes(self, operators: dict[str, OperatorProcess]) -> list[int]:
        """The passes of each, when every model had one and nothing is left to do."""

        def all_done() -> bool:
            if not self._alive(operators):
                return False
            try:
                figures = [operator.figures() for operator in operators.values()]
            except RuntimeError:  # one has ended since
                return False
            return all(figures) and sum(each.passes for each in figures if each) >= self.models

        until("every model had a pass", all_done)
        return [operator.rest(PATIENCE).passes for operator in operators.values()]

    def holders(self) -> list[str]:
        leases = [self.kubectl.get("Lease", name) or {} for name in lease_names(SHARDS)]
        return [str(lease.get("spec", {}).get("holderIdentity", "")) for lease in leases]

    def _passes_of_a_report(self, operators: dict[str, OperatorProcess], psi: float) -> float:
        """Passes for a new report in each namespace: twice as many if two operators acted for it."""
        before = sum(operator.rest(PATIENCE).passes for operator in operators.values())
        asyncio.run(self._report(psi))
        until("every report has an outcome", lambda: self._open() == 0)
        after = sum(operator.rest(PATIENCE).passes for operator in operators.values())
        return round((after - before) / len(NAMESPACES), 2)

    async def _report(self, psi: float) -> None:
        async with Api(Connection.of(self.api.kubeconfig)) as api:
            for number, namespace in enumerate(NAMESPACES):
                await fleet.create(api, fleet.report(namespace, f"model-{number:05}", psi))

    def _open(self) -> int:
        """Reports without an outcome."""
        selected = {"fieldSelector": "status.outcome="}
        return len(self.kubectl._call("GET", "/apis/perennial.dev/v1alpha1/driftreports", **selected)["items"])


def until(what: str, is_so: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not is_so():
        assert time.monotonic() < end, f"after {PATIENCE:g} s it is not so that {what}"
        time.sleep(1)


def say(text: str) -> None:
    print(f"{time.monotonic() - BEGAN:6.0f} s  {text}", flush=True)


def ratios(sizes: dict[int, dict[str, Any]]) -> dict[str, float]:
    """What the greatest fleet takes, in multiples of the smallest, and what each further model needs."""
    least, most, more = sizes[min(sizes)], sizes[max(sizes)], max(sizes) - min(sizes)
    return {
        "settle_cpu_ratio": round(most["settle_cpu_s"] / least["settle_cpu_s"], 1),
        "kib_a_further_model": round((most["rss_mb"] - least["rss_mb"]) * 1024 / more, 1) if more else 0.0,
    }


def play(sizes: Sequence[int], rest: float) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name, RealApi(Path(name) / "api") as api:
        bench = Bench(api, Path(name), rest)
        bench.prepare()
        for size in sorted(sizes):
            bench.measure(size)
        bench.share()
        return bench.results | ratios(bench.results["sizes"])


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.bench_fleet", description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=[1000, 5000, 10_000])
    parser.add_argument("--rest", type=float, default=300.0, help="seconds at rest, in which every kind is listed once")
    arguments = parser.parse_args()
    print(json.dumps(play(arguments.sizes, arguments.rest)))


BEGAN = time.monotonic()
if __name__ == "__main__":
    main()
