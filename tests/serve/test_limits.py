"""Whatever clients send, the server keeps to its memory, answers probes and the other clients, and says what to change."""

import asyncio
import contextlib
import json
import socket
import threading
from collections.abc import Iterator
from typing import Any
from unittest.mock import AsyncMock

import httpx
import pytest
from starlette.requests import ClientDisconnect, Request

from perennial_trainer.contract.task import ServeTask, parse_task
from perennial_trainer.serve.app import make_server, open_listener, served_by
from perennial_trainer.serve.bodies import Bodies, RefusedError
from perennial_trainer.serve.connections import SPARE_CONNECTIONS
from perennial_trainer.serve.endpoints import Endpoints
from perennial_trainer.serve.lifecycle import Served, State
from perennial_trainer.serve.limits import MIB, SMALL_BODY, Limits, limits_for
from perennial_trainer.serve.metrics import Metrics
from perennial_trainer.serve.predictor import Predictor
from tests.serve.processes import MIXED, fitted, rides, serve_task, until
from tests.serve.requests import ROWS, request

INFER = "/v2/models/bike-demand/infer"
MODEL = fitted(MIXED, "regression", "cnt")
LARGE = json.dumps(request(ROWS)).encode().ljust(SMALL_BODY + 1)


class Running:
    """A server with the limits of a test, and a client of it."""

    def __init__(self, port: int, metrics: Metrics) -> None:
        self.port, self._metrics = port, metrics
        self.client = httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30, verify=False)

    def send(self, text: bytes) -> socket.socket:
        """A connection on which this was sent."""
        connection = socket.create_connection(("127.0.0.1", self.port), timeout=30)
        connection.sendall(text)
        return connection

    def begin(self, length: int, sent: bytes) -> socket.socket:
        """A request of which only a part of the body was sent."""
        return self.send(f"POST {INFER} HTTP/1.1\r\nhost: x\r\ncontent-length: {length}\r\n\r\n".encode() + sent)

    def probe(self) -> int:
        """The answer to a probe on a new connection."""
        return httpx.get(f"http://127.0.0.1:{self.port}/v2/health/live", timeout=30, verify=False).status_code

    def refused(self, reason: str) -> float:
        line = f'model_refused_requests_total{{model="bike-demand",reason="{reason}",version="bike-demand-v1"}} '
        texts = [text for text in self._metrics.text().decode().splitlines() if text.startswith(line)]
        return float(texts[0].removeprefix(line)) if texts else 0.0


@contextlib.contextmanager
def serving(
    of: type[Endpoints] = Endpoints, headers: float = 30, bodies: float = 30, **limits: int
) -> Iterator[Running]:
    task = parse_task(json.dumps(serve_task("file:///model.joblib", "0" * 64)))
    assert isinstance(task, ServeTask)
    metrics = Metrics(task.model_deployment, task.version)
    state = State(limits=limits_for(1024 * MIB)._replace(**limits))
    state.served = served_by(Predictor(MODEL, task.model), state.limits, metrics, "joblib")
    application = of(task, state, metrics, bodies).application()
    server = make_server(application, state, metrics, header_seconds=headers, body_seconds=bodies)
    listening = open_listener("127.0.0.1", 0)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)  # else the kernel takes a whole response
    thread = threading.Thread(target=lambda: asyncio.run(server.serve([listening])))
    thread.start()
    running = Running(listening.getsockname()[1], metrics)
    try:
        yield running
    finally:
        running.client.close()
        server.should_exit = True
        thread.join()


def ended(connection: socket.socket) -> bytes:
    """What the server sent before it closed the connection."""
    text = b""
    with connection, contextlib.suppress(ConnectionResetError):
        while more := connection.recv(65536):
            text += more
    return text


@pytest.mark.parametrize("free", [0, 100 * MIB, 700 * MIB, 64_000 * MIB])
def test_limits_together_fit_into_the_free_memory(free: int) -> None:
    limits = limits_for(free)
    assert 32 * limits.body + 16 * limits.in_flight + 100 * limits.queue + limits.batch <= max(free, 64 * MIB)
    assert limits.in_flight * 3 // 4 >= limits.body


def test_limits_grow_with_the_memory() -> None:
    small, large = limits_for(200 * MIB), limits_for(2000 * MIB)
    assert all(one < other for one, other in zip(small[1:], large[1:], strict=True))
    assert small.connections <= large.connections
    assert isinstance(limits_for(None), Limits)


def test_half_headers_are_closed() -> None:
    with serving(headers=0.2) as server:
        assert ended(server.send(b"POST / HTTP/1.1\r\nhost: x")) == b""
        assert ended(server.send(b"")) == b""
        assert server.refused("header_timeout") == 2


