"""A store that is slow, or disconnects during an answer, gives the same version."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from time import sleep
from urllib.parse import urlsplit

import boto3
import pytest
import s3fs

from tests.trainer.tasks import Trainer, a_training, diabetes, written

DROP = 1024
"""Bytes that come at once; the next ones a thousandth of a second later."""
LONG = 8 * DROP
"""Bytes after which the store hangs up, where it does."""


@contextmanager
def leading_to(port: int, hangs_up_every: int, long_ones: list[bool]) -> Iterator[int]:
    """The port of a proxy to one of this host; `long_ones` tells of each long answer whether it was broken off."""
    listening, lock = socket.create_server(("127.0.0.1", 0)), threading.Lock()

    def is_broken_off() -> bool:
        with lock:
            long_ones.append(bool(hangs_up_every) and len(long_ones) % hangs_up_every == 0)
            return long_ones[-1]

    def forward(source: socket.socket, to: socket.socket, answers: bool) -> None:
        sent = 0
        with suppress(OSError), source, to:
            while drop := source.recv(DROP):
                to.sendall(drop)
                sent += len(drop)
                sleep(0.001 if answers else 0)
                if answers and sent > LONG and sent - len(drop) <= LONG and is_broken_off():
                    source.shutdown(socket.SHUT_RDWR)
                    return

    def accept() -> None:
        with suppress(OSError):
            while True:
                client, server = listening.accept()[0], socket.create_connection(("127.0.0.1", port))
                for pair in ((client, server, False), (server, client, True)):
                    threading.Thread(target=forward, args=pair, daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    yield listening.getsockname()[1]
    listening.shutdown(socket.SHUT_RDWR)
    listening.close()


@pytest.mark.parametrize("hangs_up_every", [0, 3], ids=["slow", "hangs up"])
def test_slow_or_disconnecting_store_gives_the_same_version(
    hangs_up_every: int, s3: None, trainer: Trainer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written(diabetes(), tmp_path / "a.csv")
    store = boto3.client("s3")
    store.upload_file(str(tmp_path / "a.csv"), "bikes", "a.csv")
    task = a_training("s3://bikes/a.csv", "s3://models/perennial/v1")
    undisturbed = trainer.done(task)
    port = urlsplit(store.meta.endpoint_url).port
    assert port
    long_ones: list[bool] = []
    with leading_to(port, hangs_up_every, long_ones) as slow:
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{slow}")
        s3fs.S3FileSystem.clear_instance_cache()
        assert trainer.done(task) == undisturbed
    assert any(long_ones) == bool(hangs_up_every)
