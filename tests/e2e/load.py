"""A bounded load of real requests through five roll-outs, a roll-back and the death of the operator: none fails.

Beside them, one client sends values that no model can take, and one sends large bodies: neither costs the others a request,
a version its roll-out, or a pod its life.

Not a part of `make test`, since it takes minutes: `make e2e-load`. The pods ask for a twentieth of a processor and may take
half of one. The local node starts them as processes and limits neither processor nor memory; a real node does.
"""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from typing import Any, Self

import httpx
import pytest

from tests.e2e.faults import a_faulty_site, faulty
from tests.e2e.models import a_report, a_table, first_version, rows
from tests.stage import Stage

REPLICAS, CLIENTS, PAUSE = 2, 4, 0.02
LISTED_EVERY = 0.2
"""Seconds: so late a client hears of a pod that comes or goes, as a node's proxy does."""
ROLLOUT = {
    "steps": [{"weight": 50, "hold": "2s"}],
    "analysis": {"interval": "1s", "minRequests": 50, "maxLatencyRatio": 2.5, "limit": "1h"},
    "timeout": "120s",
    "watch": "0s",  # the next candidate is to roll out at once
}
SLOW = {"busy-v4": {"seconds": 0.3}}
RESOURCES = {"requests": {"cpu": "50m"}, "limits": {"cpu": "500m"}}
LARGE_ROWS = 60_000


def question(*values: float) -> dict[str, Any]:
    """A request with these rows, in which both features have the same value."""
    names = ("feature1", "feature2")
    return {"inputs": [{"name": name, "shape": [len(values)], "datatype": "FP64", "data": values} for name in names]}


QUESTION, POISON, LARGE = question(1.0), question(1.0, 1.797e308), question(*[0.5] * LARGE_ROWS)
REFUSED = {429, 503}
"""Codes by which a large body may be refused for a while."""


class Load:
    """Clients that ask whatever pods are ready behind the Service, keep their connections, and try nothing twice."""

    def __init__(self, stage: Stage, name: str) -> None:
        self._stage, self._name, self._over = stage, name, threading.Event()
        self._pods: list[tuple[str, str]] = []
        self._lock = threading.Lock()
        self.answered: Counter[str] = Counter()
        """Version → requests that were answered well."""
        self.failed: list[str] = []
        self.fewest = REPLICAS
        """Ready replicas, at the worst moment."""
        self.restarts = 0
        """Of any container."""
        self.others: dict[str, Counter[int]] = {"poison": Counter(), "large": Counter()}
        """The codes that the clients of poison and of large bodies got."""
        self._threads = [threading.Thread(target=self._look, daemon=True)]
        self._threads += [threading.Thread(target=self._ask, args=(seed,), daemon=True) for seed in range(CLIENTS)]
        more = {"poison": (POISON, PAUSE), "large": (LARGE, 2.0)}
        self._threads += [threading.Thread(target=self._send, args=(key, *more[key]), daemon=True) for key in more]

    def __enter__(self) -> Self:
        self._list()
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join(60)

    def _list(self) -> None:
        ready = self._stage.serving_pods(self._name)
        port = ready[0]["spec"]["containers"][0]["ports"][0]["containerPort"] if ready else 0
        self._pods = [
            (pod["metadata"]["labels"]["perennial.dev/model-version"], f"http://{pod['status']['podIP']}:{port}")
            for pod in ready
        ]
        self.fewest = min(self.fewest, len(ready))
        counts = [each["restartCount"] for pod in ready for each in pod["status"]["containerStatuses"]]
        self.restarts = max(self.restarts, *counts, 0)

    def _look(self) -> None:
        while not self._over.wait(LISTED_EVERY):
            self._list()

    def _send(self, name: str, body: dict[str, Any], pause: float) -> None:
        choice = random.Random(name)
        with httpx.Client(timeout=60, trust_env=False, verify=False) as http:
            while not self._over.wait(pause):
                _, url = choice.choice(self._pods)
                try:
                    code = http.post(f"{url}/v2/models/{self._name}/infer", json=body).status_code
                except httpx.TransportError:
                    code = 0
                self.others[name][code] += 1

    def _ask(self, seed: int) -> None:
        choice = random.Random(seed)
        with httpx.Client(timeout=30, trust_env=False, verify=False) as http:
            while not self._over.wait(PAUSE):
                version, url = choice.choice(self._pods)
                try:
                    answer = http.post(f"{url}/v2/models/{self._name}/infer", json=QUESTION)
                    failure = "" if answer.status_code == 200 else f"{answer.status_code}: {answer.text[:200]}"
                except httpx.TransportError as error:
                    failure = repr(error)
                with self._lock:
                    if failure:
                        self.failed.append(f"{time.strftime('%X')} {version}: {failure}")
                    else:
                        self.answered[version] += 1


def drifts(stage: Stage, number: int) -> None:
    """There is a reason for version `number`, and rows that make it better than the live one."""
    newer = {f"{number}.csv": rows(number, slope=3 + 4 * number)}
    stage.apply(a_table("busy-data", {"0.csv": rows(0), **newer}), a_report(f"busy-{number}", "busy", psi=number))


def until_over(stage: Stage, number: int) -> dict[str, Any]:
    return stage.until_phase(f"busy-v{number}", "Live", "RolledBack", "Rejected", "Failed", timeout=200)


@pytest.mark.timeout(1800)
def test_no_request_fails_and_never_is_a_replica_missing(stage: Stage) -> None:
    if stage.cluster == "current":
        pytest.skip("the pods of somebody else's cluster have no address here")
    stage.apply(a_faulty_site("busy"))
    serving = faulty("busy", SLOW) | {"replicas": REPLICAS}
    serving["pod"] |= {"resources": RESOURCES}
    first_version(stage, "busy", {"0.csv": rows(0)}, {"rollout": ROLLOUT, "serving": serving})
    stage.wait("all replicas are ready", lambda: len(stage.serving_pods("busy")) == REPLICAS)
    ends = {}
    with Load(stage, "busy") as load:
        for number in range(2, 8):
            drifts(stage, number)
            if number == 3:
                stage.wait(
                    "it takes half", lambda: stage.version("busy-v3").get("rollout", {}).get("weight") == 50, 120
                )
                stage.kill_operator()
                stage.start_operator()
            over = until_over(stage, number)
            ends[number] = f"{over['phase']} {over['reason']}"
            live = number if over["phase"] == "Live" else number - 1
            stage.wait("one version serves alone", lambda live=live: stage.serves_alone(f"busy-v{live}"), 120)  # type: ignore[misc]
        stage.wait("the last one is asked", lambda: load.answered["busy-v7"] > 100)
    print(
        f"\n{sum(load.answered.values()):,} requests answered: {dict(load.answered)}; {len(load.failed)} failed; {load.others}"
    )
    assert ends == {n: "RolledBack TooSlow" if n == 4 else "Live RolledOut" for n in range(2, 8)}
    assert load.failed == []
    assert load.fewest == REPLICAS
    assert set(load.others["poison"]) == {400}
    assert load.others["large"][200] > 0
    assert set(load.others["large"]) <= {200} | REFUSED
    assert load.restarts == 0
    assert min(load.answered[f"busy-v{number}"] for number in range(1, 8)) > 0
