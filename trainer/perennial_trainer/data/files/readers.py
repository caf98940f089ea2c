"""Reads the needed columns of the data files of a URI as Arrow tables, file by file, at once or in batches."""

import gzip
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa

from perennial_trainer.contract.errors import FailedTask, RejectedTask, join_names
from perennial_trainer.data.files.csv_dialect import Dialect
from perennial_trainer.data.files.csv_file import CsvFile
from perennial_trainer.data.files.file import DataFile
from perennial_trainer.data.files.json_lines import JsonLines
from perennial_trainer.data.files.parquet_file import ParquetFile, RowGroup
from perennial_trainer.data.notes import Notes
from perennial_trainer.data.schema import Columns
from perennial_trainer.storage.file_formats import Format, format_of
from perennial_trainer.storage.listing import display_uri, partition_columns
from perennial_trainer.storage.store import describe_error

_READERS: dict[Format, type[CsvFile] | type[JsonLines] | type[ParquetFile]] = {
    "csv": CsvFile,
    "jsonl": JsonLines,
    "parquet": ParquetFile,
}
_FIRST_LINE = {"csv": 2, "jsonl": 1, "parquet": 1}  # of the first row, counted from 1
_INVALID_FILE = (
    pa.ArrowInvalid,
    pa.ArrowNotImplementedError,
    UnicodeDecodeError,
    EOFError,
    gzip.BadGzipFile,
    zlib.error,
)


@contextmanager
def naming_file(name: str) -> Iterator[None]:
    """The message of a RejectedTask starts with the name of the file."""
    try:
        yield
    except RejectedTask as refusal:
        named = RejectedTask(refusal.reason, f"{display_uri(name)}: {refusal.message}")
        named.columns = refusal.columns
        raise named from refusal


def place_of_row(name: str, row: int) -> str:
    """The file and the line of a row, which is counted from 0.

    A line break within quotes, or a line `sep=;` before the header, makes it an earlier one.
    """
    place = display_uri(name)
    file_format = format_of(place)
    if file_format is None:  # a table
        return f"{place}, row {row + 1}"
    return f"{place}, {'row' if file_format == 'parquet' else 'line'} {row + _FIRST_LINE[file_format]}"


@contextmanager
def translating_errors(name: str) -> Iterator[None]:
    """An invalid file is a RejectedTask; any other error is a FailedTask, because the store could not be read."""
    try:
        yield
    except (RejectedTask, FailedTask):
        raise
    except _INVALID_FILE as error:
        raise RejectedTask(
            "UnreadableFile",
            f"the file is not valid {format_of(display_uri(name))} ({_problem(error)}): write it again, or remove it",
        ) from error
    except Exception as error:
        if isinstance(error, OSError) and "zstd" in str(error).lower():
            raise RejectedTask("UnreadableFile", "the file is not valid zstd: write it again, or remove it") from error
        raise FailedTask(
            "DataUnreachable", f"{display_uri(name)} could not be read: {describe_error(error)}"
        ) from error


def _problem(error: Exception) -> str:
    return ": ".join(str(error).split(": ")[:2])  # Arrow adds the row, whose values must not be logged


