"""One data file: opened as often as needed, decompressed."""

import gzip
import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import IO, Any

import pyarrow as pa

from perennial_trainer.storage.file_formats import compression_of, format_of
from perennial_trainer.storage.listing import display_uri


class DataFile:
    """A file of a store. Over HTTP it is loaded first, and once: some servers cannot send a part of it."""

    def __init__(self, filesystem: Any, name: str) -> None:
        self._filesystem = filesystem
        self.name = name

    @contextmanager
    def open(self) -> Iterator[IO[bytes]]:
        """A stream of the decompressed content."""
        with self.open_stored() as stored, decompressed(stored, self.name) as stream:
            yield stream

    def open_stored(self) -> Any:
        """A stream of the content as it is stored."""
        if "file" in self._filesystem.protocol and format_of(display_uri(self.name)) == "parquet":
            return pa.OSFile(os.fsencode(self.name))  # Arrow reads it into memory that it uses again
        over_http = "http" in self._filesystem.protocol
        return io.BytesIO(self._content) if over_http else self._filesystem.open(self.name, "rb")

    @cached_property
    def _content(self) -> bytes:
        return bytes(self._filesystem.cat_file(self.name))


def decompressed(stored: Any, name: str) -> Any:
    """The stream of the content, by the end of the file's name."""
    match compression_of(display_uri(name)):
        case "gz":
            return gzip.open(stored)
        case "zst":
            stream = pa.CompressedInputStream(pa.PythonFile(stored, "r"), "zstd")
            return io.BufferedReader(_Raw(stream))
        case _:
            return io.BufferedReader(stored) if isinstance(stored, io.RawIOBase) else stored


class _Raw(io.RawIOBase):
    """An Arrow stream as a raw stream of Python."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        content = self._stream.read(len(buffer))
        buffer[: len(content)] = content
        return len(content)
