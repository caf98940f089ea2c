"""A model stored as the trainer stores it, and a real server process for it."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pandas as pd
from sklearn.linear_model import LinearRegression, LogisticRegression

from perennial_trainer.compiled import file
from perennial_trainer.compiled.build import compile_pipeline
from perennial_trainer.contract.task import Features
from perennial_trainer.data import conversion
from perennial_trainer.models import pipeline
from perennial_trainer.models.frameworks.sklearn import dump_pipeline
from perennial_trainer.storage.digest import sha256_digest

MIXED = Features(numeric=("temp", "hum"), categorical=("season",))
NUMERIC = Features(numeric=("temp", "hum"), categorical=())
ESTIMATORS = {
    "regression": "sklearn.linear_model.LinearRegression",
    "classification": "sklearn.linear_model.LogisticRegression",
}


def rides(rows: int = 300) -> pd.DataFrame:
    """Bike rides by temperature and humidity (0 to 1) and season; `busy` is a class."""
    random = np.random.default_rng(7)
    frame = pd.DataFrame(
        {"temp": random.random(rows), "hum": random.random(rows), "season": random.choice(["1", "2", "3"], rows)}
    )
    frame["cnt"] = 500 * frame.temp - 80 * frame.hum + 30 * frame.season.astype(int) + random.normal(0, 5, rows)
    frame["busy"] = np.where(frame.cnt > frame.cnt.median(), "busy", "calm")
    return frame


def fitted(wanted: Features, kind: str, target: str) -> Any:
    """A pipeline fitted as the trainer does."""
    frame = rides()
    estimator = LinearRegression() if kind == "regression" else LogisticRegression()
    return pipeline.build_pipeline(estimator, wanted).fit(
        conversion.feature_frame(frame, wanted), frame[target].to_numpy()
    )


def serve_task(
    uri: str, sha256: str, wanted: Features = MIXED, kind: str = "regression", form: str = "joblib"
) -> dict[str, Any]:
    model = {
        "framework": "sklearn",
        "format": form,
        "estimator": ESTIMATORS[kind],
        "parameters": {},
        "task": kind,
        "features": {"numeric": list(wanted.numeric), "categorical": list(wanted.categorical)},
        "target": "cnt",
    }
    return {
        "task": "serve",
        "namespace": "bikes",
        "modelDeployment": "bike-demand",
        "version": "bike-demand-v1",
        "model": model,
        "artifact": {"name": "bike-demand-v1", "uri": uri, "sha256": sha256},
        "port": free_port(),
    }


def stored(folder: Path, content: bytes, name: str = "model.joblib") -> tuple[str, str]:
    """The URI and digest of a file with this content."""
    path = folder / name
    path.write_bytes(content)
    return path.as_uri(), sha256_digest(content)


def compiled_version(folder: Path, kind: str = "classification", target: str = "busy") -> dict[str, Any]:
    """The task of a version with a compiled model, whose files the metadata name."""
    model = fitted(MIXED, kind, target)
    uri, sha256 = stored(folder, dump_pipeline(model, "joblib"))
    compiled = file.encode(compile_pipeline(model), sha256)
    (folder / "model.npz").write_bytes(compiled)
    files = {"model.npz": {"sha256": sha256_digest(compiled), "bytes": len(compiled)}}
    metadata = json.dumps({"files": files}).encode()
    (folder / "metadata.json").write_bytes(metadata)
    task = serve_task(uri, sha256, kind=kind)
    task["artifact"]["metadataSha256"] = sha256_digest(metadata)
    return task


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def until(condition: Callable[[], bool], what: str, seconds: float = 60) -> None:
    """Returns once the condition holds; fails, saying for what it waited, if that takes too long."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"waited {seconds} s in vain until {what}"
        time.sleep(0.02)


class Server:
    """`python -m perennial_trainer` with a serve task, and a client of it."""

    def __init__(self, folder: Path, task: dict[str, Any], **environment: str) -> None:
        self.task = task
        self._result = folder / "result.json"
        self._log = folder / "log.txt"
        environment |= os.environ | {
            "PERENNIAL_TASK": json.dumps(task),
            "PERENNIAL_RESULT": str(self._result),
            "PERENNIAL_BIND_ADDRESS": "127.0.0.1",
        }
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "perennial_trainer"], env=environment, stdout=log, stderr=log
            )
        self.url = f"http://127.0.0.1:{task['port']}"
        self.client = httpx.Client(base_url=self.url, timeout=30, verify=False)

    def infer(self, body: Any, path: str = "/v2/models/bike-demand/infer") -> httpx.Response:
        return self.client.post(path, json=body)

    def status(self, path: str) -> int | None:
        """The answer's status, from a connection of its own; None while nothing listens."""
        try:
            return httpx.get(self.url + path, verify=False).status_code
        except httpx.TransportError:
            return None

    def wait(self, path: str, status: int | None) -> None:
        def answered() -> bool:
            assert self._process.poll() is None, f"the server ended early:\n{self.log()}"
            return self.status(path) == status

        until(answered, f"{path} answers {status}")

    def signal(self, number: signal.Signals = signal.SIGTERM) -> None:
        self._process.send_signal(number)

    @property
    def pid(self) -> int:
        return self._process.pid

    def exit_code(self) -> int:
        return self._process.wait(timeout=60)

    def log(self) -> str:
        return self._log.read_text()

    def result(self) -> Any:
        return json.loads(self._result.read_text())

    def metric(self, line: str) -> float:
        """The value of one series in /metrics, given as it is written there; 0 if it is absent."""
        lines = self.client.get("/metrics").text.splitlines()
        return next((float(text.removeprefix(line)) for text in lines if text.startswith(line + " ")), 0.0)

    def close(self) -> None:
        self.client.close()
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()


@contextlib.contextmanager
def running(folder: Path, task: dict[str, Any], *, ready: bool = True, **environment: str) -> Iterator[Server]:
    """A server that is ready, or just started; it is gone at the end."""
    server = Server(folder, task, **environment)
    try:
        if ready:
            server.wait("/v2/health/ready", 200)
        yield server
    finally:
        server.close()
