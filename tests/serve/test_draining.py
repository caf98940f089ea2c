"""A server that is told to end answers what still comes, and what it has begun."""

import http.client
import json
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.serve.processes import Server, compiled_version, running
from tests.serve.requests import ROWS, request


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with running(tmp_path, compiled_version(tmp_path)) as server:
        yield server


def test_a_server_that_stops_loses_no_request(server: Server) -> None:
    body = json.dumps(request(ROWS)).encode()
    begun = http.client.HTTPConnection("127.0.0.1", server.task["port"], timeout=60)
    begun.putrequest("POST", "/v2/models/bike-demand/infer")
    begun.putheader("Content-Length", str(len(body)))
    begun.endheaders(body[:10])

    server.signal(signal.SIGTERM)
    server.wait("/v2/health/ready", 503)
    late = server.infer(request(ROWS))
    assert late.status_code == 200
    assert late.headers["connection"] == "close"  # the next one shall find another server
    assert server.status("/v2/health/live") == 200

    server.wait("/v2/health/live", None)  # nobody listens any more, and one request is still in flight
    begun.send(body[10:])
    response = begun.getresponse()
    assert response.status == 200
    assert json.loads(response.read())["outputs"] == late.json()["outputs"]
    assert server.exit_code() == 0
    assert "draining" in server.log()
    assert "stopped" in server.log()


def test_a_second_signal_ends_the_server_at_once(server: Server) -> None:
    server.signal(signal.SIGTERM)
    server.wait("/v2/health/ready", 503)
    server.signal(signal.SIGTERM)
    assert server.exit_code() == 128 + signal.SIGTERM
    assert "stopped" not in server.log()
