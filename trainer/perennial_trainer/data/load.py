"""Loads the rows of a source into memory."""

import logging
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime

import numpy as np
import pandas as pd
import pyarrow as pa

from perennial_trainer.contract.data import DataSource
from perennial_trainer.contract.errors import Problems, RejectedTask
from perennial_trainer.data import memory
from perennial_trainer.data.conversion import to_frame
from perennial_trainer.data.files import parts as file_parts
from perennial_trainer.data.files.parts import Past
from perennial_trainer.data.files.readers import naming_file, place_of_row
from perennial_trainer.data.future import in_future, iso_of_newest
from perennial_trainer.data.notes import Notes
from perennial_trainer.data.rows import Rows, concatenate, convert_rows, sort_by_time
from perennial_trainer.data.schema import Columns
from perennial_trainer.data.tables.source import Source, of_window, open_source, place_of
from perennial_trainer.data.window import iso_time, rows_in_window

log = logging.getLogger(__name__)


def load_rows(
    data: DataSource | str,
    columns: Columns,
    now: datetime | None = None,
    notes: Notes | None = None,
    problems: Problems | None = None,
    window: str | int = "all",
) -> Rows:
    """The needed columns of the rows of the window, oldest first, or in the order of file names and rows.

    Parts of parquet files whose statistics show that they have no row of the window are not read. Of an automatic
    window the newest rows are read that fit into memory.

    A URI names a file, a glob, or a folder with all csv, JSON lines and parquet files below it, whose `column=value`
    folders are columns too. Rows of the future are left out. Raises a FailedTask if the store cannot be reached, or a
    RejectedTask: NoFilesMatched, TableOfVersions, UnreadableFile, MissingColumn, DuplicateColumn, NestedColumn,
    FutureTimes, or DataTooLarge before any row is loaded. Given `problems`, those of single files, of columns and of
    times are added there, and the rows are all others, without the columns that no file has.
    """
    notes = Notes() if notes is None else notes
    source, place = open_source(data, columns, notes, now=now), place_of(data)
    collected = Problems() if problems is None else problems
    try:
        since, parts = _read(source, window, now, place, collected)
    finally:
        source.close()
    if problems is None or not parts:
        collected.raise_all()
    rows = _in_order(concatenate([part for part in parts if len(part)] or parts[:1]), data)
    with collected.collecting():
        rows = _without_future(rows, now, notes, place)
    if rows.time is not None or columns.time is None:  # else there is a problem already
        rows = rows_in_window(rows, window, now, since)
    if problems is None:
        collected.raise_all()
    _note(rows, notes)
    size = f"{len(rows)} rows x {len(rows.columns.names)} columns"
    log.info("read %s from %s", size, place)
    return rows


def _in_order(rows: Rows, data: DataSource | str) -> Rows:
    """The oldest first. The files of a table have names by chance, and its rows move to other files."""
    if isinstance(data, DataSource) and (data.delta or data.iceberg):
        rows = rows.take(np.argsort(rows.digests, kind="stable"))
    return sort_by_time(rows)


def _note(rows: Rows, notes: Notes) -> None:
    notes.rows_without_time += 0 if rows.time is None else int(rows.time.isna().sum())
    for name, unusable in rows.unusable.items():
        notes.add_unusable(name, unusable.count)
    for sentence in notes.sentences():
        log.info("%s", sentence)


def _read(
    source: Source, window: str | int, now: datetime | None, place: str, problems: Problems
) -> tuple[pd.Timestamp | None, list[Rows]]:
    """The time after which an automatic window starts, if it is cut off, and rows of which some are in the window."""
    limit = memory.memory_limit()
    selected = of_window(source, window, Past(now), None if limit is None else memory.most_rows_size(limit))
    if selected.since is not None:
        source.notes.not_read = iso_time(selected.since)
    if limit is not None:
        memory.check_memory(selected.size(), limit, place)
    return selected.since, _rows_of_files(selected.source, problems)


def _rows_of_files(files: Source, problems: Problems) -> list[Rows]:
    """The rows of each file that can be read; one problem for each reason that another cannot, with its first file."""
    with ThreadPoolExecutor(file_parts.FILES_AT_ONCE) as pool:
        parts = list(pool.map(lambda file: _rows_or_refusal(files, file), files.names))
    refusals: dict[str, list[RejectedTask]] = {}
    for part in parts:
        if isinstance(part, RejectedTask):
            refusals.setdefault(part.reason, []).append(part)
    for reason, (first, *others) in refusals.items():
        problems.add(reason, first.message + (f" (and {len(others)} more files)" if others else ""))
    present = files.present_columns() if "MissingColumn" in refusals else None
    if present is not None:
        return _rows_of_files(files.with_columns(present), Problems())
    return [part for part in parts if isinstance(part, Rows)]


def _rows_or_refusal(files: Source, file: str) -> Rows | RejectedTask:
    try:
        return _rows_of_file(files, file)
    except RejectedTask as refusal:
        return refusal


def _rows_of_file(files: Source, file: str) -> Rows:
    """The rows of one file; a RejectedTask that names the file."""
    columns = files.columns
    empty = pa.table({name: [] for name in columns.names})
    # No variable keeps the Arrow table, so that its memory is free once it is converted.
    frame = to_frame(next(files.tables(file, whole=True), empty), columns)
    with naming_file(file):
        rows = convert_rows(frame, columns)
    rows.locate(lambda row: place_of_row(file, files.row_in_file(file, row)))
    return rows


def _without_future(rows: Rows, now: datetime | None, notes: Notes, place: str) -> Rows:
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
            f"{place}: all {len(rows)} rows have a time later than a day after {now.isoformat()}, up to "
            f"{notes.newest_future}: fix what writes {rows.columns.time}, or say in data.timeFormat what it is",
        )
    return rows.take(~future)
