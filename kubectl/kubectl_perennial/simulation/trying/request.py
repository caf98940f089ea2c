"""One request to the real server, over the loopback address of this machine."""

from __future__ import annotations

import asyncio
import json
import urllib.error
import urllib.request
from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import partial
from typing import Any

import pandas as pd

from kubectl_perennial.simulation.tasks import quiet
from perennial_trainer.contract.task import ServeTask
from perennial_trainer.data.values.times import written_time
from perennial_trainer.serve.app import load_served, make_server, open_listener
from perennial_trainer.serve.endpoints import Endpoints
from perennial_trainer.serve.lifecycle import State
from perennial_trainer.serve.metrics import Metrics

LOOPBACK = "127.0.0.1"
SECONDS = 60


@dataclass(frozen=True)
class Answered:
    """The path and the body of a request, and what the server answered."""

    path: str
    body: dict[str, Any]
    status: int
    answer: str


def ask(task: ServeTask, row: pd.Series[Any]) -> Answered:
    """The answer of the server that the task describes to a request for one row of a table."""
    with quiet():
        return asyncio.run(_answered(task, row))


def request_body(task: ServeTask, row: pd.Series[Any], outputs: Collection[str]) -> dict[str, Any]:
    """A tensor for each feature; a missing value is null. Of classes the probabilities are asked for, too."""
    features = task.model.features
    changes: list[tuple[str, str, Callable[[Any], Any]]] = [
        *((name, "FP64", float) for name in features.numbers),
        *((name, "BYTES", str) for name in (*features.categories, *features.texts)),
        *((name, "BYTES", partial(written_time, time_format=form)) for name, form in features.times.items()),
    ]
    inputs = [
        {"name": name, "shape": [1], "datatype": kind, "data": [None if pd.isna(row[name]) else change(row[name])]}
        for name, kind, change in changes
    ]
    return {"inputs": inputs} | ({"outputs": [{"name": name} for name in outputs]} if len(outputs) > 1 else {})


async def _answered(task: ServeTask, row: pd.Series[Any]) -> Answered:
    path = f"/v2/models/{task.model_deployment}/infer"
    state, metrics = State(), Metrics(task.model_deployment, task.version)
    listener = open_listener(LOOPBACK, 0)
    server = make_server(Endpoints(task, state, metrics).application(), state, metrics)
    serving = asyncio.create_task(server.serve([listener]))
    try:
        state.served = await load_served(task, state, metrics)
        body = request_body(task, row, state.served.predictor.outputs)
        url = f"http://{LOOPBACK}:{listener.getsockname()[1]}{path}"
        return Answered(path, body, *await asyncio.to_thread(_post, url, json.dumps(body).encode()))
    finally:
        server.should_exit = True
        await serving


def _post(url: str, body: bytes) -> tuple[int, str]:
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"})  # noqa: S310 - the address above
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=SECONDS) as response:
            return response.status, response.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()
