"""Random events at a high rate, and whether the operator leaks: `python -m tests.bench.soak`.

Forty models drift, are retrained on request, trained, validated, rolled out and edited without a break, on a separate
API server; this script simulates the node. Memory, tasks, open files and calls are measured every second. A figure that
grows with time, and not with the number of objects, is a leak: the curves are drawn, and each must be flat at the end.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from tests.bench import fleet
from tests.bench.bench_operator import OURS, an_api, prepared
from tests.bench.chart import picture
from tests.bench.operator_process import ROOT, OperatorProcess
from tests.cluster import Api, Connection, Refused

MODELS = 40
LIMITS = {"history": {"versions": 2, "reports": 5}, "training": {"maxRejections": 100}}
"""Small, so that the number of objects is soon constant."""
WARM_UP = 0.4
"""Share of the time until the history is full and all modules are imported."""
SMALL = {"memory, MB": 6.0, "tasks": 15.0, "open files": 3.0, "calls for each event of life": 1.0}
"""Largest growth of each figure after the warm-up; or a twentieth of the figure if that is more."""


class Sample(NamedTuple):
    at: float
    megabytes: float
    tasks: int
    files: int
    calls: int
    lived: int
    failed: int


class Life:
    """Random actions of people, other tools and a node, without a break."""

    def __init__(self, api: Api, seed: int) -> None:
        self.api, self.random, self.lived = api, random.Random(seed), 0

    async def go_on(self, pause: float) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(self._watch("Job", self._finish))
            group.create_task(self._watch("Deployment", self._ready))
            group.create_task(self._watch("ModelVersion", self._collect))
            while True:
                await asyncio.sleep(pause)
                group.create_task(self._tried(self._happen()))

    async def _tried(self, done: Any) -> None:
        try:
            await done
            self.lived += 1
        except Refused as refused:
            if refused.code not in (404, 409):  # it has gone or changed meanwhile
                raise

    async def _happen(self) -> None:
        name = fleet.model(self.random.randrange(MODELS))
        what = self.random.random()
        if what < 0.6:
            await fleet.create(self.api, fleet.report(OURS, name, 0.1))
        elif what < 0.8:
            await fleet.create(self.api, fleet.report(OURS, name, 0.3))
        elif what < 0.9:
            patch: dict[str, Any] = {"spec": {"drift": {"minSamples": self.random.randint(1, 900)}}}
            await self.api.patch(fleet.path("ModelDeployment", OURS, name), patch)
        else:
            asked = {"perennial.dev/retrain-requested-at": str(time.time())}
            await self.api.patch(fleet.path("ModelDeployment", OURS, name), {"metadata": {"annotations": asked}})

    async def _watch(self, kind: str, react: Any) -> None:
        async with asyncio.TaskGroup() as group:
            async for event in fleet.watch(self.api, kind, OURS):
                group.create_task(self._tried(react(event["type"], event["object"])))

    async def _finish(self, event: str, job: dict[str, Any]) -> None:
        """A Job succeeds, or is refused one time in five; its pod reports the result."""
        if event != "ADDED":
            return
        await asyncio.sleep(self.random.random() / 4)
        answer = fleet.answer(job) if self.random.random() < 0.8 else None
        await fleet.finish(self.api, job, answer)

    async def _ready(self, event: str, deployment: dict[str, Any]) -> None:
        """Pods are ready as soon as they are created."""
        seen = (deployment.get("status") or {}).get("observedGeneration")
        if event == "DELETED" or seen == deployment["metadata"]["generation"]:
            return
        counts = dict.fromkeys(
            ("replicas", "readyReplicas", "updatedReplicas", "availableReplicas"), deployment["spec"]["replicas"]
        )
        status = {"observedGeneration": deployment["metadata"]["generation"], **counts}
        await fleet.set_status(self.api, "Deployment", OURS, deployment["metadata"]["name"], status)

    async def _collect(self, event: str, version: dict[str, Any]) -> None:
        """The dependents of a deleted version are deleted too."""
        if event == "DELETED":
            name = version["metadata"]["name"]
            for kind, of in [
                (k, f"{name}-{j}{x}") for j in ("train", "validate", "record") for k, x in (("Job", ""), ("Pod", "-x"))
            ]:
                try:
                    await self.api.call(
                        "DELETE", fleet.path(kind, OURS, of), gracePeriodSeconds="0", propagationPolicy="Background"
                    )
                except Refused as refused:
                    if refused.code != 404:
                        raise


async def sample(operator: OperatorProcess, life: Life, began: float) -> Sample:
    figures = await asyncio.to_thread(operator.figures)
    assert figures
    calls = figures.reads + figures.writes
    at = time.monotonic() - began
    return Sample(at, operator.megabytes(), figures.tasks, operator.open_files(), calls, life.lived, figures.failed)


async def live(kubeconfig: Path, operator: OperatorProcess, seconds: float, pause: float, seed: int) -> list[Sample]:
    async with Api(Connection.of(kubeconfig)) as api:
        await fleet.for_each(
            [fleet.model(number) for number in range(MODELS)],
            lambda name: fleet.create(api, fleet.deployment(OURS, name, LIMITS)),
        )
        operator.start()
        began, life = time.monotonic(), Life(api, seed)
        living = asyncio.create_task(life.go_on(pause))
        while await asyncio.to_thread(operator.figures) is None:
            await asyncio.sleep(0.1)
        samples = []
        while time.monotonic() - began < seconds and not living.done():
            samples.append(await sample(operator, life, began))
            await asyncio.sleep(1)
        living.cancel()
        await asyncio.wait([living])
        if not living.cancelled() and (error := living.exception()):
            raise error
        return samples


def slope(times: Sequence[float], values: Sequence[float]) -> float:
    """The median of the slopes between all pairs (Theil and Sen): a spike is not a trend."""
    pairs = [
        (values[j] - values[i]) / (times[j] - times[i]) for i in range(len(times)) for j in range(i + 1, len(times), 3)
    ]
    return statistics.median(pairs)


def judge(name: str, times: Sequence[float], values: Sequence[float]) -> tuple[bool, str]:
    """Whether the curve is flat after the warm-up, and a description."""
    start = int(len(times) * WARM_UP)
    late, of = times[start:], values[start:]
    growth, usual = slope(late, of) * (late[-1] - late[0]), statistics.median(of)
    allowed = max(SMALL[name], usual / 20)
    flat = growth <= allowed
    words = f"{usual:.4g}, {growth:+.3g} in the last {late[-1] - late[0]:.0f} s, at most {allowed:+.3g}"
    return flat, f"{'flat' if flat else 'GROWS'} ({words})"


def curves(samples: Sequence[Sample]) -> dict[str, list[float]]:
    window = 15
    rates = [
        (one.calls - before.calls) / max(1, one.lived - before.lived)
        for before, one in zip([samples[0]] * window + list(samples), samples, strict=False)
    ]
    return {
        "memory, MB": [one.megabytes for one in samples],
        "tasks": [float(one.tasks) for one in samples],
        "open files": [float(one.files) for one in samples],
        "calls for each event of life": rates,
    }


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.soak", description=__doc__)
    parser.add_argument("--seconds", type=float, default=600, help="memory comes to rest after some five minutes")
    parser.add_argument("--pause", type=float, default=0.1, help="between two things that happen")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name, an_api(Path(name)) as (kubeconfig, server):
        prepared(kubeconfig)
        operator = OperatorProcess(kubeconfig, Path(name), OURS, PERENNIAL_RESYNC_SECONDS="2")
        try:
            samples = asyncio.run(live(kubeconfig, operator, arguments.seconds, arguments.pause, arguments.seed))
        finally:
            operator.kill()
        log = operator.log.read_text()
    times, drawn = [one.at for one in samples], curves(samples)
    judged = {name: judge(name, times, values) for name, values in drawn.items()}
    trainings, rollouts = (log.count(f"] {word}: ") for word in ("Training", "RolledOut"))
    title = f"{samples[-1].lived} events on {MODELS} models in {times[-1]:.0f} s, {trainings} trainings; on {server}"
    target = ROOT / "build" / "soak.svg"
    target.parent.mkdir(exist_ok=True)
    target.write_text(picture(title, times, drawn, {name: words for name, (_, words) in judged.items()}))
    print(title)
    for curve, (_, words) in judged.items():
        print(f"  {curve}: {words}")
    tracebacks = log.count("Traceback")
    print(f"  {rollouts} promotions, {samples[-1].failed} passes repeated, {tracebacks} tracebacks; drawn in {target}")
    return 0 if all(flat for flat, _ in judged.values()) and not tracebacks else 1


if __name__ == "__main__":
    raise SystemExit(main())
