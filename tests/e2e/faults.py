"""Serving pods of which one version errs or is slow, and somebody who asks them."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from itertools import cycle
from typing import Any, Self

import httpx

from tests.e2e.models import a_table
from tests.stage import ROOT, Stage

PLACE = "/faults"
SITE = f'''
"""Imported by every Python before its program: the server of a version answers as the environment says."""
import asyncio, itertools, json, os, sys, time

sys.path.append({str(ROOT / "trainer")!r})  # on the local node; an image brings its own

task, faults = json.loads(os.environ.get("PERENNIAL_TASK", "{{}}")), json.loads(os.environ["FAULTS"])
fault = faults.get(task.get("version"))
if task.get("task") == "serve" and fault:
    from perennial_trainer.serve.endpoints import Endpoints

    well, count = Endpoints._infer, itertools.count(1)

    async def badly(self, request):
        began = time.perf_counter()
        await asyncio.sleep(fault.get("seconds", 0))
        number = next(count)
        if fault.get("every") and number > fault.get("after", 0) and number % fault["every"] == 0:
            return self._respond({{"error": "injected"}}, 500), began
        return (await well(self, request))[0], began

    Endpoints._infer = badly
'''


def a_faulty_site(name: str) -> dict[str, Any]:
    return a_table(f"{name}-faults", {"sitecustomize.py": SITE})


def faulty(name: str, faults: Mapping[str, Mapping[str, float]]) -> dict[str, Any]:
    """`serving` with pods that obey the ConfigMap above: version → what is wrong with it."""
    return {
        "pod": {
            "volumes": [{"name": "faults", "configMap": {"name": f"{name}-faults"}}],
            "volumeMounts": [{"name": "faults", "mountPath": PLACE}],
            "env": [
                {"name": "PYTHONPATH", "value": PLACE},
                {"name": "FAULTS", "value": json.dumps(faults)},
            ],
        }
    }


class Asker:
    """While the context lasts every ready pod is asked in turn, as a Service would have it; the codes are counted."""

    def __init__(self, stage: Stage, name: str, pause: float = 0.005) -> None:
        self._stage, self._name, self._pause = stage, name, pause
        self.codes: dict[str, dict[int, int]] = {}
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._ask, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join(30)

    def _ask(self) -> None:
        inputs = [{"name": name, "shape": [1], "datatype": "FP64", "data": [1.0]} for name in ("feature1", "feature2")]
        with httpx.Client(timeout=30, trust_env=False, verify=False) as http:
            while not self._over.is_set():
                pods = self._stage.serving_pods(self._name)
                for pod, _ in zip(cycle(pods), range(40), strict=False):
                    version = pod["metadata"]["labels"]["perennial.dev/model-version"]
                    port = pod["spec"]["containers"][0]["ports"][0]["containerPort"]
                    url = f"http://{pod['status']['podIP']}:{port}/v2/models/{self._name}/infer"
                    try:
                        code = http.post(url, json={"inputs": inputs}).status_code
                    except httpx.TransportError:
                        code = 0
                    counts = self.codes.setdefault(version, {})
                    counts[code] = counts.get(code, 0) + 1
                    self._over.wait(self._pause)
