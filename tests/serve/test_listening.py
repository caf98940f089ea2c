"""Where the server listens, and how its connections behave."""

import socket

from perennial_trainer.serve.app import open_listener


def test_response_does_not_wait_for_an_acknowledgement() -> None:
    with open_listener("127.0.0.1", 0) as listening, socket.create_connection(listening.getsockname()):
        connection, _ = listening.accept()
        with connection:
            assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