class DataFiles:
    """The files of a URI. A needed column that a file lacks is missing there, if another file has it.

    With `optional_target`, the target is missing also where no file has it. Of a file in `groups` only these are read.
    """

    def __init__(
        self,
        filesystem: Any,
        names: Sequence[str],
        columns: Columns,
        notes: Notes | None = None,
        optional_target: bool = False,
        groups: Mapping[str, Sequence[RowGroup]] | None = None,
    ) -> None:
        self.filesystem = filesystem
        self.names = names
        self.columns = columns
        self.notes = Notes() if notes is None else notes
        self.optional_target = optional_target
        self.groups = groups or {}
        self._optional = {columns.target} if optional_target else set()

    def tables(self, name: str, whole: bool = False) -> Iterator[Any]:
        """The needed columns of one file, in Arrow tables of at least one row, or in one table with `whole`."""
        with naming_file(name), translating_errors(name):
            reader = self._reader(name)
            if reader is None:
                return
            in_file = reader.column_names
            added = self._columns_outside(name, in_file)
            # A table without columns has no rows either, so at least one column is read.
            needed = [each for each in self.columns.names if each in in_file] or in_file[:1]
            self.notes.add_dialect(reader.describe())
            for table in [reader.read_table(needed)] if whole else reader.read_batches(needed):
                if whole or table.num_rows:
                    # The metadata that pandas writes, such as the index, may be damaged and is not needed.
                    yield with_columns(added, _require_utf8(table.replace_schema_metadata()))

    def row_in_file(self, name: str, row: int) -> int:
        """Where a row that is read is in its file, of which row groups may be skipped."""
        for group in self.groups.get(name, ()):
            if row < group.rows:
                return group.first_row + row
            row -= group.rows
        return row

    def column_names(self, name: str) -> list[str]:
        """The columns of one file, those that its folders name included; none if it is empty."""
        with naming_file(name), translating_errors(name):
            reader = self._reader(name)
            in_file = reader.column_names if reader else []
        return [*in_file, *(each for each in partition_columns(name) if each not in in_file)]

    def dialect(self, name: str) -> Dialect | None:
        """How a csv file is written; None for another file, and for an empty one."""
        with naming_file(name), translating_errors(name):
            reader = self._reader(name)
        return reader.dialect if isinstance(reader, CsvFile) else None

    def _reader(self, name: str) -> CsvFile | JsonLines | ParquetFile | None:
        """A reader of the file, or None if the file is empty."""
        file = DataFile(self.filesystem, name)
        with file.open() as stream:
            if not stream.read(1):
                return None
        reader = _READERS[format_of(display_uri(name)) or "csv"](file, self.columns)
        if isinstance(reader, ParquetFile) and name in self.groups:
            reader.groups = [each.number for each in self.groups[name]]
        return reader

    def _columns_outside(self, name: str, in_file: Sequence[str]) -> dict[str, Any]:
        """The needed columns that the file's folders name, and those that are missing; else a RejectedTask."""
        folders = partition_columns(name)
        added = {key: value for key, value in folders.items() if key in self.columns.names and key not in in_file}
        present = [*in_file, *added]
        for column in self.columns.names:
            if column not in present and column in self._columns_of_all:
                self.notes.add_missing_column(column, display_uri(name))
            if column not in present and (column in self._columns_of_all or column in self._optional):
                added[column] = np.nan
        require_columns(self.columns.names, [*in_file, *added], present)
        return added

    def close(self) -> None:
        """Nothing is held."""

    def with_columns(self, columns: Columns) -> "DataFiles":
        """The same files, of which other columns are read."""
        return DataFiles(self.filesystem, self.names, columns, self.notes, self.optional_target, self.groups)

    def present_columns(self) -> Columns | None:
        """The columns that some file has; None if that is all of them, or leaves no feature or no target."""
        absent = set(self.columns.names) - self._columns_of(self.names)
        return self.columns.without(absent) if absent else None

    @cached_property
    def _columns_of_all(self) -> frozenset[str]:
        return self._columns_of(self.names if len(self.names) > 1 else ())

    def _columns_of(self, names: Sequence[str]) -> frozenset[str]:
        """The columns that some file has; files are opened until all needed columns have been seen."""
        seen: set[str] = set()
        for name in names:
            if set(self.columns.names) - self._optional <= seen:
                break
            with suppress(RejectedTask), translating_errors(name):  # reading the file says why
                reader = self._reader(name)
                seen |= set(reader.column_names if reader else ()) | set(partition_columns(name))
        return frozenset(seen)


def read_tables(filesystem: Any, name: str, columns: Columns, whole: bool = False) -> Iterator[Any]:
    """The needed columns of a single file."""
    return DataFiles(filesystem, [name], columns).tables(name, whole)


def require_columns(needed: Sequence[str], available: Sequence[str], present: Sequence[str]) -> None:
    """Each needed column is available exactly once; else a RejectedTask.

    If no needed column is present, the names may be the first row of a file without a header: they are not shown.
    """
    missing = [name for name in needed if name not in available]
    if missing:
        names = f"the columns are {join_names(map(_shown, present))}: correct the name, or fix what writes the file"
        if set(present).isdisjoint(needed):
            count = f"{len(present)} other columns: correct"
            count = "one other column: correct data.csv.separator or" if len(present) == 1 else count
            names = f"the file has {count} the names, or write a header with them"
        raise RejectedTask("MissingColumn", f"column {join_names(missing)} is missing; {names}")
    repeated = [name for name in needed if available.count(name) > 1]
    if repeated:
        raise RejectedTask(
            "DuplicateColumn", f"column {join_names(repeated)} is present more than once: rename or remove the others"
        )


def _shown(name: str) -> str:
    return name if name == name.strip() else repr(name)  # a space around a name is not visible


def _require_utf8(table: Any) -> Any:
    """The same table, if its texts are valid: parquet declares UTF-8 and does not check it."""
    for name in table.column_names:
        kind = table[name].type
        if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_dictionary(kind):
            try:
                table[name].validate(full=True)
            except pa.ArrowInvalid as error:
                raise RejectedTask(
                    "UnreadableFile", f"column {name} holds text that is not UTF-8: write the file again as UTF-8"
                ) from error
    return table


def with_columns(added: Mapping[str, Any], table: Any) -> Any:
    """The table with a column for each of these values; NaN is missing."""
    for name, value in added.items():
        missing = isinstance(value, float)
        table = table.append_column(
            name, pa.nulls(table.num_rows, pa.float64()) if missing else pa.repeat(value, table.num_rows)
        )
    return table
