"""Which rows of a stream are recent: as `window.newest` has it, without ever holding them all."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from perennial_trainer.contract.task import RecentData
from perennial_trainer.data.schema import Columns
from perennial_trainer.drift import stream
from perennial_trainer.drift.batch import Batch

if TYPE_CHECKING:
    import pandas as pd

Times = NDArray[np.int64]  # microseconds since 1970; a missing time is the least of all


def recent_batches(source: RecentData, columns: Columns) -> Iterator[Batch]:
    """The rows of the window in the order of files, few at a time and none empty.

    For a window the times (or, without them, any one column) are read first, so that memory does not grow with
    the number of rows; for N rows it grows by 8 bytes x N. Raises what `data.read` does, and
    WindowNeedsTimeColumn.
    """
    parts = stream.read_batches(source.uri, columns, optional_target=True)
    if source.window in ("auto", "all"):
        yield from parts
        return
    cut = _cut(source, columns)
    for part in parts:
        inside = part.take(cut.within(_times(part.time, len(part))))
        if len(inside):
            yield inside


@dataclass
class _Cut:
    """What is newer than `after` is recent, and of what is equal to it all but the first `skipped`."""

    after: int
    skipped: int
    undated: bool  # whether rows without a time are taken

    def within(self, times: Times) -> NDArray[np.bool_]:
        at = times == self.after
        inside: NDArray[np.bool_] = (times > self.after) | (at & (np.cumsum(at) > self.skipped))
        self.skipped = max(0, self.skipped - int(at.sum()))
        inside |= (times == _MISSING) & self.undated
        return inside


_MISSING = np.iinfo(np.int64).min  # as NumPy writes NaT


def _cut(source: RecentData, columns: Columns) -> _Cut:
    import pandas as pd

    from perennial_trainer.data import conversion
    from perennial_trainer.data.window import require_time_column, window_duration

    require_time_column(source.window, source.time_column)
    name = source.time_column or columns.features.names[0]
    values = stream.read_column(source.uri, name)
    times = (_times(conversion.to_times(name, part) if source.time_column else None, len(part)) for part in values)
    if isinstance(source.window, int):
        return _last(times, source.window)
    newest = max((int(part.max()) for part in times), default=_MISSING)
    span = window_duration(source.window) // pd.Timedelta(1, "us")
    return _Cut(max(newest - span, _MISSING + 1) if newest > _MISSING else _MISSING, np.iinfo(np.int64).max, True)


def _last(parts: Iterable[Times], wanted: int) -> _Cut:
    """The cut before the last so many: of equal times, the later ones."""
    kept, passed, equal = np.empty(0, dtype=np.int64), _MISSING, 0  # the newest time let go, and how often it was
    for part in parts:
        kept = np.concatenate([kept, part])
        if len(kept) > wanted:
            kept = np.partition(kept, len(kept) - wanted)
            gone, kept = kept[:-wanted], kept[-wanted:]
            most = int(gone.max())
            equal = int((gone == most).sum()) + (equal if most == passed else 0) if most >= passed else equal
            passed = max(passed, most)
    if not len(kept):
        return _Cut(_MISSING, 0, False)
    after = int(kept.min())
    return _Cut(after, equal if passed == after else 0, False)


def _times(times: "pd.Series[Any] | None", rows: int) -> Times:
    """Where there are no times, all rows have the same."""
    if times is None:
        return np.zeros(rows, dtype=np.int64)
    found: Times = times.dt.tz_localize(None).to_numpy(dtype="datetime64[us]").view(np.int64)
    return found
