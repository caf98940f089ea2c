"""Serves one version of a model: from the start, before the model is loaded, to the last response."""

import asyncio
import logging
import os
import socket
import time
from typing import TYPE_CHECKING

import uvicorn

from perennial_trainer.artifacts.model_file import load_model
from perennial_trainer.contract.errors import FailedTask
from perennial_trainer.contract.task import ServeTask
from perennial_trainer.serve.batching import Batcher
from perennial_trainer.serve.endpoints import Endpoints
from perennial_trainer.serve.lifecycle import FINISH_SECONDS, DrainingServer, Served, State
from perennial_trainer.serve.metrics import Metrics
from perennial_trainer.serve.predictor import Predictor
from perennial_trainer.serve.protocol import Inference

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

# Values (rows times features) that may wait for the next call of predict: about 100 MB if all of them are text.
QUEUE_LIMIT = 1_000_000
# The least weight of a request, so that at most a thousand wait: more would only time out.
MIN_WEIGHT = 1_000

log = logging.getLogger(__name__)


def serve(task: ServeTask) -> None:
    """Returns after a graceful shutdown. Raises RejectedTask or FailedTask if it cannot listen or load the model."""
    asyncio.run(_serve(task, os.environ.get("PERENNIAL_BIND_ADDRESS", "0.0.0.0")))  # noqa: S104 - a pod serves other pods


async def _serve(task: ServeTask, address: str) -> None:
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    state, metrics = State(), Metrics(task.model_deployment, task.version)
    config = uvicorn.Config(
        Endpoints(task, state, metrics).application(),
        lifespan="off",
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_keep_alive=75,  # longer than the usual proxies keep theirs, so that they close first
        timeout_graceful_shutdown=FINISH_SECONDS,
    )
    server = DrainingServer(config, state)
    serving = asyncio.create_task(server.serve([open_listener(address, task.port)]))
    log.info("listening on %s, port %d, while %s is being loaded", address, task.port, task.version)
    try:
        state.served = await _load(task, metrics)
    except BaseException:
        server.should_exit = True
        await serving
        raise
    await serving
    log.info("stopped")


def open_listener(address: str, port: int) -> socket.socket:
    """A listening socket; for an IPv6 address, of both families. Raises FailedTask: CannotListen."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    dual = family == socket.AF_INET6 and socket.has_dualstack_ipv6()
    try:
        listening = socket.create_server((address, port), family=family, dualstack_ipv6=dual, backlog=2048)
    except OSError as error:
        raise FailedTask("CannotListen", f"address {address}, port {port} cannot be listened on: {error}") from error
    # Connections inherit this option. asyncio sets it only on its own sockets; without it, each response waits 40 ms
    # for the client's acknowledgement of its first packet.
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listening


async def _load(task: ServeTask, metrics: Metrics) -> Served:
    started = time.monotonic()
    pipeline, file_format = await asyncio.to_thread(_load_pipeline, task)
    predictor = Predictor(pipeline, task.model, metrics.count_unknown)
    batcher = Batcher(predictor.predict, size=_weight, limit=QUEUE_LIMIT, on_batch=metrics.batched)
    metrics.loaded(file_format, task.artifact.sha256)
    log.info("loaded %s, sha256 %s, in %.2f s", task.version, task.artifact.sha256, time.monotonic() - started)
    return Served(predictor, batcher, file_format)


def _load_pipeline(task: ServeTask) -> "tuple[Pipeline, str]":
    """The fitted pipeline and the format of its file; runs in a thread, since the imports alone take a second."""
    from perennial_trainer.models.frameworks.registry import framework_of

    file_format = framework_of(task.model).file_format(task.model)
    return load_model(task.artifact.uri, task.artifact.sha256, file_format), file_format


def _weight(inference: Inference) -> int:
    return max(inference.rows * len(inference.columns), MIN_WEIGHT)
