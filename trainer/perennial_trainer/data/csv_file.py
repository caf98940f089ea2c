"""Reads a csv file: its column names, and the needed columns at once or block by block."""

import csv
import gzip
import io
from collections.abc import Iterator, Sequence
from typing import IO, Any

import pyarrow as pa
import pyarrow.csv

from perennial_trainer.data.schema import Columns

BLOCK = 1 << 23  # bytes
SAMPLE = 1 << 20  # bytes that show how long the lines are
_PARSE = pyarrow.csv.ParseOptions(newlines_in_values=True)


def column_names(stream: IO[bytes]) -> list[str]:
    """The names in the first line."""
    lines = io.TextIOWrapper(stream, encoding="utf-8-sig", newline="")
    names = next(csv.reader(lines), [])
    lines.detach()
    return names


def read_table(stream: IO[bytes], needed: Sequence[str], columns: Columns) -> Any:
    """Arrow infers each type over the whole file; categories stay as they are written, so that 01 is not 1."""
    return pyarrow.csv.read_csv(stream, parse_options=_PARSE, convert_options=_types(needed, columns.as_text))


def read_batches(stream: IO[bytes], needed: Sequence[str], columns: Columns) -> Iterator[Any]:
    """Types are inferred for each block: Arrow would infer them from the first block and fail where a later differs."""
    blocks = pyarrow.csv.open_csv(
        stream,
        read_options=pyarrow.csv.ReadOptions(block_size=BLOCK),
        parse_options=_PARSE,
        convert_options=_types(needed, needed),
    )
    for block in blocks:
        yield pa.table({name: _typed(block[name], name in columns.as_text) for name in needed})


def estimated_rows(stream: IO[bytes], name: str, size: int) -> int:
    """The number of rows if the whole file is like its first lines; `size` is in bytes as stored."""
    if name.endswith(".gz"):
        with gzip.open(stream) as unpacked:
            sample = unpacked.read(SAMPLE)
    else:
        sample = stream.read(SAMPLE)
    lines = sample.count(b"\n")
    return lines if len(sample) < SAMPLE else lines * size // stream.tell()


def _typed(values: Any, as_text: bool) -> Any:
    """Text as a dictionary if it is to stay text, else as the first type that all of it can be converted to."""
    if as_text:
        return values.dictionary_encode()
    for kind in (pa.int64(), pa.float64(), pa.bool_()):
        try:
            return values.cast(kind)
        except pa.ArrowInvalid:
            continue
    return values


def _types(needed: Sequence[str], as_text: Sequence[str]) -> Any:
    return pyarrow.csv.ConvertOptions(
        include_columns=list(needed), column_types={name: pa.string() for name in as_text}, strings_can_be_null=True
    )
