"""The rows that a URI means, all at once."""

import logging
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pyarrow as pa

from perennial_trainer.data import memory, readers
from perennial_trainer.data.rows import Rows, concatenate, convert_rows, sort_by_time
from perennial_trainer.data.schema import Columns
from perennial_trainer.storage import listing, store

log = logging.getLogger(__name__)

AT_ONCE = 4  # files; reading from an object store mostly waits


def load_rows(uri: str, columns: Columns) -> Rows:
    """The needed columns of all rows that the URI means, oldest first, or in the order of file names and rows.

    A file, a glob, or a folder with all csv and parquet files below it, whose `column=value` folders are columns too.
    Raises a RejectedTask: NoFilesMatched, UnreadableFile, MissingColumn, DuplicateColumn, NonNumericFeature,
    NonNumericTarget, UnreadableTime, InfiniteValues, or DataTooLarge before any row is loaded; or a FailedTask if the
    store cannot be reached.
    """
    filesystem, path = store.open_filesystem(uri)
    names = listing.list_files(filesystem, path, uri)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        sizes = pool.map(lambda name: readers.estimated_size(filesystem, name, columns), names)
        memory.check_memory(sum(sizes), memory.memory_limit(), listing.display_uri(uri))
        parts = list(pool.map(lambda name: _rows(filesystem, name, columns), names))
    rows = sort_by_time(concatenate([part for part in parts if len(part)] or parts[:1]))
    log.info(
        "read %s rows x %s columns of %s files from %s",
        len(rows),
        len(columns.names),
        len(names),
        listing.display_uri(uri),
    )
    return rows


def _rows(filesystem: Any, name: str, columns: Columns) -> Rows:
    """The rows of one file; a RejectedTask that names the file."""
    empty = pa.table({each: [] for each in columns.names})
    # The table is let go as soon as it has become a frame.
    whole = next(readers.read_tables(filesystem, name, columns, whole=True), empty).to_pandas()
    with readers.naming_file(name):
        return convert_rows(whole, columns)
