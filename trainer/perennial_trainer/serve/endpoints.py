"""The HTTP endpoints: the Open Inference Protocol v2, and /metrics."""

import asyncio
import logging
import time
import traceback
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import orjson
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from perennial_trainer import __version__
from perennial_trainer.contract.task import ServeTask
from perennial_trainer.serve import protocol
from perennial_trainer.serve.batching import QueueFullError
from perennial_trainer.serve.binary.reading import HEADER
from perennial_trainer.serve.binary.writing import encode
from perennial_trainer.serve.bodies import MORE_MEMORY, Bodies, RefusedError
from perennial_trainer.serve.lifecycle import Served, State
from perennial_trainer.serve.limits import BODY_SECONDS, SMALL_BODY
from perennial_trainer.serve.metrics import Metrics
from perennial_trainer.serve.predictor import Outputs
from perennial_trainer.serve.tensors import BadRequestError

if TYPE_CHECKING:
    from perennial_trainer.serve.capture.chosen import Chosen

CLIENT_GONE = 499  # nginx's code; the response is only counted

Result = TypeVar("Result")
Endpoint = Callable[[Request], Awaitable[Response]]

log = logging.getLogger(__name__)


class Endpoints:
    """The endpoints of the version that `task` names, and that `state` has once it is loaded."""

    def __init__(self, task: ServeTask, state: State, metrics: Metrics, body_seconds: float = BODY_SECONDS) -> None:
        self._task = task
        self._state = state
        self._metrics = metrics
        self._bodies = Bodies(lambda: state.limits, body_seconds)
        # One thread: a large body takes a multiple of its size while it is read.
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="bodies")

    def application(self) -> ASGIApp:
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
        others = Starlette(routes=routes, exception_handlers={HTTPException: self.http_error})
        own = f"/v2/models/{self._task.model_deployment}"
        paths = {f"{own}/infer", f"{own}/versions/{self._task.version}/infer"}
        return partial(_application, {("POST", path): self.infer for path in paths}, others)

    async def server(self, _: Request) -> Response:
        return self._respond({"name": "perennial", "version": __version__, "extensions": ["binary_tensor_data"]})

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
        inputs = [{"name": name, "datatype": "FP64", "shape": [-1]} for name in features.numbers]
        others = (*features.categories, *features.texts, *features.times)
        inputs += [{"name": name, "datatype": "BYTES", "shape": [-1]} for name in others]
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
        content = {"name": self._task.model_deployment, "ready": self._state.ready}
        return self._respond(content, 200 if self._state.ready else 503)

    async def infer(self, request: Request) -> Response:
        self._check_names(request)
        # How long the client takes for the body is not the version's time.
        response, began = await self._infer(request)
        self._metrics.count_request(response.status_code, time.perf_counter() - began)
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

    async def _infer(self, request: Request) -> tuple[Response, float]:
        """The response, and when the body was there; never raises.

        So every request is counted, and no exception writes the values of a row to the log.
        """
        began = time.perf_counter()
        try:
            if self._state.served is None:
                return self._loading(), began
            body = await self._bodies.read(request)
            try:
                began = time.perf_counter()
                return await self._predict(request, self._state.served, body), began
            finally:
                self._bodies.release(body)
        except BadRequestError as error:
            response = self._respond({"error": str(error)}, 400)
        except RefusedError as refused:
            self._metrics.count_refused(refused.reason)
            response = self._respond({"error": str(refused)}, refused.status, refused.headers)
        except QueueFullError:
            self._metrics.count_refused("queue_full")
            response = self._busy("too many requests are waiting: try again in a second")
        except ClientDisconnect:
            response = Response(status_code=CLIENT_GONE)
        except Exception as error:
            log.error(
                "a request failed with %s:\n%s", type(error).__name__, "".join(traceback.format_tb(error.__traceback__))
            )
            response = self._respond({"error": f"{self._task.version} failed to predict: {_first_line(error)}"}, 500)
        return response, began

    async def _predict(self, request: Request, served: Served, body: bytes) -> Response:
        json_length = request.headers.get(HEADER)
        inference, chosen = await self._run(len(body), self._read, served, body, json_length)
        asked = inference._replace(outputs=served.predictor.outputs) if chosen else inference
        parts: list[Outputs] = []
        for part in asked.parts(served.part_rows):
            if parts and await request.is_disconnected():
                raise ClientDisconnect
            parts.append(await self._answer(served, part))
        if self._task.model.task == "regression":
            for output in parts:
                self._metrics.count_predictions(output["predict"])
        response = self._respond(*await self._run(len(body), self._write, inference, parts))
        if chosen and served.capture:
            await self._run(len(body), served.capture.add, chosen, inference, parts, request.scope["server"][1])
        return response

    async def _answer(self, served: Served, part: protocol.Inference) -> Outputs:
        """The outputs of the part: at once if that takes less time than to hand it to the thread of the model."""
        if part.rows > served.predictor.rows_at_once or served.batcher.waiting:
            return await served.batcher.submit(part)
        self._metrics.batched(1)
        return served.predictor.predict([part])[0]

    async def _run(self, size: int, work: Callable[..., Result], *arguments: Any) -> Result:
        """The result of the work for a body of this size; a large one does not hold up the other requests."""
        if size <= SMALL_BODY:
            return work(*arguments)
        return await asyncio.get_running_loop().run_in_executor(self._thread, work, *arguments)

    def _read(self, served: Served, body: bytes, json_length: str | None) -> "tuple[protocol.Inference, Chosen | None]":
        predictor, capture = served.predictor, served.capture
        key = self._task.capture.key if self._task.capture else None
        inference = protocol.read_request(body, self._task.model.features, predictor.outputs, key, json_length)
        predictor.check(inference)
        values, most = predictor.values(inference), self._state.limits.values
        if values > most:
            rows = most * inference.rows // values
            message = f"the request has {inference.rows} rows: send at most {rows} at a time, {MORE_MEMORY}"
            raise RefusedError(413, "too_many_rows", message, {})
        return capture.choose(inference) if capture else (inference, None)

    def _write(self, inference: protocol.Inference, parts: list[Outputs]) -> tuple[bytes, int, Mapping[str, str]]:
        """The body, its status and its headers."""
        outputs = {
            name: np.concatenate([part[name] for part in parts]) if len(parts) > 1 else parts[0][name]
            for name in inference.outputs
        }
        binary = {name: encode(outputs[name]) for name in inference.outputs if name in inference.binary}
        model, version = self._task.model_deployment, self._task.version
        content = protocol.write_response(model, version, inference.id, outputs, binary)
        if not binary:
            return content, 200, {}
        headers = {"content-type": "application/octet-stream", HEADER: str(len(content))}
        return b"".join([content, *binary.values()]), 200, headers

    def _check_names(self, request: Request) -> None:
        model, version = self._task.model_deployment, self._task.version
        if request.path_params.get("model", model) != model:
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


async def _application(
    direct: Mapping[tuple[str, str], Endpoint], others: ASGIApp, scope: Scope, receive: Receive, send: Send
) -> None:
    """The direct endpoints are called without Starlette's routing, which takes longer than a linear model.

    A slash at the end of a path is ignored: a redirect would send the body again, perhaps to another address.
    """
    scope["path"] = scope["path"].rstrip("/") or "/"
    endpoint = direct.get((scope["method"], scope["path"]))
    application = others if endpoint is None else await endpoint(Request(scope, receive))
    await application(scope, receive, send)


def _first_line(error: Exception) -> str:
    """The error and the start of its text, only for the client, since it may have the client's values."""
    return f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
