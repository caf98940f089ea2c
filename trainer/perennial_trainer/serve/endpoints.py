"""The HTTP endpoints: the Open Inference Protocol v2, and /metrics."""

import logging
import time
import traceback
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import orjson
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from perennial_trainer import __version__
from perennial_trainer.contract.task import ServeTask
from perennial_trainer.serve import protocol
from perennial_trainer.serve.batching import QueueFullError
from perennial_trainer.serve.lifecycle import State
from perennial_trainer.serve.metrics import Metrics
from perennial_trainer.serve.tensors import BadRequestError

MAX_BODY = 16 * 2**20  # bytes
CLIENT_GONE = 499  # nginx's code; the response is only counted

log = logging.getLogger(__name__)


class Endpoints:
    """The endpoints of the version that `task` names, and that `state` has once it is loaded."""

    def __init__(self, task: ServeTask, state: State, metrics: Metrics) -> None:
        self._task = task
        self._state = state
        self._metrics = metrics

    def application(self) -> Starlette:
        routes = [
            Route("/v2", self.server),
            Route("/v2/health/live", self.live),
            Route("/v2/health/ready", self.ready),
            Route("/metrics", self.metrics),
        ]
        for model in ("/v2/models/{model}", "/v2/models/{model}/versions/{version}"):
            routes.append(Route(model, self.model))
            routes.append(Route(f"{model}/ready", self.model_ready))
            routes.append(Route(f"{model}/infer", self.infer, methods=["POST"]))
        return Starlette(routes=routes, exception_handlers={HTTPException: self.http_error})

    async def server(self, _: Request) -> Response:
        return self._respond({"name": "perennial", "version": __version__, "extensions": []})

    async def live(self, _: Request) -> Response:
        return self._respond({"live": True})

    async def ready(self, _: Request) -> Response:
        return self._respond({"ready": self._state.ready}, 200 if self._state.ready else 503)

    async def metrics(self, _: Request) -> Response:
        return Response(self._metrics.text(), media_type=CONTENT_TYPE_LATEST)

    async def model(self, request: Request) -> Response:
        self._check_names(request)
        served = self._state.served
        if served is None:
            return self._loading()
        features = self._task.model.features
        inputs = [{"name": name, "datatype": "FP64", "shape": [-1]} for name in features.numeric]
        inputs += [{"name": name, "datatype": "BYTES", "shape": [-1]} for name in features.categorical]
        return self._respond(
            {
                "name": self._task.model_deployment,
                "versions": [self._task.version],
                "platform": f"{self._task.model.framework}_{served.file_format}",
                "inputs": inputs,
                "outputs": served.predictor.metadata(),
            }
        )

    async def model_ready(self, request: Request) -> Response:
        self._check_names(request)
        return self._respond(
            {"name": self._task.model_deployment, "ready": self._state.ready}, 200 if self._state.ready else 503
        )

    async def infer(self, request: Request) -> Response:
        self._check_names(request)
        started = time.perf_counter()
        response = await self._infer(request)
        self._metrics.count_request(response.status_code, time.perf_counter() - started)
        return response

    async def http_error(self, request: Request, error: Exception) -> Response:
        """An error in the protocol's format, for a path or method without an endpoint."""
        assert isinstance(error, HTTPException)
        message = error.detail
        if message == HTTPStatus(error.status_code).phrase:  # Starlette's own, for a path or a method
            message = (
                f"{request.method} {request.url.path} is not served: see GET /v2/models/{self._task.model_deployment}"
            )
        return self._respond({"error": message}, error.status_code, error.headers)

    async def _infer(self, request: Request) -> Response:
        """Never raises: every request is counted, and no exception writes the values of a row to the log."""
        try:
            if self._state.served is None:
                return self._loading()
            predictor, batcher, _ = self._state.served
            inference = protocol.read_request(await _body(request), self._task.model.features, predictor.outputs)
            outputs = await batcher.submit(inference)
            if self._task.model.task == "regression":
                self._metrics.count_predictions(outputs["predict"])
            return self._respond(
                protocol.write_response(self._task.model_deployment, self._task.version, inference.id, outputs)
            )
        except BadRequestError as error:
            return self._respond({"error": str(error)}, 400)
        except _TooLargeError:
            return self._respond({"error": f"the body has more than {MAX_BODY} bytes: send fewer rows at a time"}, 413)
        except QueueFullError:
            return self._busy("too many requests are waiting: try again in a second")
        except ClientDisconnect:
            return Response(status_code=CLIENT_GONE)
        except Exception as error:
            log.error(
                "a request failed with %s:\n%s", type(error).__name__, "".join(traceback.format_tb(error.__traceback__))
            )
            return self._respond({"error": f"{self._task.version} failed to predict: {_first_line(error)}"}, 500)

    def _check_names(self, request: Request) -> None:
        model, version = self._task.model_deployment, self._task.version
        if request.path_params["model"] != model:
            raise HTTPException(404, f"model {request.path_params['model']} is not served here: use {model}")
        if request.path_params.get("version", version) != version:
            raise HTTPException(404, f"version {request.path_params['version']} is not served here: use {version}")

    def _loading(self) -> Response:
        return self._busy(f"{self._task.version} is being loaded: try again when /v2/health/ready answers 200")

    def _busy(self, message: str) -> Response:
        return self._respond({"error": message}, 503, {"retry-after": "1"})

    def _respond(self, content: bytes | Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
        body = content if isinstance(content, bytes) else orjson.dumps(content)
        # A client would use its open connection until it is cut.
        closing = {"connection": "close"} if self._state.draining else {}
        return Response(body, status, {**(headers or {}), **closing}, media_type="application/json")


class _TooLargeError(Exception):
    pass


async def _body(request: Request) -> bytes:
    chunks, size = [], 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > MAX_BODY:
            raise _TooLargeError  # uvicorn reads and drops the rest of the body
        chunks.append(chunk)
    return b"".join(chunks)


def _first_line(error: Exception) -> str:
    """The error and the start of its text, only for the client, since it may have the client's values."""
    return f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
