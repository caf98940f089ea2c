"""Loads all rows of a URI into memory."""

import logging
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pyarrow as pa

from perennial_trainer.data import memory, readers
from perennial_trainer.data.rows import Rows, concatenate, convert_rows, sort_by_time
from perennial_trainer.data.schema import Columns
from perennial_trainer.storage.listing import display_uri, list_files
from perennial_trainer.storage.store import open_filesystem

log = logging.getLogger(__name__)

FILES_AT_ONCE = 4  # reading from an object store is mostly waiting


def load_rows(uri: str, columns: Columns) -> Rows:
    """The needed columns of all rows of the URI, oldest first, or in the order of file names and rows.

    The URI names a file, a glob, or a folder with all csv and parquet files below it, whose `column=value` folders are
    columns too. Raises a RejectedTask: NoFilesMatched, UnreadableFile, MissingColumn, DuplicateColumn,
    NonNumericFeature, NonNumericTarget, UnreadableTime, InfiniteValues, or DataTooLarge before any row is loaded; or a
    FailedTask if the store cannot be reached.
    """
    filesystem, path = open_filesystem(uri)
    files = list_files(filesystem, path, uri)
    with ThreadPoolExecutor(FILES_AT_ONCE) as pool:
        sizes = pool.map(lambda file: readers.estimated_size(filesystem, file, columns), files)
        memory.check_memory(sum(sizes), memory.memory_limit(), display_uri(uri))
        parts = list(pool.map(lambda file: _rows_of_file(filesystem, file, columns), files))
    rows = sort_by_time(concatenate([part for part in parts if len(part)] or parts[:1]))
    size = f"{len(rows)} rows x {len(columns.names)} columns"
    log.info("read %s of %s files from %s", size, len(files), display_uri(uri))
    return rows


def _rows_of_file(filesystem: Any, file: str, columns: Columns) -> Rows:
    """The rows of one file; a RejectedTask that names the file."""
    empty = pa.table({name: [] for name in columns.names})
    # No variable keeps the Arrow table, so that its memory is free once it is converted.
    frame = next(readers.read_tables(filesystem, file, columns, whole=True), empty).to_pandas()
    with readers.naming_file(file):
        return convert_rows(frame, columns)
