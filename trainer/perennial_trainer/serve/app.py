"""Serves one version of a model: from the start, before the model is loaded, to the last response."""

import asyncio
import gc
import logging
import os
import socket
import time
from collections.abc import Callable, Coroutine
from functools import partial
from typing import TYPE_CHECKING, Any

import uvicorn
import uvloop
from starlette.types import ASGIApp

from perennial_trainer.artifacts.model_file import load_compiled, load_model
from perennial_trainer.contract.errors import FailedTask
from perennial_trainer.contract.task import ServeTask
from perennial_trainer.serve.batching import Batcher
from perennial_trainer.serve.connections import Connection
from perennial_trainer.serve.endpoints import Endpoints
from perennial_trainer.serve.lifecycle import FINISH_SECONDS, DrainingServer, Served, State
from perennial_trainer.serve.limits import PART_ROWS, QUEUE_REQUESTS, WRITER_MEMORY, Limits, free_memory, limits_for
from perennial_trainer.serve.metrics import Metrics
from perennial_trainer.serve.predictor import Predictor
from perennial_trainer.serve.protocol import Inference
from perennial_trainer.serve.workers.count import end_sharing, wanted_workers, workers_that_fit
from perennial_trainer.serve.workers.processes import Workers

if TYPE_CHECKING:
    from perennial_trainer.serve.capture.capturing import Capture

log = logging.getLogger(__name__)


def serve(task: ServeTask) -> None:
    """Returns after a graceful shutdown. Raises RejectedTask or FailedTask if it cannot listen or load the model."""
    run(_serve(task, Workers()))


def serve_beside(task: ServeTask, on_start: Callable[[], None]) -> None:
    """As `serve`, in one more process, which accepts connections once the model is loaded."""

    async def main() -> None:
        on_start()
        await _serve(task, None)

    run(main())


def run(main: Coroutine[Any, Any, None]) -> None:
    """Returns once `main` has ended, in the event loop of the model server."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main)


async def _serve(task: ServeTask, workers: Workers | None) -> None:
    """As the first process, with its workers, or as one of them."""
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    state, metrics, wanted = State(), Metrics(task.model_deployment, task.version), wanted_workers()
    server = make_server(Endpoints(task, state, metrics).application(), state, metrics)

    def listen() -> asyncio.Task[None]:
        address = os.environ.get("PERENNIAL_BIND_ADDRESS", "0.0.0.0")  # noqa: S104 - a pod serves other pods
        copies = task.capture.shadow_port if task.capture else None
        listening = [open_listener(address, port, shared=wanted != 1) for port in (task.port, copies) if port]
        log.info("listening on %s, port %d", address, task.port)
        return asyncio.create_task(server.serve(listening))

    serving = listen() if workers else None  # the probes are answered while the model is loaded
    try:
        state.served = await load_served(task, state, metrics, wanted)
    except BaseException:
        server.should_exit = True
        await (serving or asyncio.sleep(0))
        raise
    # The model stays to the end, and requests leave few cycles: to look for them often takes 3 % of the time.
    gc.freeze()
    gc.set_threshold(10_000)
    if workers:
        state.on_drain = workers.stop
        workers.start(state.processes - 1)
    await (serving or listen())
    if state.served.capture:
        await asyncio.to_thread(state.served.capture.close)
    if workers:
        await workers.ended()
        end_sharing()
    log.info("stopped")


def make_server(application: ASGIApp, state: State, metrics: Metrics, **seconds: float) -> DrainingServer:
    """The server, with the limits of `state`; other `seconds` than the usual ones are for tests."""
    connection: Any = partial(Connection, limits=lambda: state.limits, refused=metrics.count_refused, **seconds)
    config = uvicorn.Config(
        application,
        http=connection,
        interface="asgi3",
        lifespan="off",
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=75,  # longer than the usual proxies keep theirs, so that they close first
        timeout_graceful_shutdown=FINISH_SECONDS,
    )
    return DrainingServer(config, state)


def open_listener(address: str, port: int, *, shared: bool = False) -> socket.socket:
    """A listening socket; for an IPv6 address, of both families. Raises FailedTask: CannotListen.

    Of a shared port each process that listens gets a part of the connections.
    """
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    dual = family == socket.AF_INET6 and socket.has_dualstack_ipv6()
    try:
        listening = socket.create_server(
            (address, port), family=family, dualstack_ipv6=dual, backlog=2048, reuse_port=shared
        )
    except OSError as error:
        raise FailedTask("CannotListen", f"address {address}, port {port} cannot be listened on: {error}") from error
    # Connections inherit this option. asyncio sets it only on its own sockets; without it, each response waits 40 ms
    # for the client's acknowledgement of its first packet.
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listening


async def load_served(task: ServeTask, state: State, metrics: Metrics, processes: int | None = 1) -> Served:
    """The version's model, ready for requests, within the limits that `state` has from now on.

    So many processes share the pod, or, if that is None, as many as fit into it.
    """
    started = time.monotonic()
    loaded, file_format = await asyncio.to_thread(_load, task)
    predictor = Predictor(loaded, task.model, metrics.count_unknown)
    state.processes = processes or workers_that_fit(beside=WRITER_MEMORY if task.capture else 0)
    free = free_memory(state.processes)
    capture = _start_capture(task, predictor, metrics, free)
    state.limits = limits_for(free - capture.memory if free is not None and capture else free)
    metrics.loaded(file_format, task.artifact.sha256, predictor.is_compiled)
    log.info("loaded %s, sha256 %s, in %.2f s", task.version, task.artifact.sha256, time.monotonic() - started)
    log.info("a body may have %d bytes, all in flight %d", state.limits.body, state.limits.in_flight)
    return served_by(predictor, state.limits, metrics, file_format)._replace(capture=capture)


def served_by(predictor: Predictor, limits: Limits, metrics: Metrics, file_format: str) -> Served:
    """The model with a queue whose calls fit into the limits."""
    # While they are encoded, rows are four times in memory.
    rows = min(PART_ROWS, max(limits.batch // (4 * 8 * predictor.encoded_width), 1))
    batcher = Batcher(
        predictor.predict,
        size=_inputs,
        limit=limits.queue,
        requests=QUEUE_REQUESTS,
        batch=rows * len(predictor.features.inputs),
        on_batch=metrics.batched,
    )
    return Served(predictor, batcher, rows, file_format)


def _start_capture(task: ServeTask, predictor: Predictor, metrics: Metrics, free: int | None) -> "Capture | None":
    if task.capture is None:
        return None
    from perennial_trainer.serve.capture.capturing import start_capture  # not needed by most servers

    return start_capture(task, task.capture, predictor, metrics, free)


def _load(task: ServeTask) -> tuple[Any, str]:
    """The compiled model, or else the fitted pipeline, and the format of the pipeline's file."""
    compiled = load_compiled(task.artifact)
    if compiled is not None:
        return compiled, task.artifact.format or task.model.format
    from perennial_trainer.models.frameworks.registry import framework_of  # a second, for scikit-learn

    file_format = framework_of(task.model).file_format(task.model)
    return load_model(task.artifact.uri, task.artifact.sha256, file_format), file_format


def _inputs(inference: Inference) -> int:
    return inference.rows * len(inference.columns)
