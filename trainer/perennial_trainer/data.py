"""Which files a URI means, and the rows in them."""

import csv
import gzip
import io
import logging
import zlib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import IO, Any, TypeVar

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute
import pyarrow.csv
import pyarrow.parquet

from perennial_trainer import storage
from perennial_trainer.refusal import Failure, Refusal, listed
from perennial_trainer.rows import Columns, Rows, joined, ordered, rows_of
from perennial_trainer.task import Features

log = logging.getLogger(__name__)

SUFFIXES = (".csv", ".csv.gz", ".parquet")
AT_ONCE = 4  # files; reading from an object store mostly waits
BATCH = 65_536  # rows of parquet
BLOCK = 1 << 23  # bytes of csv
_LINES = pyarrow.csv.ParseOptions(newlines_in_values=True)
_T = TypeVar("_T")
_BROKEN = (pa.ArrowInvalid, pa.ArrowNotImplementedError, UnicodeDecodeError, EOFError, gzip.BadGzipFile, zlib.error)


def read(uri: str, columns: Columns, optional_target: bool = False) -> Rows:
    """The needed columns of all rows that the URI means, oldest first, or in the order of file names and rows.

    A file, a glob, or a folder with all csv and parquet files below it. Raises a Refusal: NoFilesMatched,
    UnreadableFile, MissingColumn, DuplicateColumn, NonNumericFeature, NonNumericTarget, UnreadableTime,
    InfiniteValues; or a Failure if the store cannot be reached. With `optional_target`, rows without a target column
    have a missing target.
    """
    store, path = storage.filesystem(uri)
    names = _files(store, path, uri)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        parts = list(pool.map(lambda name: _rows(store, name, columns, optional_target), names))
    rows = ordered(joined([part for part in parts if len(part)] or parts[:1]))
    log.info("read %s rows x %s columns of %s files from %s", len(rows), len(columns.names), len(names), shown(uri))
    return rows


def batches(uri: str, columns: Columns, optional_target: bool = False) -> Iterator[Rows]:
    """The rows that `read` returns, in the order of file names and rows, few at a time and none empty.

    The memory needed depends on the size of parquet's row groups, not on that of the files. Raises what `read` does; a
    message counts within a batch.
    """
    store, path = storage.filesystem(uri)
    names = _files(store, path, uri)

    def parts() -> Iterator[Rows]:
        for name in names:
            for table in _parts(store, name, columns, optional_target):
                with _of(name):
                    rows = rows_of(table, columns)
                yield rows

    return _ahead(parts())


def column(uri: str, name: str) -> Iterator["pd.Series[Any]"]:
    """The values of one column as they are in the files, in the same order and as few at a time as `batches`."""
    only = Columns(Features(numeric=(), categorical=()), name, "regression", None)
    store, path = storage.filesystem(uri)
    for file in _files(store, path, uri):
        for table in _parts(store, file, only, False):
            yield table[name]


def shown(uri: str) -> str:
    """The URI without its query: that of a presigned address is a secret."""
    return uri.partition("?")[0] if uri.startswith("http") else uri


def _files(store: Any, path: str, uri: str) -> list[str]:
    """The files, by name; a Refusal, NoFilesMatched, if there is none."""
    over_http = "http" in store.protocol
    try:
        if any(character in path for character in ("*[" if over_http else "*?[")):
            names = store.glob(path)
        elif over_http or not store.isdir(path):
            names = [path] if store.exists(path) else []
        else:
            names = [name for name in store.find(path) if not _hidden(name[len(path) :])]
    except FileNotFoundError:
        names = []
    except Exception as error:  # each store has its own exceptions for "denied" and "unreachable"
        raise Failure("DataUnreachable", f"{shown(uri)} could not be listed: {storage.named(error)}") from error
    found = sorted(name for name in names if shown(name).endswith(SUFFIXES))
    if not found:
        raise Refusal("NoFilesMatched", f"{shown(uri)} matches no file that ends in {listed(SUFFIXES)}: mend the URI")
    return found


def _hidden(path: str) -> bool:
    """Spark, Hive and Delta keep their own files below names such as _delta_log and .part.crc."""
    return any(part.startswith(("_", ".")) for part in path.split("/"))


def _rows(store: Any, name: str, columns: Columns, optional_target: bool) -> Rows:
    """The rows of one file; a Refusal that names the file."""
    tables = list(_parts(store, name, columns, optional_target, whole=True))
    with _of(name):
        return rows_of(tables[0] if tables else pd.DataFrame(columns=columns.names), columns)


@contextmanager
def _of(name: str) -> Iterator[None]:
    """A Refusal names the file."""
    try:
        yield
    except Refusal as refusal:
        raise Refusal(refusal.reason, f"{shown(name)}: {refusal.message}") from refusal


