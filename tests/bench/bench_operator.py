"""One operator with a thousand models and ten thousand reports: `python -m tests.bench.bench_operator`.

For comparison a bare script makes the same API calls (`bare_loop.py`), in the same run and at the same pace: other load on
the machine slows down both. They run on etcd and kube-apiserver if $KUBEBUILDER_ASSETS has them, else on the local
cluster, which is a Python process and by far the slowest of the three.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from tests.bench import fleet
from tests.bench.operator_process import ROOT, WRITES, OperatorProcess, process
from tests.cluster import Api, Connection, RealApi, envtest_binaries
from tests.kubectl import Kubectl
from tests.manifests.conftest import install

OURS, BARE = "fleet", "bare"
AT_ONCE = 10
"""Trainings in the fleet."""
UNLIMITED = "100000"
STEADY_SECONDS = 45
RESYNC_SECONDS = 15
"""Short, so that the steady state includes several lists."""
USUAL_RESYNC_SECONDS = "300"
KINDS = r"(modeldeployments|modelversions|driftreports|jobs|deployments|services|events)"


@contextmanager
def an_api(directory: Path) -> Iterator[tuple[Path, str]]:
    """A kubeconfig, and the kind of its API server."""
    if os.environ.get("KUBEBUILDER_ASSETS") and envtest_binaries():
        with RealApi(directory / "api") as real:
            yield real.kubeconfig, "etcd and kube-apiserver"
        return
    command = [sys.executable, "-m", "tests.cluster", "--directory", str(directory / "api")]
    with process(command, {}, directory / "api.log"):
        kubeconfig, end = directory / "api" / "kubeconfig", time.monotonic() + 30
        while not kubeconfig.exists():
            assert time.monotonic() < end, (directory / "api.log").read_text()
            time.sleep(0.1)
        yield kubeconfig, "the local cluster"


class Bench:
    """The parts of the benchmark; their figures are in `results`."""

    def __init__(self, api: Api, operator: OperatorProcess, server: str, arguments: argparse.Namespace) -> None:
        self.api, self.operator, self.arguments = api, operator, arguments
        self.results: dict[str, Any] = {"api_server": server, "models": arguments.models}

    async def rest(self) -> Any:
        return await asyncio.to_thread(self.operator.rest)

    def say(self, text: str) -> None:
        print(f"{time.monotonic() - BEGAN:6.0f} s  {text}", flush=True)

    async def found_the_fleet(self) -> None:
        models, paced = self.arguments.models, self.arguments.paced
        await fleet.create_fleet(self.api, OURS, range(models))
        await fleet.create_fleet(self.api, BARE, range(min(models, paced)))
        self.operator.start(PERENNIAL_MAX_TRAININGS=UNLIMITED, PERENNIAL_TRAININGS_PER_DAY=UNLIMITED)
        await asyncio.to_thread(self.operator.settled, models)
        await fleet.get_ready(self.api, OURS)
        await self.rest()
        await fleet.finish_all(self.api, OURS)
        figures = await self.rest()
        self.say(f"{models} models serve; {figures.passes} passes, {figures.writes} writes, {figures.reads} reads")

    async def judge_many(self) -> None:
        """Reports without a breach, as fast as the API server accepts them."""
        before, began = await self.rest(), time.monotonic()
        cpu, count = self.operator.cpu_seconds(), self.arguments.reports
        reports = (fleet.report(OURS, fleet.model(i % self.arguments.models), 0.1) for i in range(count))
        await fleet.for_each(reports, lambda manifest: fleet.create(self.api, manifest))
        written = time.monotonic() - began
        figures = (await self.rest()).since(before)
        seconds, cpu = time.monotonic() - began - 2, self.operator.cpu_seconds() - cpu
        self.results |= {
            "reports": count,
            "passes_per_report": round(figures.passes / count, 2),
            "calls_per_report": round((figures.writes + figures.reads) / count, 2),
            "cpu_ms_per_report": round(cpu / count * 1000, 2),
        }
        self.say(
            f"{count} reports written in {written:.0f} s and judged after {seconds:.0f} s: "
            f"{self.results['passes_per_report']} passes, {self.results['calls_per_report']} calls, "
            f"{self.results['cpu_ms_per_report']} ms of CPU for each; {figures.failed} passes repeated"
        )

    async def restart(self) -> None:
        self.operator.kill()
        self.operator.start()
        settled = await asyncio.to_thread(self.operator.settled, self.arguments.models)
        figures = self.operator.figures()
        self.results |= {"settle_s": round(settled, 1), "writes_at_restart": figures and figures.writes}
        self.say(
            f"a restart settled in {settled:.1f} s with {self.operator.cpu_seconds():.1f} s of CPU; {figures}; "
            f"{self.operator.megabytes():.0f} MB, at most {self.operator.greatest_megabytes():.0f} MB"
        )

    async def stay(self) -> None:
        """Nothing changes, while periodic lists run: nothing may be written."""
        before, server = await self.rest(), await self.written()
        cpu = self.operator.cpu_seconds()
        await asyncio.sleep(STEADY_SECONDS)
        figures = (await self.rest()).since(before)
        writes = max(figures.writes, await self.written() - server)
        self.results |= {"steady_state_writes": writes, "rss_mb": round(self.operator.megabytes())}
        self.results["rss_mb_at_most"] = round(self.operator.greatest_megabytes())
        self.say(
            f"in {STEADY_SECONDS} s with a list every {RESYNC_SECONDS} s: {writes} writes, {figures.passes} passes, "
            f"{figures.reads} reads, {self.operator.cpu_seconds() - cpu:.2f} s of CPU; {self.operator.megabytes():.0f} MB"
        )

    async def written(self) -> int:
        """The API server's own count; 0 if it has none."""
        try:
            text = await self._text("/metrics")
        except ValueError:
            return 0
        verbs = "|".join((*WRITES, "APPLY"))
        lines = re.findall(rf'^apiserver_request_total{{.*resource="{KINDS}".*verb="({verbs})".*}} (\S+)$', text, re.M)
        return int(sum(float(line[-1]) for line in lines))

    async def _text(self, path: str) -> str:
        async with self.api._session.get(path) as answer:
            if not answer.ok:
                raise ValueError(path)
            return await answer.text()

    async def pace(self) -> None:
        """Breaches at a steady pace, alternately for the operator and for the bare script."""
        count, pause = self.arguments.paced, 1 / self.arguments.per_second
        created: dict[str, float] = {}
        seen: dict[str, float] = {}

        async def write(namespace: str, number: int) -> None:
            manifest = fleet.report(namespace, fleet.model(number % self.arguments.models), 0.3)
            name = manifest["spec"]["modelDeployment"]
            key = (
                f"{namespace}/{name}"
                if namespace == OURS
                else f"{namespace}/{name}-{manifest['metadata']['name'][-6:]}"
            )
            await fleet.create(self.api, manifest)
            created[key] = time.perf_counter()

        async def look(namespace: str) -> None:
            async for event in fleet.watch(self.api, "Job", namespace):
                if event["type"] == "ADDED" and event["object"]["metadata"]["name"].endswith("-train"):
                    name = event["object"]["metadata"]["name"].removesuffix("-train").rsplit("-v", 1)[0]
                    seen[f"{namespace}/{name}"] = time.perf_counter()

        self.operator.kill()
        self.operator.start(PERENNIAL_RESYNC_SECONDS=USUAL_RESYNC_SECONDS)
        await asyncio.to_thread(self.operator.settled, self.arguments.models)
        before, cpu = await self.rest(), self.operator.cpu_seconds()
        lookers = [asyncio.create_task(look(namespace)) for namespace in (OURS, BARE)]
        await asyncio.sleep(1)
        began = time.perf_counter()
        async with asyncio.TaskGroup() as group:
            for number in range(count):
                for half, namespace in enumerate((OURS, BARE)):
                    await asyncio.sleep(max(0.0, began + (number + half / 2) * pause - time.perf_counter()))
                    group.create_task(write(namespace, number))
        figures = (await self.rest()).since(before)
        self.results["cpu_ms_per_breach"] = round((self.operator.cpu_seconds() - cpu) / count * 1000, 1)
        for looker in lookers:
            looker.cancel()
        assert seen.keys() == created.keys(), f"without a Job: {sorted(created.keys() - seen.keys())[:5]}"
        self._compare({name: (seen[name] - at) * 1000 for name, at in created.items()}, figures)

    def _compare(self, waited: dict[str, float], figures: Any) -> None:
        ours, bare = (sorted(v for k, v in waited.items() if k.startswith(n + "/")) for n in (OURS, BARE))
        medians = [statistics.median(one) for one in (ours, bare)]
        p99 = [one[int(len(one) * 0.99)] for one in (ours, bare)]
        count = self.arguments.paced
        self.results |= {
            "ours_over_bare_median": round(medians[0] / medians[1], 2),
            "median_ms": round(medians[0], 1),
            "p99_ms": round(p99[0], 1),
            "bare_median_ms": round(medians[1], 1),
            "bare_p99_ms": round(p99[1], 1),
            "reports_per_s": self.arguments.per_second,
        }
        self.say(
            f"report to Job at {self.arguments.per_second:g} a second: median {medians[0]:.1f} ms, 99 % {p99[0]:.1f} ms; "
            f"bare script {medians[1]:.1f} and {p99[1]:.1f} ms; for each breach {figures.passes / count:.2f} passes, "
            f"{figures.writes / count:.2f} writes, {figures.reads / count:.2f} reads, "
            f"{self.results['cpu_ms_per_breach']} ms of CPU"
        )

    async def breach_everywhere(self) -> None:
        """All models drift at once, with few training slots: they are trained in the order of their reports."""
        models = self.arguments.models
        await self._end_all_jobs()
        await self.rest()
        self.operator.kill()
        self.operator.start(PERENNIAL_MAX_TRAININGS=str(AT_ONCE), PERENNIAL_TRAININGS_PER_DAY=UNLIMITED)
        await asyncio.to_thread(self.operator.settled, models)
        started: list[str] = []
        running: set[str] = set()
        most = [0]
        queued: dict[str, str] = {}
        done = asyncio.Event()

        async def end(name: str) -> None:
            await asyncio.sleep(0.05)
            running.discard(name)
            await fail(self.api, name)

        async def look() -> None:
            async with asyncio.TaskGroup() as group:
                async for event in fleet.watch(self.api, "Job", OURS):
                    name = event["object"]["metadata"]["name"]
                    if event["type"] == "ADDED" and name.endswith("-train"):
                        started.append(name.removesuffix("-train").rsplit("-v", 1)[0])
                        running.add(name)
                        most[0] = max(most[0], len(running))
                        group.create_task(end(name))
                        if len(started) == models:
                            done.set()

        async def note() -> None:
            async for event in fleet.watch(self.api, "ModelDeployment", OURS):
                body = event["object"]
                if since := (body.get("status") or {}).get("queuedSince"):
                    queued.setdefault(body["metadata"]["name"], since)

        lookers = [asyncio.create_task(one()) for one in (look, note)]
        await asyncio.sleep(1)
        began = time.monotonic()
        for number in range(models):
            await fleet.create(self.api, fleet.report(OURS, fleet.model(number), 0.31))
        await asyncio.wait_for(done.wait(), 1800)
        seconds = time.monotonic() - began
        await self.rest()
        for looker in lookers:
            looker.cancel()
        twice = [name for name, times in Counter(started).items() if times > 1]
        waited = [name for name in started if name in queued]
        fair = sorted(waited, key=lambda name: (queued[name], name))
        place = {name: at for at, name in enumerate(fair)}
        overtaken = max((abs(at - place[name]) for at, name in enumerate(waited)), default=0)
        self.results |= {"trainings_at_once": most[0], "overtaken_by_at_most": overtaken, "fleet_s": round(seconds, 1)}
        self.say(
            f"{models} breaches at once: {len(started)} trainings ({len(twice)} twice) in {seconds:.0f} s, "
            f"at most {most[0]} at once, {len(waited)} waited, the least fair by {overtaken} places; "
            f"{self.operator.megabytes():.0f} MB"
        )

    async def _end_all_jobs(self) -> None:
        jobs = await fleet.every(self.api, "Job", OURS)
        trainings = (job["metadata"]["name"] for job in jobs if job["metadata"]["name"].endswith("-train"))
        await fleet.for_each(trainings, lambda name: fail(self.api, name))


