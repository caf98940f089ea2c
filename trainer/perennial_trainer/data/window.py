"""Which rows of the history a training uses."""

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from perennial_trainer.contract.errors import RejectedTask
from perennial_trainer.data.holdout import split_holdout
from perennial_trainer.data.rows import Rows

log = logging.getLogger(__name__)

WHOLE = "the whole history"
SPANS = {
    WHOLE: 1.0,
    "the newest half": 1 / 2,
    "the newest quarter": 1 / 4,
    "the newest eighth": 1 / 8,
    "the newest sixteenth": 1 / 16,
    "the newest thirty-second part": 1 / 32,
}
FEWEST_TIMES = 2
"""A short span has at least so many times the rows that it is scored on; of shorter ones, chance chooses."""
STANDARD_ERRORS = 2
_UNITS = {"s": "s", "m": "min", "h": "h", "d": "D"}

Losses = Callable[[Rows, Rows], NDArray[np.float64]]  # fits on the first rows; the loss of each of the second


@dataclass(frozen=True)
class Span:
    """The rows since `start`, or all rows, and the mean loss of each span that was tried."""

    name: str
    start: pd.Timestamp | None
    tried: dict[str, float] = field(default_factory=dict)

    def select(self, rows: Rows) -> Rows:
        """The rows in the span."""
        if self.start is None or rows.time is None:
            return rows
        return rows.take(np.asarray(rows.time >= self.start, dtype=bool))


def rows_in_window(
    rows: Rows, window: str | int, now: datetime | None = None, since: pd.Timestamp | None = None
) -> Rows:
    """The rows of a fixed window: the last ones by number, or those within a duration before the newest row.

    `auto` and `all` return all rows, or those after `since`. Raises a RejectedTask, WindowNeedsTimeColumn.
    """
    if isinstance(window, int):
        return rows.take(slice(max(0, len(rows) - window), None))
    if window not in ("auto", "all"):
        require_time_column(window, rows.columns.time)
        assert rows.time is not None
        since = window_start(rows.time.max(), window, now)
    if since is None or rows.time is None:
        return rows
    return rows.take(np.asarray((rows.time > since) | rows.time.isna(), dtype=bool))


def require_time_column(window: str | int, time_column: str | None) -> None:
    """There is a time column if the window is a duration; else a RejectedTask, WindowNeedsTimeColumn."""
    if isinstance(window, str) and window not in ("auto", "all") and time_column is None:
        raise RejectedTask(
            "WindowNeedsTimeColumn",
            f"data.window {window} counts back from the newest row, but there is no data.timeColumn: set "
            "data.timeColumn, or set data.window to a number of rows",
        )


def window_start(newest: pd.Timestamp, window: str, now: datetime | None) -> pd.Timestamp:
    """The window's duration before the newest row, or before `now` if that is earlier: one late row moves no window."""
    end = newest if now is None else min(newest, pd.Timestamp(now))
    return end - window_duration(window)


def window_duration(window: str) -> pd.Timedelta:
    """The length of a duration such as 90d."""
    return pd.Timedelta(int(window[:-1]), unit=_UNITS[window[-1]])  # type: ignore[arg-type]


def best_span(rows: Rows, share: float, least: float, losses: Losses) -> Span:
    """The span of the training rows whose model predicts the newest rows best.

    Each span is fitted without the newest `share` of the rows and scored on those. The whole history is kept unless
    another span is better by more than two standard errors of the paired difference (after the rule of Breiman et al.,
    Classification and Regression Trees, 1984, 3.4.3; two, since several spans are tried). Spans of fewer than `least`
    rows are not tried, nor those below a quarter that have few rows beside the ones they are scored on.
    """
    sizes = {name: round(len(rows) * part) for name, part in SPANS.items() if len(rows) * part >= least}
    if rows.time is None or len(sizes) < 2:
        return Span(WHOLE, None)
    is_newest = split_holdout(rows, share).mask(rows)
    enough = min(FEWEST_TIMES * int(is_newest.sum()), len(rows) // 4)
    sizes = {name: size for name, size in sizes.items() if size >= enough}
    earlier, newest = rows.take(~is_newest), rows.take(is_newest)
    losses_by_span: dict[str, NDArray[np.float64]] = {}
    for name in sizes:
        start = len(earlier) - round(len(earlier) * SPANS[name])
        try:
            losses_by_span[name] = losses(earlier.take(slice(start, None)), newest)
        except RejectedTask as refusal:  # a short span may lack a class; the whole history is tried in any case
            log.info("window: %s cannot be fitted: %s", name, refusal.message)
    means = {name: float(each.mean()) for name, each in losses_by_span.items()}
    best = _best_name(losses_by_span)
    log.info("window: %s of %s", best, ", ".join(f"{name} (loss {loss:.6g})" for name, loss in means.items()))
    if best == WHOLE:
        return Span(WHOLE, None, means)
    return Span(best, rows.time.iloc[len(rows) - sizes[best]], means)


def _best_name(losses: dict[str, NDArray[np.float64]]) -> str:
    """The span with the greatest gain over the whole history, if that exceeds its standard error."""
    best, best_gain = WHOLE, 0.0
    if WHOLE not in losses:
        return best
    for name in losses:
        gains = losses[WHOLE] - losses[name]
        mean, standard_error = float(gains.mean()), float(gains.std(ddof=1)) / np.sqrt(len(gains))
        if mean > max(best_gain, STANDARD_ERRORS * standard_error):
            best, best_gain = name, mean
    return best


def time_range(rows: Rows) -> dict[str, str]:
    """The times of the oldest and the newest row in ISO 8601; empty if there are no times."""
    if rows.time is None or not len(rows) or rows.time.isna().all():
        return {}
    return {"start": iso_time(rows.time.min()), "end": iso_time(rows.time.max())}


def iso_time(time: pd.Timestamp) -> str:
    """`2026-11-22T13:00:00Z`; the time is in UTC."""
    return time.tz_localize(None).isoformat() + "Z"