def test_an_unfinished_body_ends_with_408() -> None:
    with serving(bodies=0.2) as server:
        assert ended(server.begin(1000, b"{")).startswith(b"HTTP/1.1 408")
        assert server.refused("body_timeout") == 1


def test_unfinished_bodies_leave_room_for_small_ones() -> None:
    with serving(in_flight=400_000, body=SMALL_BODY * 2) as server, contextlib.ExitStack() as stack:

        def large_is_refused() -> bool:
            # The unfinished body may itself be refused, if the whole one arrives first: then another one is begun.
            stack.enter_context(server.begin(SMALL_BODY * 2, LARGE))
            return server.client.post(INFER, content=LARGE).status_code == 429

        until(large_is_refused, "an unfinished body is in flight")
        response = server.client.post(INFER, content=LARGE)
        assert response.headers["retry-after"] == "1"
        assert "bytes in flight: try again in a second" in response.json()["error"]
        assert server.refused("bytes_in_flight") >= 2
        assert server.client.post(INFER, json=request(ROWS)).status_code == 200


def test_a_body_that_was_answered_is_no_longer_in_flight() -> None:
    with serving(in_flight=400_000, body=SMALL_BODY * 2) as server:
        assert [server.client.post(INFER, content=LARGE).status_code for _ in range(3)] == [200] * 3


@pytest.mark.parametrize(
    ("last", "error"),
    [
        ({"type": "http.disconnect"}, ClientDisconnect),
        (asyncio.CancelledError(), asyncio.CancelledError),
        ({"type": "http.request", "body": b"x" * 50}, RefusedError),
        ({"type": "http.request", "body": "no bytes"}, TypeError),  # the parts are not joined, as without memory
    ],
)
def test_a_body_that_is_not_read_is_not_in_flight(last: Any, error: type[BaseException]) -> None:
    bodies = Bodies(lambda: limits_for(None)._replace(body=100, in_flight=100))

    async def read(*events: Any) -> bytes:
        return await bodies.read(Request({"type": "http", "headers": []}, AsyncMock(side_effect=events)))

    with pytest.raises(error):
        asyncio.run(read({"type": "http.request", "body": b"x" * 60, "more_body": True}, last))
    whole = b"x" * 100
    assert asyncio.run(read({"type": "http.request", "body": whole})) == whole


def test_rows_beyond_the_limit_are_refused_with_the_number() -> None:
    with serving(values=8) as server:
        response = server.client.post(INFER, json=request(ROWS))
        assert (response.status_code, response.json()["error"]) == (
            413,
            "the request has 3 rows: send at most 2 at a time, or raise serving.pod.resources.limits.memory",
        )
        assert server.refused("too_many_rows") == 1


def test_probes_are_answered_beyond_the_limit_of_connections() -> None:
    with serving(connections=2) as server, contextlib.ExitStack() as stack:
        for _ in range(2 + 2 * SPARE_CONNECTIONS):
            stack.enter_context(server.send(b"POST "))
        until(lambda: server.refused("connections") >= SPARE_CONNECTIONS, "the oldest make room")
        assert server.probe() == 200
        response = httpx.post(f"http://127.0.0.1:{server.port}{INFER}", json=request(ROWS), verify=False)
        assert (response.status_code, response.headers["retry-after"]) == (503, "1")
        assert response.json() == {"error": "too many connections are open: keep fewer, and try again in a second"}


class Gated(Endpoints):
    """Reads a large body only once the gate is open."""

    gate, entered = threading.Event(), threading.Event()

    def _read(self, served: Served, body: bytes, json_length: str | None) -> Any:
        if len(body) > SMALL_BODY:
            self.entered.set()
            self.gate.wait()
        return super()._read(served, body, json_length)


def test_a_large_body_holds_up_neither_probes_nor_small_ones() -> None:
    with serving(Gated) as server, server.begin(len(LARGE), LARGE) as large:
        assert Gated.entered.wait(60)
        assert server.probe() == 200
        assert server.client.post(INFER, json=request(ROWS)).status_code == 200
        Gated.gate.set()
        assert large.recv(65536).startswith(b"HTTP/1.1 200")


def test_a_response_that_no_client_takes_is_dropped() -> None:
    body = json.dumps(request(rides(20_000)[["temp", "hum", "season"]])).encode()
    with serving(bodies=1) as server, socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.connect(("127.0.0.1", server.port))
        connection.sendall(f"POST {INFER} HTTP/1.1\r\nhost: x\r\ncontent-length: {len(body)}\r\n\r\n".encode() + body)
        until(lambda: server.refused("send_timeout") == 1, "the response is given up")
        assert server.probe() == 200
