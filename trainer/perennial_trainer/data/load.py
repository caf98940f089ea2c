"""The rows that a URI means, all at once."""

import logging
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pyarrow as pa

from perennial_trainer.data import memory as capacity
from perennial_trainer.data import readers as tables
from perennial_trainer.data.rows import Rows, joined, ordered, rows_of
from perennial_trainer.data.schema import Columns
from perennial_trainer.storage import listing as files
from perennial_trainer.storage import store as storage

log = logging.getLogger(__name__)

AT_ONCE = 4  # files; reading from an object store mostly waits


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


def _rows(store: Any, name: str, columns: Columns) -> Rows:
    """The rows of one file; a Refusal that names the file."""
    empty = pa.table({each: [] for each in columns.names})
    # The table is let go as soon as it has become a frame.
    whole = next(tables.parts(store, name, columns, whole=True), empty).to_pandas()
    with tables.of(name):
        return rows_of(whole, columns)
