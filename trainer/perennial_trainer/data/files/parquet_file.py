"""Reads a parquet file: its column names, and the needed columns at once or in batches."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import IO, Any

import pyarrow as pa
import pyarrow.parquet

from perennial_trainer.contract.errors import RejectedTask, join_names
from perennial_trainer.data.files.file import DataFile
from perennial_trainer.data.schema import Columns

BATCH = 65_536  # rows


@dataclass(frozen=True)
class RowGroup:
    """A row group, its place in the file, and its least and greatest value of a column, if the file has them."""

    number: int
    first_row: int
    rows: int
    present: int
    """How many rows have a value of the column, if `values` are known."""
    values: tuple[Any, Any] | None = None


class ParquetFile:
    """A parquet file whose schema is known; all row groups are read, or those in `groups`."""

    def __init__(self, file: DataFile, columns: Columns) -> None:
        self._file = file
        self._columns = columns
        with file.open() as stream:
            self._schema = pyarrow.parquet.read_schema(stream)
        self.column_names = list(self._schema.names)
        self.groups: Sequence[int] | None = None

    def describe(self) -> str:
        """Nothing: the schema says how the file is written."""
        return ""

    def read_table(self, needed: Sequence[str]) -> Any:
        """All rows, with the types of the file."""
        self._require_values(needed)
        with self._file.open() as stream:
            if self.groups is None:
                return pyarrow.parquet.read_table(stream, columns=list(needed))
            return pyarrow.parquet.ParquetFile(stream).read_row_groups(self.groups, columns=list(needed))

    def read_batches(self, needed: Sequence[str]) -> Iterator[Any]:
        """Categories keep the dictionaries of the file; nothing is read before it is needed."""
        self._require_values(needed)
        dictionaries = [name for name in self._columns.as_text if name in needed]
        with self._file.open() as stream:
            file = pyarrow.parquet.ParquetFile(stream, read_dictionary=dictionaries, pre_buffer=False)
            # One group at a time, so that no batch has rows of two groups between which others were skipped.
            for group in range(file.num_row_groups) if self.groups is None else self.groups:
                for batch in file.iter_batches(BATCH, row_groups=[group], columns=list(needed)):
                    yield pa.Table.from_batches([batch])

    def _require_values(self, needed: Sequence[str]) -> None:
        require_values({name: self._schema.field(name).type for name in needed if self.column_names.count(name) == 1})


def require_values(kinds: Mapping[str, Any]) -> None:
    """The columns of these types have one value in each row; else a RejectedTask, NestedColumn."""
    nested = {name: f"{name} ({kind})" for name, kind in kinds.items() if pa.types.is_nested(kind)}
    if nested:
        raise nested_columns(nested, f"column {join_names(nested.values())} has several values in a row")


def nested_columns(names: Iterable[str], problem: str) -> RejectedTask:
    """The refusal of columns with several values in a row."""
    refusal = RejectedTask(
        "NestedColumn", f"{problem}: write each value as a column of its own, or remove the column from model.features"
    )
    refusal.columns = tuple(names)
    return refusal


def row_groups(stream: IO[bytes], column: str | None) -> tuple[list[str], list[RowGroup]]:
    """The names of the columns, and the row groups with their values of the column, from the metadata of the file."""
    metadata = pyarrow.parquet.read_metadata(stream)
    names = [metadata.schema.column(place).path for place in range(metadata.num_columns)]
    place = names.index(column) if column is not None and names.count(column) == 1 else None
    groups: list[RowGroup] = []
    first_row = 0
    for number in range(metadata.num_row_groups):
        group = metadata.row_group(number)
        missing, values = 0, None
        statistics = None if place is None else group.column(place).statistics
        if statistics is not None and statistics.has_min_max and statistics.has_null_count:
            missing, values = statistics.null_count, _extremes(statistics)
        groups.append(RowGroup(number, first_row, group.num_rows, group.num_rows - missing, values))
        first_row += group.num_rows
    return names, groups


def _extremes(statistics: Any) -> tuple[Any, Any] | None:
    """The least and the greatest value; None of text, which is in another order than the times that it means."""
    try:
        least, greatest = statistics.min, statistics.max
    except (ValueError, OverflowError):  # a date that Python does not know
        return None
    return None if isinstance(least, (str, bytes, bool)) else (least, greatest)
