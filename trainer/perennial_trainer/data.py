"""The rows that a URI means, all at once or a few at a time."""

import logging
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import pandas as pd

from perennial_trainer import capacity, files, storage, tables
from perennial_trainer.rows import Columns, Rows, joined, ordered, rows_of
from perennial_trainer.task import Features

log = logging.getLogger(__name__)

AT_ONCE = 4  # files; reading from an object store mostly waits
_T = TypeVar("_T")


def read(uri: str, columns: Columns) -> Rows:
    """The needed columns of all rows that the URI means, oldest first, or in the order of file names and rows.

    A file, a glob, or a folder with all csv and parquet files below it, whose `column=value` folders are columns too.
    Raises a Refusal: NoFilesMatched, UnreadableFile, MissingColumn, DuplicateColumn, NonNumericFeature,
    NonNumericTarget, UnreadableTime, InfiniteValues, or DataTooLarge before any row is loaded; or a Failure if the
    store cannot be reached.
    """
    store, path = storage.filesystem(uri)
    names = files.found(store, path, uri)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        sizes = pool.map(lambda name: tables.size(store, name, columns), names)
        capacity.check(sum(sizes), capacity.limit(), files.shown(uri))
        parts = list(pool.map(lambda name: _rows(store, name, columns), names))
    rows = ordered(joined([part for part in parts if len(part)] or parts[:1]))
    log.info(
        "read %s rows x %s columns of %s files from %s", len(rows), len(columns.names), len(names), files.shown(uri)
    )
    return rows


def batches(uri: str, columns: Columns, optional_target: bool = False) -> Iterator[Rows]:
    """The rows that `read` returns, in the order of file names and rows, few at a time and none empty.

    The memory needed depends on the size of parquet's row groups, not on that of the files. Raises what `read` does; a
    message counts within a batch. With `optional_target`, rows without a target column have a missing target.
    """
    store, path = storage.filesystem(uri)
    names = files.found(store, path, uri)

    def parts() -> Iterator[Rows]:
        for name in names:
            for table in tables.parts(store, name, columns, optional_target):
                with tables.of(name):
                    rows = rows_of(table, columns)
                yield rows

    return _ahead(parts())


def column(uri: str, name: str) -> Iterator["pd.Series[Any]"]:
    """The values of one column as they are in the files, in the same order and as few at a time as `batches`."""
    only = Columns(Features(numeric=(), categorical=()), name, "regression", None)
    store, path = storage.filesystem(uri)
    for file in files.found(store, path, uri):
        for table in tables.parts(store, file, only):
            yield table[name]


def _rows(store: Any, name: str, columns: Columns) -> Rows:
    """The rows of one file; a Refusal that names the file."""
    whole = next(tables.parts(store, name, columns, whole=True), None)
    with tables.of(name):
        return rows_of(pd.DataFrame(columns=columns.names) if whole is None else whole, columns)


def _ahead(parts: Iterator[_T]) -> Iterator[_T]:
    """The same: while one is worked on, the next is read."""
    with ThreadPoolExecutor(1) as pool:
        coming = pool.submit(next, parts, None)
        while (part := coming.result()) is not None:
            coming = pool.submit(next, parts, None)
            yield part
