"""Selects the recent rows of a stream, as `data.window.rows_in_window` does, without loading all rows."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from perennial_trainer.contract.data import RecentData
from perennial_trainer.data.files.parts import Past
from perennial_trainer.data.future import in_future, iso_of_newest
from perennial_trainer.data.notes import Notes
from perennial_trainer.data.schema import Columns
from perennial_trainer.data.tables.source import Source, of_window, open_source
from perennial_trainer.drift.recent_rows.batch import Batch
from perennial_trainer.drift.recent_rows.stream import batches_of, read_column
from perennial_trainer.drift.recent_rows.unreadable import UnreadableShare

if TYPE_CHECKING:
    import pandas as pd

Times = NDArray[np.int64]  # microseconds since 1970

NO_LIMIT = np.iinfo(np.int64).max
MISSING = np.iinfo(np.int64).min  # NumPy's NaT: less than every time


def recent_batches(
    source: RecentData,
    columns: Columns,
    now: datetime | None = None,
    notes: Notes | None = None,
    before: "pd.Timestamp | None" = None,
) -> Iterator[Batch]:
    """The rows of the window in the order of files, in batches of at least one row.

    Where there is a time column, rows without a time and rows of the future are left out, as in a training; and, given
    `before`, rows of that time and later are not in the window either.

    For a window the times are read first (or any one column, if there is no time column), so that memory does not grow
    with the number of rows; for the last N rows it grows by 8 bytes x N. Raises what `load_rows` raises, and
    WindowNeedsTimeColumn.
    """
    notes = Notes() if notes is None else notes
    opened = open_source(source, columns, notes, optional_target=True, now=now)
    try:
        yield from _recent(opened, source, now, notes, before)
    finally:
        opened.close()


def _recent(
    opened: Source, source: RecentData, now: datetime | None, notes: Notes, before: "pd.Timestamp | None"
) -> Iterator[Batch]:
    if source.window in ("auto", "all"):
        yield from _past_batches(batches_of(opened), opened.columns.time, now, notes)
        return
    selected = of_window(opened, source.window, Past(now, before)).source
    limit = NO_LIMIT if before is None else before.tz_localize(None).as_unit("us").asm8.astype(np.int64).item()
    cutoff = _find_cutoff(source, selected, now, limit)
    for batch in _past_batches(batches_of(selected), opened.columns.time, now, notes):
        times = _microseconds(batch.time, len(batch))
        recent = batch.take(cutoff.is_recent(times) & (times < limit))
        if len(recent):
            yield recent


def _past_batches(batches: Iterator[Batch], time: str | None, now: datetime | None, notes: Notes) -> Iterator[Batch]:
    """The rows with a time that is not of the future. Raises a RejectedTask, UnreadableTime, at the end."""
    times = UnreadableShare()
    for batch in batches:
        if batch.time is not None:
            times.add(batch.unreadable_time, int(batch.time.notna().sum()))
        kept = _with_past_time(batch, now, notes)
        if kept is not None:
            yield kept
    times.require_few(time or "", notes)


def _with_past_time(batch: Batch, now: datetime | None, notes: Notes) -> Batch | None:
    """The batch without rows of the future and rows without a time, which are noted; None if no row is left."""
    if batch.time is None:
        return batch
    future, missing = in_future(batch.time, now), batch.time.isna().to_numpy()
    notes.rows_without_time += int(missing.sum())
    if future.any():
        notes.add_future(int(future.sum()), iso_of_newest(batch.time))
    left_out = future | missing
    if not left_out.any():
        return batch
    return None if left_out.all() else batch.take(~left_out)


@dataclass
class Cutoff:
    """Rows after `time` are recent, and rows at `time` except the first `skip`."""

    time: int
    skip: int

    def is_recent(self, times: Times) -> NDArray[np.bool_]:
        """Which rows of the next batch are recent; the batches come in the order of the stream."""
        at_cutoff = times == self.time
        recent: NDArray[np.bool_] = (times > self.time) | (at_cutoff & (np.cumsum(at_cutoff) > self.skip))
        self.skip = max(0, self.skip - int(at_cutoff.sum()))
        return recent


def _find_cutoff(source: RecentData, files: Source, now: datetime | None, limit: int) -> Cutoff:
    import pandas as pd

    from perennial_trainer.data.window import require_time_column, window_start

    require_time_column(source.window, source.time_column)
    times = (each[each < limit] for each in _times(source, files, now))
    if isinstance(source.window, int):
        return cutoff_of_last(times, source.window)
    skip_all = np.iinfo(np.int64).max
    newest = max((int(each.max()) for each in times if len(each)), default=MISSING)
    if newest == MISSING:
        return Cutoff(MISSING, skip_all)
    start = window_start(pd.Timestamp(newest, unit="us", tz="UTC"), source.window, now)
    return Cutoff(start.tz_localize(None).as_unit("us").asm8.astype(np.int64).item(), skip_all)


def _times(source: RecentData, files: Source, now: datetime | None) -> Iterator[Times]:
    """The times of all rows that have one which is not of the future, batch by batch."""
    from perennial_trainer.data.values.times import readable_times

    name = source.time_column or files.columns.features.inputs[0]
    for values in read_column(files, name):
        if source.time_column is None:
            yield _microseconds(None, len(values))
            continue
        times, _ = readable_times(name, values, source.time_format)
        yield _microseconds(times[times.notna() & ~in_future(times, now)], len(values))


def cutoff_of_last(batches: Iterable[Times], wanted: int) -> Cutoff:
    """The cutoff for the newest `wanted` rows; of rows with the same time, the later ones in the stream are newer."""
    kept = np.empty(0, dtype=np.int64)
    newest_dropped, dropped_at_newest = MISSING, 0
    for times in batches:
        kept = np.concatenate([kept, times])
        if len(kept) <= wanted:
            continue
        kept = np.partition(kept, len(kept) - wanted)
        dropped, kept = kept[:-wanted], kept[-wanted:]
        newest = int(dropped.max())
        count = int((dropped == newest).sum())
        if newest > newest_dropped:
            newest_dropped, dropped_at_newest = newest, count
        elif newest == newest_dropped:
            dropped_at_newest += count
    if not len(kept):
        return Cutoff(MISSING, 0)
    oldest_kept = int(kept.min())
    skip = dropped_at_newest if newest_dropped == oldest_kept else 0
    return Cutoff(oldest_kept, skip)


def _microseconds(times: "pd.Series[Any] | None", rows: int) -> Times:
    """The times as integers; without times all rows have the same."""
    if times is None:
        return np.zeros(rows, dtype=np.int64)
    microseconds: Times = times.dt.tz_localize(None).to_numpy(dtype="datetime64[us]").view(np.int64)
    return microseconds
