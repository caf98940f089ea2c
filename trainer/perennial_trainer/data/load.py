"""Loads all rows of a URI into memory."""

import logging
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime

import pyarrow as pa

from perennial_trainer.contract.errors import Problems, RejectedTask
from perennial_trainer.data import memory
from perennial_trainer.data.conversion import to_frame
from perennial_trainer.data.files.readers import DataFiles, estimated_size, naming_file, place_of_row
from perennial_trainer.data.future import in_future, iso_of_newest
from perennial_trainer.data.notes import Notes
from perennial_trainer.data.rows import Rows, concatenate, convert_rows, sort_by_time
from perennial_trainer.data.schema import Columns
from perennial_trainer.storage.listing import display_uri, list_files
from perennial_trainer.storage.store import open_filesystem

log = logging.getLogger(__name__)

FILES_AT_ONCE = 4  # reading from an object store is mostly waiting


def load_rows(
    uri: str,
    columns: Columns,
    now: datetime | None = None,
    notes: Notes | None = None,
    problems: Problems | None = None,
) -> Rows:
    """The needed columns of all rows of the URI, oldest first, or in the order of file names and rows.

    The URI names a file, a glob, or a folder with all csv, JSON lines and parquet files below it, whose `column=value`
    folders are columns too. Rows of the future are left out. Raises a FailedTask if the store cannot be reached, or a
    RejectedTask: NoFilesMatched, TableOfVersions, UnreadableFile, MissingColumn, DuplicateColumn, NestedColumn,
    FutureTimes, or DataTooLarge before any row is loaded. Given `problems`, those of single files, of columns and of
    times are added there, and the rows are all others, without the columns that no file has.
    """
    filesystem, path = open_filesystem(uri)
    listing = list_files(filesystem, path, uri)
    notes = Notes() if notes is None else notes
    notes.passed_over = listing.passed_over
    files = DataFiles(filesystem, listing.files, columns, notes)
    collected = Problems() if problems is None else problems
    parts = _rows_of_files(files, uri, collected)
    if problems is None or not parts:
        collected.raise_all()
    rows = sort_by_time(concatenate([part for part in parts if len(part)] or parts[:1]))
    with collected.collecting():
        rows = _without_future(rows, now, notes, uri)
    if problems is None:
        collected.raise_all()
    notes.rows_without_time += 0 if rows.time is None else int(rows.time.isna().sum())
    for name, unusable in rows.unusable.items():
        notes.add_unusable(name, unusable.count)
    size = f"{len(rows)} rows x {len(rows.columns.names)} columns"
    log.info("read %s of %s files from %s", size, len(listing.files), display_uri(uri))
    for sentence in notes.sentences():
        log.info("%s", sentence)
    return rows


def _rows_of_files(files: DataFiles, uri: str, problems: Problems) -> list[Rows]:
    """The rows of each file that can be read; one problem for each reason that another cannot, with its first file."""
    with ThreadPoolExecutor(FILES_AT_ONCE) as pool:
        sizes = pool.map(lambda file: _size(files, file), files.names)
        memory.check_memory(sum(sizes), memory.memory_limit(), display_uri(uri))
        parts = list(pool.map(lambda file: _rows_or_refusal(files, file), files.names))
    refusals: dict[str, list[RejectedTask]] = {}
    for part in parts:
        if isinstance(part, RejectedTask):
            refusals.setdefault(part.reason, []).append(part)
    for reason, (first, *others) in refusals.items():
        problems.add(reason, first.message + (f" (and {len(others)} more files)" if others else ""))
    present = files.present_columns() if "MissingColumn" in refusals else None
    if present is not None:
        return _rows_of_files(DataFiles(files.filesystem, files.names, present), uri, Problems())
    return [part for part in parts if isinstance(part, Rows)]


def _size(files: DataFiles, file: str) -> int:
    try:
        return estimated_size(files.filesystem, file, files.columns)
    except RejectedTask:
        return 0  # reading the file says why


def _rows_or_refusal(files: DataFiles, file: str) -> Rows | RejectedTask:
    try:
        return _rows_of_file(files, file)
    except RejectedTask as refusal:
        return refusal


def _rows_of_file(files: DataFiles, file: str) -> Rows:
    """The rows of one file; a RejectedTask that names the file."""
    columns = files.columns
    empty = pa.table({name: [] for name in columns.names})
    # No variable keeps the Arrow table, so that its memory is free once it is converted.
    frame = to_frame(next(files.tables(file, whole=True), empty), columns)
    with naming_file(file):
        rows = convert_rows(frame, columns)
    rows.locate(lambda row: place_of_row(file, row))
    return rows


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
