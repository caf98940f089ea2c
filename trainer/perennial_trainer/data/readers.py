"""Reads the needed columns of one csv or parquet file as Arrow tables, at once or in batches."""

import gzip
import io
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import IO, Any

import numpy as np
import pyarrow as pa

from perennial_trainer.contract.errors import FailedTask, RejectedTask, join_names
from perennial_trainer.data import csv_file, parquet_file
from perennial_trainer.data.schema import Columns
from perennial_trainer.storage.listing import display_uri, partition_columns
from perennial_trainer.storage.store import describe_error

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
        raise RejectedTask(refusal.reason, f"{display_uri(name)}: {refusal.message}") from refusal


@contextmanager
def _translating_errors(name: str) -> Iterator[None]:
    """An invalid file is a RejectedTask; any other error is a FailedTask, because the store could not be read."""
    try:
        yield
    except (RejectedTask, FailedTask):
        raise
    except _INVALID_FILE as error:
        problem = ": ".join(str(error).split(": ")[:2])  # Arrow adds the row, whose values must not be logged
        raise RejectedTask(
            "UnreadableFile", f"the file is not valid csv or parquet ({problem}): write it again, or remove it"
        ) from error
    except Exception as error:
        raise FailedTask(
            "DataUnreachable", f"{display_uri(name)} could not be read: {describe_error(error)}"
        ) from error


def read_tables(
    filesystem: Any, name: str, columns: Columns, optional_target: bool = False, whole: bool = False
) -> Iterator[Any]:
    """The needed columns as stored, in Arrow tables of at least one row, or in one table with `whole`.

    A column that is not in the file may be named by one of its folders.
    """
    is_parquet = display_uri(name).endswith(".parquet")
    file_format = parquet_file if is_parquet else csv_file
    with naming_file(name), _translating_errors(name), _open(filesystem, name) as stream:
        if not stream.read(1):
            return
        stream.seek(0)
        in_file = file_format.column_names(stream)
        stream.seek(0)
        added = _columns_outside_file(name, columns, in_file, optional_target)
        # A table without columns has no rows either, so at least one column is read.
        needed = [each for each in columns.names if each in in_file] or in_file[:1]
        if whole:
            tables = iter([file_format.read_table(stream, needed, columns)])
        else:
            tables = file_format.read_batches(stream, needed, columns)
        for table in tables:
            if whole or table.num_rows:
                # The metadata that pandas writes, such as which column was the index, may be damaged and is not needed.
                yield _with_columns(added, _require_utf8(table.replace_schema_metadata()))


def _columns_outside_file(name: str, columns: Columns, in_file: Sequence[str], optional_target: bool) -> dict[str, Any]:
    """The needed columns that the file's folders name, and a missing target if it is optional; else a RejectedTask."""
    folders = partition_columns(name)
    added = {key: value for key, value in folders.items() if key in columns.names and key not in in_file}
    present = [*in_file, *added]
    if optional_target and columns.target not in present:
        _check_columns([each for each in columns.names if each != columns.target], present)
        return {**added, columns.target: np.nan}
    _check_columns(columns.names, present)
    return added


def _check_columns(needed: Sequence[str], present: Sequence[str]) -> None:
    """Each needed column is present exactly once; else a RejectedTask."""
    missing = [name for name in needed if name not in present]
    if missing:
        raise RejectedTask(
            "MissingColumn",
            f"column {join_names(missing)} is missing; the columns are {join_names(present)}: correct the name, or "
            "fix what writes the file",
        )
    repeated = [name for name in needed if present.count(name) > 1]
    if repeated:
        raise RejectedTask(
            "DuplicateColumn", f"column {join_names(repeated)} is present more than once: rename or remove the others"
        )


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


def _with_columns(added: Mapping[str, Any], table: Any) -> Any:
    """The table with a column for each of these values; NaN is missing."""
    for name, value in added.items():
        missing = isinstance(value, float)
        table = table.append_column(
            name, pa.nulls(table.num_rows, pa.float64()) if missing else pa.repeat(value, table.num_rows)
        )
    return table


def estimated_size(filesystem: Any, name: str, columns: Columns) -> int:
    """About how many bytes the needed columns take in memory; only the start or the end of the file is read.

    Over HTTP, where a file is loaded as a whole, at least the size of the file.
    """
    if "http" in filesystem.protocol:
        return int(filesystem.info(name).get("size") or 0)
    with naming_file(name), _translating_errors(name), filesystem.open(name, "rb") as stream:
        if not stream.read(1):
            return 0
        stream.seek(0)
        return _estimated_rows(stream, name, filesystem.info(name)["size"]) * columns.bytes_per_row


def _estimated_rows(stream: IO[bytes], name: str, size: int) -> int:
    if name.endswith(".parquet"):
        return parquet_file.row_count(stream)
    return csv_file.estimated_rows(stream, name, size)


def _open(filesystem: Any, name: str) -> Any:
    """A stream of the file, decompressed. Over HTTP the file is loaded first: some servers cannot send a part of it."""
    over_http = "http" in filesystem.protocol
    stream: Any = io.BytesIO(filesystem.cat_file(name)) if over_http else filesystem.open(name, "rb")
    return gzip.open(stream) if display_uri(name).endswith(".gz") else stream
