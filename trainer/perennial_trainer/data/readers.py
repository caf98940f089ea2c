"""One csv or parquet file as tables of the needed columns, at once or in batches."""

import csv
import gzip
import io
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import IO, Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from perennial_trainer.contract.errors import FailedTask, RejectedTask, join_names
from perennial_trainer.data.schema import Columns
from perennial_trainer.storage import store
from perennial_trainer.storage.listing import display_uri, partition_columns

BATCH = 65_536  # rows of parquet
BLOCK = 1 << 23  # bytes of csv
SAMPLE = 1 << 20  # bytes of csv that tell how long its lines are
_LINES = pyarrow.csv.ParseOptions(newlines_in_values=True)
_BROKEN = (pa.ArrowInvalid, pa.ArrowNotImplementedError, UnicodeDecodeError, EOFError, gzip.BadGzipFile, zlib.error)


@contextmanager
def naming_file(name: str) -> Iterator[None]:
    """A RejectedTask names the file."""
    try:
        yield
    except RejectedTask as refusal:
        raise RejectedTask(refusal.reason, f"{display_uri(name)}: {refusal.message}") from refusal


@contextmanager
def _from(name: str) -> Iterator[None]:
    """Whatever goes wrong is a RejectedTask where the file is at fault, or a FailedTask where its store is."""
    try:
        yield
    except (RejectedTask, FailedTask):
        raise
    except _BROKEN as error:
        problem = ": ".join(str(error).split(": ")[:2])  # Arrow goes on with the row itself, which no log may show
        raise RejectedTask("UnreadableFile", f"this is no valid csv or parquet file: {problem}") from error
    except Exception as error:
        raise FailedTask(
            "DataUnreachable", f"{display_uri(name)} could not be read: {store.describe_error(error)}"
        ) from error


def read_tables(
    filesystem: Any, name: str, columns: Columns, optional_target: bool = False, whole: bool = False
) -> Iterator[Any]:
    """The needed columns of one file, as they are in it, in tables of Arrow that hold at least one row, or at once.

    A column that the file does not have may be one that its folders name.
    """
    parquet = display_uri(name).endswith(".parquet")
    with naming_file(name), _from(name), _open(filesystem, name) as stream:
        if not stream.read(1):
            return
        stream.seek(0)
        present = (_parquet_names if parquet else _csv_names)(stream)
        stream.seek(0)
        outside = {
            key: value for key, value in partition_columns(name).items() if key in columns.names and key not in present
        }
        inside = [each for each in columns.names if each in present]
        if not (optional_target and columns.target not in (*inside, *outside)):
            _check(columns.names, [*present, *outside])
        else:
            outside[columns.target] = np.nan
            _check([each for each in columns.names if each != columns.target], [*present, *outside])
        needed = inside or present[:1]  # a table of no column has no rows either
        if whole:
            tables = iter([(_parquet if parquet else _csv)(stream, needed, columns)])
        else:
            tables = (_parquet_batches if parquet else _csv_batches)(stream, needed, columns)
        for table in tables:
            if whole or table.num_rows:
                # What pandas has noted, such as which column was its index, says nothing of the data, and may be torn.
                yield _with(outside, _in_utf8(table.replace_schema_metadata()))


def _in_utf8(table: Any) -> Any:
    """The table, if its texts are: parquet says that they are and does not look."""
    for name in table.column_names:
        kind = table[name].type
        if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_dictionary(kind):
            try:
                table[name].validate(full=True)
            except pa.ArrowInvalid as error:
                raise RejectedTask(
                    "UnreadableFile", f"column {name} holds text that is not UTF-8: write it anew as UTF-8"
                ) from error
    return table


def _with(outside: Mapping[str, Any], table: Any) -> Any:
    """The table with a column for each of these values, which its file does not have; NaN is missing."""
    for name, value in outside.items():
        missing = isinstance(value, float)
        table = table.append_column(
            name, pa.nulls(table.num_rows, pa.float64()) if missing else pa.repeat(value, table.num_rows)
        )
    return table


def estimated_size(filesystem: Any, name: str, columns: Columns) -> int:
    """About how many bytes the needed columns of the file fill in memory; nothing of it but its ends is read.

    Over HTTP, where a file is loaded whole, at least its own size.
    """
    if "http" in filesystem.protocol:
        return int(filesystem.info(name).get("size") or 0)
    with naming_file(name), _from(name), filesystem.open(name, "rb") as packed:
        if not packed.read(1):
            return 0
        packed.seek(0)
        rows = (
            _parquet_rows(packed)
            if name.endswith(".parquet")
            else _csv_rows(packed, name, filesystem.info(name)["size"])
        )
    return rows * columns.bytes_per_row


