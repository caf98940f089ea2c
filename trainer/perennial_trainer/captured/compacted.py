"""A compacted file: the rows of many captured files of a day, and which files these were.

It is `captured/date=2026-11-29/compacted-000001.parquet`, beside the folders of the hours, and its rows and columns are
as they were. Its metadata name each of those files, with its number of rows, in the order of the rows: so the sequence
numbers of each process stay known, and a missing one is a buffer that was lost.

The files that it replaces are deleted later. Until then a reader leaves out each file that a compacted one names, so
that whenever it looks, every row is there once. Two runs cannot compact the same file: each creates the next number.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import IO

import msgspec

from perennial_trainer.captured.layout import FILE, FORMAT, METADATA_FORMAT
from perennial_trainer.contract.errors import RejectedTask

METADATA_COMPACTED = b"perennial.compacted"
UNREADABLE = "UnreadableFile"
NAME = re.compile(r"compacted-(?P<number>\d{6})\.parquet")


class Compacted(msgspec.Struct):
    """When the file was made, and of which: pod and process, with their hour → sequence number → rows."""

    at: datetime
    sources: dict[str, dict[int, int]]

    @classmethod
    def of(cls, at: datetime, rows: Mapping[str, int]) -> "Compacted":
        """Of files that the server wrote, by their place below the folder of the day."""
        sources: dict[str, dict[int, int]] = {}
        for name, number in rows.items():
            match = FILE.fullmatch(name)
            assert match
            sources.setdefault(match["source"], {})[int(match["sequence"])] = number
        return cls(at, sources)

    @property
    def files(self) -> dict[str, int]:
        """The files below the folder of the day, each with its number of rows, in the order of the rows."""
        return {
            f"{source}-{sequence:08}.parquet": rows
            for source, numbers in self.sources.items()
            for sequence, rows in numbers.items()
        }

    def with_rows(self, kept: Sequence[bool]) -> "Compacted":
        """Of the same files, of whose rows only these are left."""
        left, first = {}, 0
        for name, rows in self.files.items():
            left[name], first = sum(kept[first : first + rows]), first + rows
        return Compacted.of(self.at, left)

    def metadata(self) -> dict[bytes, bytes]:
        """Of the parquet file."""
        return {METADATA_FORMAT: FORMAT.encode(), METADATA_COMPACTED: msgspec.json.encode(self)}


def read_compacted(stream: IO[bytes]) -> Compacted:
    """What a compacted file says of itself. Raises a RejectedTask, UnreadableFile, or an error of Arrow."""
    import pyarrow.parquet as pq

    metadata = pq.read_schema(stream).metadata or {}
    try:
        return msgspec.json.decode(metadata.get(METADATA_COMPACTED, b""), type=Compacted)
    except msgspec.DecodeError as error:
        raise RejectedTask(
            UNREADABLE,
            "the file does not say which captured files it has compacted: no one but Perennial may write such a name",
        ) from error


def compacted_name(number: int) -> str:
    return f"compacted-{number:06}.parquet"


def number_of(name: str) -> int:
    """The number in the name of a compacted file; 0 if it is not one."""
    match = NAME.fullmatch(name)
    return int(match["number"]) if match else 0
