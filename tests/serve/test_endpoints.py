"""What goes wrong inside is told to the client who caused it, and to nobody else."""

import asyncio
import json
import logging
import threading
from typing import Any

import httpx
import pytest
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

from perennial_trainer.contract.task import ServeTask, parse_task
from perennial_trainer.data import conversion
from perennial_trainer.serve.app import served_by
from perennial_trainer.serve.endpoints import Endpoints
from perennial_trainer.serve.lifecycle import State
from perennial_trainer.serve.metrics import Metrics
from perennial_trainer.serve.predictor import Predictor
from tests.serve.processes import MIXED, rides, serve_task
from tests.serve.requests import ROWS, request


class Gated(LinearRegression):
    """Predicts only once the gate is open."""

    gate = threading.Event()
    entered = threading.Event()

    def predict(self, X: Any) -> Any:  # noqa: N803 - scikit-learn's name
        self.entered.set()
        self.gate.wait()
        return super().predict(X)


def client(estimator: LinearRegression, limit: int = 100) -> httpx.AsyncClient:
    """Of the endpoints alone, for a model that takes no season it has not seen; `limit` requests may wait."""
    task = parse_task(json.dumps(serve_task("file:///model.joblib", "0" * 64)))
    assert isinstance(task, ServeTask)
    frame = conversion.feature_frame(rides(), MIXED)
    columns = make_column_transformer((OneHotEncoder(handle_unknown="error"), ["season"]), remainder="passthrough")
    predictor = Predictor(make_pipeline(columns, estimator).fit(frame, rides().cnt), task.model)
    state = State()
    metrics = Metrics(task.model_deployment, task.version)
    state.served = served_by(predictor, state.limits._replace(queue=limit), metrics, "joblib")
    application = Endpoints(task, state, metrics).application()
    return httpx.AsyncClient(transport=httpx.ASGITransport(application), base_url="http://server")


async def infer(client: httpx.AsyncClient, **columns: Any) -> httpx.Response:
    return await client.post("/v2/models/bike-demand/infer", json=request(ROWS.assign(**columns)))


def test_a_failure_is_logged_without_the_values_that_caused_it(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG, logger="perennial_trainer"):
        response = asyncio.run(infer(client(LinearRegression()), season="Jane Doe"))
    assert response.status_code == 500
    assert response.json() == {
        "error": "bike-demand-v1 failed to predict: ValueError: Found unknown categories ['Jane Doe'] in column 0 "
        "during transform"
    }
    assert "a request failed with ValueError" in caplog.text
    assert "predictor.py" in caplog.text
    assert "Jane Doe" not in caplog.text


def test_a_full_queue_answers_with_retry_after() -> None:
    async def three() -> list[httpx.Response]:
        server = client(Gated(), limit=9)
        predicting = asyncio.create_task(infer(server))
        await asyncio.to_thread(Gated.entered.wait)
        # One of the two waits, the other is refused, and only then the gate is opened.
        later = [asyncio.create_task(infer(server)) for _ in range(2)]
        await asyncio.wait(later, return_when=asyncio.FIRST_COMPLETED)
        Gated.gate.set()
        return sorted(await asyncio.gather(predicting, *later), key=lambda response: response.status_code)

    first, second, refused = asyncio.run(three())
    assert (first.status_code, second.status_code, refused.status_code) == (200, 200, 503)
    assert refused.headers["retry-after"] == "1"
    assert refused.json() == {"error": "too many requests are waiting: try again in a second"}
