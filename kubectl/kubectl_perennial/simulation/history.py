"""The history that is played: its rows in the order of time, cut into batches.

Virtual time is that of the rows. Without a time column the order is that of the files, and each batch lasts a day.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from kubectl_perennial.errors import CommandError
from perennial_trainer.contract.data import CsvFormat
from perennial_trainer.contract.errors import TaskError
from perennial_trainer.contract.features.columns import Features
from perennial_trainer.data.conversion import to_frame
from perennial_trainer.data.files.readers import DataFiles
from perennial_trainer.data.notes import Notes
from perennial_trainer.data.rows import Rows, convert_rows
from perennial_trainer.data.schema import Columns
from perennial_trainer.data.values.times import readable_times
from perennial_trainer.storage.listing import list_files
from perennial_trainer.storage.store import open_filesystem

Times = NDArray[np.int64]
START = datetime(2026, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)
US = timedelta(microseconds=1)
FEWEST_BATCHES = 2


@dataclass(frozen=True)
class Batch:
    """Rows from `begin` to before `stop`, all known (but their labels, if these are late) at `end`."""

    begin: int
    stop: int
    end: datetime

    @property
    def rows(self) -> int:
        return self.stop - self.begin


@dataclass(frozen=True, eq=False)
class History:
    """Rows as read, sorted by time; `times` are microseconds since 1970, or None without a time column."""

    table: Any
    columns: Columns
    times: Times | None
    notes: tuple[str, ...] = ()
    seed: int | None = field(default=None)
    """Of the order of the rows, if they were shuffled."""

    def __len__(self) -> int:
        return int(self.table.num_rows)

    @cached_property
    def digest(self) -> str:
        """Of all values that are played."""
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, self.table.schema) as stream:
            stream.write_table(self.table)
        return hashlib.sha256(repr(self.columns).encode() + sink.getvalue()).hexdigest()

    @cached_property
    def rows(self) -> Rows:
        """The rows as the model gets them."""
        return convert_rows(to_frame(self.table, self.columns), self.columns)

    def shuffled(self, seed: int) -> History:
        """The same rows at the same times, in a random order: nothing drifts in it."""
        order = np.random.default_rng(seed).permutation(len(self))
        table, time = self.table.take(pa.array(order)), self.columns.time
        if time and time not in self.columns.features.inputs:
            table = table.set_column(table.column_names.index(time), time, self.table[time])
        return History(table.combine_chunks(), self.columns, self.times, self.notes, seed)


def columns_of(*specs: Mapping[str, Any]) -> Columns:
    """The columns that the specs of ModelDeployments name, as the trainer reads them.

    CommandError if they differ in more than features: then they are not played on the same rows.
    """
    columns = [_columns(spec) for spec in specs]
    first = columns[0]
    features = _union([each.features for each in columns])
    keep = tuple(dict.fromkeys(name for each in columns for name in each.keep))
    if any(replace(each, features=first.features, keep=first.keep) != first for each in columns):
        raise CommandError("the manifests differ in target, task, time, group or format: backtest each by itself")
    if both := set(features.numeric) & set(features.categorical):
        raise CommandError(f"{', '.join(sorted(both))} is numeric in one manifest and categorical in another")
    return replace(first, features=features, keep=keep)


def _union(each: Sequence[Features]) -> Features:
    """The features of all. CommandError if a name or a column has two meanings."""
    kinds = ("numeric", "categorical", "text", "derived")
    union = {kind: tuple(dict.fromkeys(name for of in each for name in getattr(of, kind))) for kind in kinds}
    try:
        return Features(**union)
    except ValueError as error:
        raise CommandError(f"the manifests cannot be played on the same rows: {error}") from error


def _columns(spec: Mapping[str, Any]) -> Columns:
    model, data = spec["model"], spec["data"]
    return Columns(
        msgspec.convert({"numeric": [], "categorical": [], **model["features"]}, Features),
        model["target"],
        model.get("task", "regression"),
        data.get("timeColumn"),
        model.get("positiveClass"),
        data.get("groupColumn"),
        tuple(data.get("keep") or ()),
        data.get("timeFormat"),
        msgspec.convert(data.get("csv") or {}, CsvFormat),
    )


def read_history(sources: Sequence[str], columns: Columns) -> History:
    """The rows of all files, globs or URIs, the oldest first. CommandError without rows or a column."""
    notes = Notes()
    try:
        parts = [part for source in sources for part in tables_of(as_uri(source), columns, notes)]
    except TaskError as error:
        raise CommandError(f"{error.reason}: {error.message}") from error
    if not sum(part.num_rows for part in parts):
        raise CommandError(f"{', '.join(sources)} has no row: give files with rows in --data")
    table = pa.concat_tables(parts, promote_options="permissive").combine_chunks()
    if columns.time is None:
        order = "there is no data.timeColumn: the rows are played in the order of the files, a batch a day"
        return History(table, columns, None, (*notes.sentences(), order))
    return _sorted(table, columns, notes)


def tables_of(uri: str, columns: Columns, notes: Notes) -> list[Any]:
    """The columns of each file at the URI, as they are read."""
    filesystem, path = open_filesystem(uri)
    names = list_files(filesystem, path, uri).files
    files = DataFiles(filesystem, names, columns, notes)
    return [table.select(columns.names) for name in names for table in files.tables(name, whole=True)]


def as_uri(where: str) -> str:
    """A path of this machine as a URI, with its wildcards; a URI as it is."""
    return where if "://" in where else f"file://{Path(where).expanduser().absolute()}"


def _sorted(table: Any, columns: Columns, notes: Notes) -> History:
    assert columns.time
    times, unreadable = readable_times(columns.time, table[columns.time].to_pandas(), columns.time_format)
    if unreadable is not None:
        raise CommandError(f"column {columns.time}: {unreadable.count} values are {unreadable.problem}")
    known = times.notna().to_numpy()
    notes.rows_without_time += int((~known).sum())
    if not known.any():
        raise CommandError(f"no row has a time in {columns.time}: correct data.timeColumn")
    micros = times.dt.tz_localize(None).to_numpy(dtype="datetime64[us]").astype(np.int64)
    order = np.flatnonzero(known)[np.argsort(micros[known], kind="stable")]
    rows = table if np.array_equal(order, np.arange(len(micros))) else table.take(pa.array(order))
    return History(rows.combine_chunks(), columns, micros[order], tuple(notes.sentences()))


@dataclass(frozen=True, eq=False)
class Timeline:
    """The batches of a history, and when each row happened and its label was known."""

    history: History
    batches: tuple[Batch, ...]
    times: Times
    """Microseconds since 1970 of each row; within a day of its batch if there is no time column."""
    labels_late: int | timedelta = 0

    def labelled(self, number: int) -> int:
        """How many rows, the oldest, have a known label at the end of the batch."""
        if isinstance(self.labels_late, int):
            late = number - self.labels_late
            return self.batches[late].stop if late >= 0 else 0
        until = microseconds(self.batches[number].end - self.labels_late)
        return min(int(np.searchsorted(self.times, until, side="right")), self.batches[number].stop)

    def of(self, history: History) -> Timeline:
        """The same batches of another history with as many rows at the same times."""
        return replace(self, history=history)


def cut(history: History, every: int | timedelta, labels_late: int | timedelta = 0, lasts: timedelta = DAY) -> Timeline:
    """The batches of so many rows or of such a span of time; a last one that is not half full is left out.

    Without a time column each batch `lasts` so long. CommandError if there are fewer than two batches.
    """
    if isinstance(every, int):
        batches, times = _by_rows(history, every, lasts)
    elif history.times is None:
        raise CommandError("--every is a span of time, and there is no data.timeColumn: give a number of rows")
    else:
        batches, times = _by_time(history.times, every), history.times
    if len(batches) < FEWEST_BATCHES:
        raise CommandError(
            f"{len(history)} rows make {len(batches)} batches, and a backtest needs at least {FEWEST_BATCHES}: "
            "give a smaller --every, or more rows"
        )
    return Timeline(history, batches, times, labels_late)


def _by_rows(history: History, every: int, lasts: timedelta) -> tuple[tuple[Batch, ...], Times]:
    count = len(history) // every
    times = history.times
    if times is None:
        step = lasts / every
        times = np.asarray([microseconds(START + (row + 0.5) * step) for row in range(len(history))], dtype=np.int64)
        ends = [START + (number + 1) * lasts for number in range(count)]
    else:
        ends = [_instant(int(times[(number + 1) * every - 1])) for number in range(count)]
    return tuple(Batch(n * every, (n + 1) * every, end) for n, end in enumerate(ends)), times


def _by_time(times: Times, every: timedelta) -> tuple[Batch, ...]:
    """Batches begin at midnight or, if they are shorter than a day, at a full hour."""
    first, last = _instant(int(times[0])), _instant(int(times[-1]))
    start = first.replace(minute=0, second=0, microsecond=0)
    edge = start.replace(hour=0) if every >= DAY else start
    batches: list[Batch] = []
    while edge + every / 2 <= last:
        begin = batches[-1].stop if batches else 0
        stop = int(np.searchsorted(times, microseconds(edge + every), side="left"))
        batches.append(Batch(begin, stop, edge + every))
        edge += every
    return tuple(batches)


def microseconds(at: datetime) -> int:
    """Since 1970."""
    return (at - datetime(1970, 1, 1, tzinfo=UTC)) // US


def _instant(micros: int) -> datetime:
    """The full second by which it was."""
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=-(-micros // 1_000_000))
