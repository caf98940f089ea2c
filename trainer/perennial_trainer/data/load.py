"""Loads all rows of a URI into memory."""

import logging
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime

import pyarrow as pa

from perennial_trainer.contract.errors import RejectedTask
from perennial_trainer.data import memory
from perennial_trainer.data.conversion import to_frame
from perennial_trainer.data.files.readers import DataFiles, estimated_size, naming_file
from perennial_trainer.data.future import in_future, iso_of_newest
from perennial_trainer.data.notes import Notes
from perennial_trainer.data.rows import Rows, concatenate, convert_rows, sort_by_time
from perennial_trainer.data.schema import Columns
from perennial_trainer.storage.listing import display_uri, list_files
from perennial_trainer.storage.store import open_filesystem

log = logging.getLogger(__name__)

FILES_AT_ONCE = 4  # reading from an object store is mostly waiting


def load_rows(uri: str, columns: Columns, now: datetime | None = None, notes: Notes | None = None) -> Rows:
    """The needed columns of all rows of the URI, oldest first, or in the order of file names and rows.

    The URI names a file, a glob, or a folder with all csv, JSON lines and parquet files below it, whose `column=value`
    folders are columns too. Rows of the future are left out. Raises a RejectedTask: NoFilesMatched, TableOfVersions,
    UnreadableFile, MissingColumn, DuplicateColumn, NestedColumn, NonNumericTarget, UnreadableTime, InfiniteValues,
    FutureTimes, or DataTooLarge before any row is loaded; or a FailedTask if the store cannot be reached.
    """
    filesystem, path = open_filesystem(uri)
    listing = list_files(filesystem, path, uri)
    notes = Notes() if notes is None else notes
    notes.passed_over = listing.passed_over
    files = DataFiles(filesystem, listing.files, columns, notes)
    with ThreadPoolExecutor(FILES_AT_ONCE) as pool:
        sizes = pool.map(lambda file: estimated_size(filesystem, file, columns), listing.files)
        memory.check_memory(sum(sizes), memory.memory_limit(), display_uri(uri))
        parts = list(pool.map(lambda file: _rows_of_file(files, file), listing.files))
    rows = sort_by_time(concatenate([part for part in parts if len(part)] or parts[:1]))
    rows = _without_future(rows, now, notes, uri)
    notes.rows_without_time += 0 if rows.time is None else int(rows.time.isna().sum())
    for name, unusable in rows.unusable.items():
        notes.add_unusable(name, unusable.count)
    size = f"{len(rows)} rows x {len(columns.names)} columns"
    log.info("read %s of %s files from %s", size, len(listing.files), display_uri(uri))
    for sentence in notes.sentences():
        log.info("%s", sentence)
    return rows


def _rows_of_file(files: DataFiles, file: str) -> Rows:
    """The rows of one file; a RejectedTask that names the file."""
    columns = files.columns
    empty = pa.table({name: [] for name in columns.names})
    # No variable keeps the Arrow table, so that its memory is free once it is converted.
    frame = to_frame(next(files.tables(file, whole=True), empty), columns)
    with naming_file(file):
        return convert_rows(frame, columns)


def _without_future(rows: Rows, now: datetime | None, notes: Notes, uri: str) -> Rows:
    """The rows without those of the future. Raises a RejectedTask, FutureTimes, if none is left."""
    if now is None or rows.time is None or not len(rows):
        return rows
    future = in_future(rows.time, now)
    if not future.any():
        return rows
    notes.add_future(int(future.sum()), iso_of_newest(rows.time))
    if future.all():
        raise RejectedTask(
            "FutureTimes",
            f"{display_uri(uri)}: all {len(rows)} rows have a time later than a day after {now.isoformat()}, up to "
            f"{notes.newest_future}: fix what writes {rows.columns.time}, or say in data.timeFormat what it is",
        )
    return rows.take(~future)
