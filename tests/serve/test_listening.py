"""Where the server listens, and how its connections behave."""

import socket

import pytest

from perennial_trainer.serve.app import open_listener
from perennial_trainer.serve.limits import HEADERS
from tests.serve.requests import ROWS, request
from tests.serve.test_limits import INFER, Running, ended, serving


def test_response_does_not_wait_for_an_acknowledgement() -> None:
    with open_listener("127.0.0.1", 0) as listening, socket.create_connection(listening.getsockname()):
        connection, _ = listening.accept()
        with connection:
            assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def statuses(server: Running, text: bytes) -> list[bytes]:
    """The statuses of the responses to requests of which the last one closes the connection."""
    return [each.split(b" ")[0] for each in ended(server.send(text)).split(b"HTTP/1.1 ")[1:]]


def post(more: str = "", body: bytes = b"{}") -> bytes:
    return f"POST {INFER} HTTP/1.1\r\nhost: x\r\n{more}content-length: {len(body)}\r\n\r\n".encode() + body


CLOSE = "connection: close\r\n"


def test_requests_of_one_connection_are_answered_in_their_order() -> None:
    with serving() as server:
        live = f"GET /v2/health/live HTTP/1.1\r\nhost: x\r\n{CLOSE}\r\n".encode()
        assert statuses(server, post() + b"\r\n" + post() + live) == [b"400", b"400", b"200"]


def test_an_upgrade_is_ignored_and_the_body_is_read() -> None:
    upgrade = "connection: upgrade, http2-settings\r\nupgrade: h2c\r\nhttp2-settings: AAMAAABk\r\n"
    with serving() as server:
        assert statuses(server, post(upgrade) * 3 + post(CLOSE)) == [b"400"] * 4
        response = server.client.post(INFER, json=request(ROWS), headers={"connection": "upgrade", "upgrade": "h2c"})
        assert response.status_code == 200
        assert server.client.post(INFER, json=request(ROWS)).status_code == 200


ONE_CHUNK = b"2\r\n{}\r\n"
CHUNKED = f"POST {INFER} HTTP/1.1\r\nhost: x\r\n{CLOSE}transfer-encoding: chunked\r\n\r\n".encode()


@pytest.mark.parametrize(
    ("text", "refused"),
    [
        (b"POST / HTTP/1.1\r\nhost: x\r\nx: " + b"x" * 40 * HEADERS, True),
        (CHUNKED + ONE_CHUNK + b"0\r\nx: " + b"x" * 40 * HEADERS, True),
        (CHUNKED + ONE_CHUNK + b"0\r\nx: y\r\n\r\n", False),
    ],
)
def test_headers_and_trailers_have_a_limit(text: bytes, refused: bool) -> None:
    with serving() as server:
        try:
            answer = ended(server.send(text))
        except ConnectionError:  # refused while it was sent
            answer = b""
        assert not answer or answer.startswith(b"HTTP/1.1 400")
        assert server.refused("headers_too_large") == refused


def test_a_connection_stays_open_after_a_body_that_was_refused() -> None:
    with serving(body=10) as server:
        assert statuses(server, post(body=b" " * 20) + post() + post(CLOSE)) == [b"413", b"400", b"400"]


def test_empty_lines_keep_no_connection_open() -> None:
    with serving(headers=0.2) as server:
        with server.send(post()) as connection:
            assert connection.recv(65536).startswith(b"HTTP/1.1 400")
            connection.sendall(b"\r\n")
            ended(connection)
        assert server.refused("header_timeout") == 1