@contextmanager
def _from(name: str) -> Iterator[None]:
    """Whatever goes wrong is a Refusal where the file is at fault, or a Failure where its store is."""
    try:
        yield
    except (Refusal, Failure):
        raise
    except _BROKEN as error:
        problem = ": ".join(str(error).split(": ")[:2])  # Arrow goes on with the row itself, which no log may show
        raise Refusal("UnreadableFile", f"this is no valid csv or parquet file: {problem}") from error
    except Exception as error:
        raise Failure("DataUnreachable", f"{shown(name)} could not be read: {storage.named(error)}") from error


def _parts(
    store: Any, name: str, columns: Columns, optional_target: bool, whole: bool = False
) -> Iterator[pd.DataFrame]:
    """The needed columns of one file, as they are in it, in tables that hold at least one row, or at once."""
    parquet = shown(name).endswith(".parquet")
    with _of(name), _from(name), _open(store, name) as stream:
        if not stream.read(1):
            return
        stream.seek(0)
        present = (_parquet_names if parquet else _csv_names)(stream)
        stream.seek(0)
        needed = [each for each in columns.names if each in present or not (optional_target and each == columns.target)]
        _check(needed, present)
        if whole:
            tables = iter([(_parquet if parquet else _csv)(stream, needed, columns)])
        else:
            tables = (_parquet_batches if parquet else _csv_batches)(stream, needed, columns)
        for table in tables:
            if whole or len(table):
                yield table if columns.target in table else table.assign(**{columns.target: np.nan})


def _open(store: Any, name: str) -> Any:
    """The file's bytes, unpacked. Over HTTP at once: not every server answers for a part of a file."""
    packed: Any = io.BytesIO(store.cat_file(name)) if "http" in store.protocol else store.open(name, "rb")
    return gzip.open(packed) if shown(name).endswith(".gz") else packed


def _check(needed: Sequence[str], present: Sequence[str]) -> None:
    """Each needed column is there once; else a Refusal."""
    missing = [name for name in needed if name not in present]
    if missing:
        raise Refusal("MissingColumn", f"column {listed(missing)} is missing; the columns are {listed(present)}")
    twice = [name for name in needed if present.count(name) > 1]
    if twice:
        raise Refusal("DuplicateColumn", f"column {listed(twice)} is there more than once: rename or remove the others")


def _parquet_names(stream: IO[bytes]) -> list[str]:
    return list(pyarrow.parquet.read_schema(stream).names)


def _parquet(stream: IO[bytes], needed: Sequence[str], _: Columns) -> pd.DataFrame:
    table: pd.DataFrame = pyarrow.parquet.read_table(stream, columns=list(needed)).to_pandas()
    return table


def _parquet_batches(stream: IO[bytes], needed: Sequence[str], columns: Columns) -> Iterator[pd.DataFrame]:
    """Categories are left in parquet's own dictionaries; nothing is read before it is needed."""
    file = pyarrow.parquet.ParquetFile(stream, read_dictionary=_text(columns), pre_buffer=False)
    for batch in file.iter_batches(BATCH, columns=list(needed)):
        yield batch.to_pandas()


def _csv_names(stream: IO[bytes]) -> list[str]:
    lines = io.TextIOWrapper(stream, encoding="utf-8-sig", newline="")
    names = next(csv.reader(lines), [])
    lines.detach()
    return names


def _csv(stream: IO[bytes], needed: Sequence[str], columns: Columns) -> pd.DataFrame:
    """Arrow infers the types over the whole file, except that categories stay as they are written: 01 is not 1."""
    table: pd.DataFrame = pyarrow.csv.read_csv(
        stream, parse_options=_LINES, convert_options=_types(needed, _text(columns))
    ).to_pandas()
    return table


def _csv_batches(stream: IO[bytes], needed: Sequence[str], columns: Columns) -> Iterator[pd.DataFrame]:
    """As Arrow would infer from the first block what does not hold in the next, types are found block by block."""
    text = _text(columns)
    blocks = pyarrow.csv.open_csv(
        stream,
        read_options=pyarrow.csv.ReadOptions(block_size=BLOCK),
        parse_options=_LINES,
        convert_options=_types(needed, needed),
    )
    for block in blocks:
        found = {name: block[name] if name in text else _inferred(block[name]) for name in needed}
        yield pa.table(found).to_pandas()


def _inferred(values: Any) -> Any:
    """Text as the numbers or truths that all of it is, or as it was."""
    for kind in (pa.int64(), pa.float64(), pa.bool_()):
        try:
            return pyarrow.compute.cast(values, kind)
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


def _ahead(parts: Iterator[_T]) -> Iterator[_T]:
    """The same: while one is worked on, the next is read."""
    with ThreadPoolExecutor(1) as pool:
        coming = pool.submit(next, parts, None)
        while (part := coming.result()) is not None:
            coming = pool.submit(next, parts, None)
            yield part
