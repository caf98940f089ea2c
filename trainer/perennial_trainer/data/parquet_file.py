"""Reads a parquet file: its column names, and the needed columns at once or in batches."""

from collections.abc import Iterator, Sequence
from typing import IO, Any

import pyarrow as pa
import pyarrow.parquet

from perennial_trainer.data.schema import Columns

BATCH = 65_536  # rows


def column_names(stream: IO[bytes]) -> list[str]:
    """The names in the schema."""
    return list(pyarrow.parquet.read_schema(stream).names)


def read_table(stream: IO[bytes], needed: Sequence[str], _: Columns) -> Any:
    """All rows, with the types of the file."""
    return pyarrow.parquet.read_table(stream, columns=list(needed))


def read_batches(stream: IO[bytes], needed: Sequence[str], columns: Columns) -> Iterator[Any]:
    """Categories keep the dictionaries of the file; nothing is read before it is needed."""
    dictionaries = [name for name in columns.as_text if name in needed]
    file = pyarrow.parquet.ParquetFile(stream, read_dictionary=dictionaries, pre_buffer=False)
    for batch in file.iter_batches(BATCH, columns=list(needed)):
        yield pa.Table.from_batches([batch])


def row_count(stream: IO[bytes]) -> int:
    """The number of rows, from the metadata of the file."""
    return int(pyarrow.parquet.read_metadata(stream).num_rows)