async def fail(api: Api, name: str) -> None:
    """The status of a Job whose pods failed too often."""
    now = datetime.now().astimezone().isoformat(timespec="seconds")
    base = {"status": "True", "reason": "BackoffLimitExceeded", "message": "bench", "lastTransitionTime": now}
    conditions = [{"type": kind, **base} for kind in ("FailureTarget", "Failed")]
    status = {"startTime": now, "failed": 1, "conditions": conditions}
    await fleet.set_status(api, "Job", OURS, name, status)


async def play(kubeconfig: Path, directory: Path, server: str, arguments: argparse.Namespace) -> dict[str, Any]:
    operator = OperatorProcess(kubeconfig, directory, OURS, PERENNIAL_RESYNC_SECONDS=str(RESYNC_SECONDS))
    python_path = {"PYTHONPATH": f"{ROOT}:{ROOT / 'operator'}"}
    script = [sys.executable, "-m", "tests.bench.bare_loop", str(kubeconfig), BARE]
    try:
        async with Api(Connection.of(kubeconfig)) as api:
            bench = Bench(api, operator, server, arguments)
            await bench.found_the_fleet()
            await bench.judge_many()
            await bench.restart()
            await bench.stay()
            with process(script, python_path, directory / "bare.log"):
                await bench.pace()
            await bench.breach_everywhere()
            return bench.results
    finally:
        operator.kill()


def prepared(kubeconfig: Path) -> None:
    kubectl = Kubectl(kubeconfig)
    install(kubectl)
    for namespace in (OURS, BARE):
        kubectl.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})
    kubectl.close()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.bench_operator", description=__doc__)
    parser.add_argument("--models", type=int, default=1000)
    parser.add_argument("--reports", type=int, default=10_000)
    parser.add_argument("--paced", type=int, default=600)
    parser.add_argument("--per-second", type=float, default=10.0)
    arguments = parser.parse_args()
    arguments.paced = min(arguments.paced, arguments.models)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name, an_api(Path(name)) as (kubeconfig, server):
        print(f"on {server}", flush=True)
        prepared(kubeconfig)
        print(json.dumps(asyncio.run(play(kubeconfig, Path(name), server, arguments))))


BEGAN = time.monotonic()
if __name__ == "__main__":
    main()
