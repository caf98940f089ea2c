"""What the server and the process that writes its captured rows say to each other over a socket."""

import socket
import struct
from typing import Literal, TypeVar

import msgspec

Kind = Literal["double", "time", "string", "int", "bool"]
"""8 bytes; 8 bytes, microseconds since 1970, or the least integer; UTF-8 with a length for each; 4 bytes; 1 byte."""
_LENGTH = struct.Struct("!Q")
Message = TypeVar("Message")


class Column(msgspec.Struct):
    """The values of a column, one after the other; a text of the length -1 is missing."""

    name: str
    kind: Kind
    values: bytes
    lengths: bytes = b""


class Batch(msgspec.Struct):
    """The rows of one file, and the file. `constants` are columns with the same value in all rows."""

    folder: str
    name: str
    rows: int
    columns: list[Column]
    constants: dict[str, str | float]
    metadata: dict[bytes, bytes]


class Reply(msgspec.Struct):
    """How many bytes the file has, or why it could not be written."""

    size: int = 0
    error: str = ""


def send(connection: socket.socket, message: msgspec.Struct) -> None:
    content = msgspec.msgpack.encode(message)
    connection.sendall(_LENGTH.pack(len(content)))
    connection.sendall(content)


def receive(connection: socket.socket, kind: type[Message]) -> Message | None:
    """The next message; None at the end of the connection."""
    head = _read(connection, _LENGTH.size)
    body = _read(connection, _LENGTH.unpack(head)[0]) if head else None
    return msgspec.msgpack.decode(body, type=kind) if body else None


def _read(connection: socket.socket, size: int) -> bytes | None:
    content = bytearray()
    while len(content) < size:
        chunk = connection.recv(min(size - len(content), 2**20))
        if not chunk:
            return None
        content += chunk
    return bytes(content)
