"""Starts the process that writes captured rows, and ends it if it does not answer."""

import os
import re
import socket
import subprocess
import sys
from collections.abc import Mapping

from perennial_trainer.serve.capture.messages import Batch, Reply, receive, send

PREFIX = "CAPTURE_"
"""Of the variables from the Secret of capture, so that those of the storage's Secret keep their names."""
_NOT_PASSED_ON = ("PERENNIAL_TASK", "PERENNIAL_RESULT")
_STORES = re.compile("(AWS|AZURE|GOOGLE|GCP|GCS)_")


class WriteError(Exception):
    """A file was not written; the message says why."""


class WriterProcess:
    """The process, which is started when it is needed."""

    def __init__(self, seconds: float, command: tuple[str, ...] = ()) -> None:
        self._seconds = seconds
        self._command = command or (sys.executable, "-m", "perennial_trainer.serve.capture.writer")
        self._process: subprocess.Popen[bytes] | None = None
        self._connection: socket.socket | None = None

    def write(self, batch: Batch) -> int:
        """The bytes of the file. Raises a WriteError; the process is ended if it did not answer in time."""
        try:
            connection = self._connected()
            send(connection, batch)
            reply = receive(connection, Reply)
        except TimeoutError as error:
            self.end()
            raise WriteError(f"the store did not answer within {self._seconds:g} s") from error
        except OSError as error:
            self.end()
            raise WriteError(f"the process that writes ended: {error}") from error
        if reply is None:
            self.end()
            raise WriteError("the process that writes ended; if memory is short, give the pod more")
        if reply.error:
            raise WriteError(reply.error)
        return reply.size

    def end(self) -> None:
        """The process ends, whatever it does; one that a volume holds up is not waited for."""
        if self._connection:
            self._connection.close()
            self._connection = None
        if self._process:
            self._process.kill()

    def _connected(self) -> socket.socket:
        if self._connection:
            return self._connection
        if self._process:
            try:
                self._process.wait(timeout=1)
            except subprocess.TimeoutExpired:
                raise WriteError("the process that writes cannot be ended: its volume hangs") from None
        ours, theirs = socket.socketpair()
        ours.settimeout(self._seconds)
        with theirs:
            self._process = subprocess.Popen(self._command, stdin=theirs.fileno(), env=environment(os.environ))  # noqa: S603
        self._connection = ours
        return ours


def environment(variables: Mapping[str, str]) -> dict[str, str]:
    """The environment of the process: with the credentials of capture, and none of the storage for the same store."""
    own = {name.removeprefix(PREFIX): value for name, value in variables.items() if name.startswith(PREFIX)}
    stores = {match[1] for match in map(_STORES.match, own) if match}
    kept = {
        name: value
        for name, value in variables.items()
        if not name.startswith(PREFIX)
        and name not in _NOT_PASSED_ON
        and not ((match := _STORES.match(name)) and match[1] in stores)
    }
    return {"ARROW_DEFAULT_MEMORY_POOL": "system"} | kept | own  # the default one keeps 20 MB more
