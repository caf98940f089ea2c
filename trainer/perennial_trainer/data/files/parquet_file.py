"""Reads a parquet file: its column names, and the needed columns at once or in batches."""

from collections.abc import Iterator, Sequence
from typing import IO, Any

import pyarrow as pa
import pyarrow.parquet

from perennial_trainer.contract.errors import RejectedTask, join_names
from perennial_trainer.data.files.file import DataFile
from perennial_trainer.data.schema import Columns

BATCH = 65_536  # rows


class ParquetFile:
    """A parquet file whose schema is known."""

    def __init__(self, file: DataFile, columns: Columns) -> None:
        self._file = file
        self._columns = columns
        with file.open() as stream:
            self._schema = pyarrow.parquet.read_schema(stream)
        self.column_names = list(self._schema.names)

    def describe(self) -> str:
        """Nothing: the schema says how the file is written."""
        return ""

    def read_table(self, needed: Sequence[str]) -> Any:
        """All rows, with the types of the file."""
        self._require_values(needed)
        with self._file.open() as stream:
            return pyarrow.parquet.read_table(stream, columns=list(needed))

    def read_batches(self, needed: Sequence[str]) -> Iterator[Any]:
        """Categories keep the dictionaries of the file; nothing is read before it is needed."""
        self._require_values(needed)
        dictionaries = [name for name in self._columns.as_text if name in needed]
        with self._file.open() as stream:
            file = pyarrow.parquet.ParquetFile(stream, read_dictionary=dictionaries, pre_buffer=False)
            for batch in file.iter_batches(BATCH, columns=list(needed)):
                yield pa.Table.from_batches([batch])

    def _require_values(self, needed: Sequence[str]) -> None:
        """A needed column has one value in each row; else a RejectedTask, NestedColumn."""
        kinds = {name: self._schema.field(name).type for name in needed if self.column_names.count(name) == 1}
        nested = [f"{name} ({kind})" for name, kind in kinds.items() if pa.types.is_nested(kind)]
        if nested:
            raise RejectedTask(
                "NestedColumn",
                f"column {join_names(nested)} has several values in a row: write each as a column of its own, or "
                "remove the column from model.features",
            )


def row_count(stream: IO[bytes]) -> int:
    """The number of rows, from the metadata of the file."""
    return int(pyarrow.parquet.read_metadata(stream).num_rows)