def _parquet_rows(stream: IO[bytes]) -> int:
    return int(pyarrow.parquet.read_metadata(stream).num_rows)


def _csv_rows(packed: IO[bytes], name: str, size: int) -> int:
    """As many as there would be if all of the file were like its first lines."""
    if name.endswith(".gz"):
        with gzip.open(packed) as unpacked:
            sample = unpacked.read(SAMPLE)
    else:
        sample = packed.read(SAMPLE)
    lines = sample.count(b"\n")
    return lines if len(sample) < SAMPLE else lines * size // packed.tell()


def _open(filesystem: Any, name: str) -> Any:
    """The file's bytes, unpacked. Over HTTP at once: not every server answers for a part of a file."""
    packed: Any = (
        io.BytesIO(filesystem.cat_file(name)) if "http" in filesystem.protocol else filesystem.open(name, "rb")
    )
    return gzip.open(packed) if display_uri(name).endswith(".gz") else packed


def _check(needed: Sequence[str], present: Sequence[str]) -> None:
    """Each needed column is there once; else a RejectedTask."""
    missing = [name for name in needed if name not in present]
    if missing:
        raise RejectedTask(
            "MissingColumn",
            f"column {join_names(missing)} is missing; the columns are {join_names(present)}: name one of them, or fix "
            "what writes the file",
        )
    twice = [name for name in needed if present.count(name) > 1]
    if twice:
        raise RejectedTask(
            "DuplicateColumn", f"column {join_names(twice)} is there more than once: rename or remove the others"
        )


def _parquet_names(stream: IO[bytes]) -> list[str]:
    return list(pyarrow.parquet.read_schema(stream).names)


def _parquet(stream: IO[bytes], needed: Sequence[str], _: Columns) -> Any:
    return pyarrow.parquet.read_table(stream, columns=list(needed))


def _parquet_batches(stream: IO[bytes], needed: Sequence[str], columns: Columns) -> Iterator[Any]:
    """Categories are left in parquet's own dictionaries; nothing is read before it is needed."""
    text = [name for name in _text(columns) if name in needed]
    file = pyarrow.parquet.ParquetFile(stream, read_dictionary=text, pre_buffer=False)
    for batch in file.iter_batches(BATCH, columns=list(needed)):
        yield pa.Table.from_batches([batch])


def _csv_names(stream: IO[bytes]) -> list[str]:
    lines = io.TextIOWrapper(stream, encoding="utf-8-sig", newline="")
    names = next(csv.reader(lines), [])
    lines.detach()
    return names


def _csv(stream: IO[bytes], needed: Sequence[str], columns: Columns) -> Any:
    """Arrow infers the types over the whole file, except that categories stay as they are written: 01 is not 1."""
    return pyarrow.csv.read_csv(stream, parse_options=_LINES, convert_options=_types(needed, _text(columns)))


def _csv_batches(stream: IO[bytes], needed: Sequence[str], columns: Columns) -> Iterator[Any]:
    """As Arrow would infer from the first block what does not hold in the next, types are found block by block."""
    text = _text(columns)
    blocks = pyarrow.csv.open_csv(
        stream,
        read_options=pyarrow.csv.ReadOptions(block_size=BLOCK),
        parse_options=_LINES,
        convert_options=_types(needed, needed),
    )
    for block in blocks:
        yield pa.table(
            {name: block[name].dictionary_encode() if name in text else _inferred(block[name]) for name in needed}
        )


def _inferred(values: Any) -> Any:
    """Text as the numbers or truths that all of it is, or as it was."""
    for kind in (pa.int64(), pa.float64(), pa.bool_()):
        try:
            return values.cast(kind)
        except pa.ArrowInvalid:
            continue
    return values


def _types(needed: Sequence[str], text: Sequence[str]) -> Any:
    return pyarrow.csv.ConvertOptions(
        include_columns=list(needed), column_types={name: pa.string() for name in text}, strings_can_be_null=True
    )


def _text(columns: Columns) -> list[str]:
    """What is read as text, however it looks."""
    return [*columns.features.categorical, *([columns.target] if columns.kind == "classification" else [])]
