"""How far back the training looks."""

import logging
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from perennial_trainer.contract.errors import RejectedTask
from perennial_trainer.data.holdout import split_holdout
from perennial_trainer.data.rows import Rows

log = logging.getLogger(__name__)

SPANS = {"the whole history": 1.0, "the newest half": 0.5, "the newest quarter": 0.25}
_UNITS = {"s": "s", "m": "min", "h": "h", "d": "D"}

Losses = Callable[[Rows, Rows], NDArray[np.float64]]  # fit on the first, the loss of each row of the second


@dataclass(frozen=True)
class Span:
    """The rows since `start`, or all of them, and why: the mean loss of each span that was tried."""

    name: str
    start: pd.Timestamp | None
    tried: dict[str, float] = field(default_factory=dict)

    def of(self, rows: Rows) -> Rows:
        if self.start is None or rows.time is None:
            return rows
        return rows.take(np.asarray(rows.time >= self.start, dtype=bool))


def rows_in_window(rows: Rows, window: str | int) -> Rows:
    """The rows of a fixed window: so many of them, or those not older than a duration before the newest.

    `auto` and `all` leave them as they are. Raises a RejectedTask, WindowNeedsTimeColumn.
    """
    if isinstance(window, int):
        return rows.take(slice(max(0, len(rows) - window), None))
    if window in ("auto", "all"):
        return rows
    require_time_column(window, rows.columns.time)
    assert rows.time is not None
    since = rows.time.max() - window_duration(window)
    return rows.take(np.asarray((rows.time > since) | rows.time.isna(), dtype=bool))


def require_time_column(window: str | int, time_column: str | None) -> None:
    """A duration has times to count back from; else a RejectedTask, WindowNeedsTimeColumn."""
    if isinstance(window, str) and window not in ("auto", "all") and time_column is None:
        raise RejectedTask(
            "WindowNeedsTimeColumn",
            f"data.window {window} counts back from the newest row, but there is no data.timeColumn: name one, "
            "or give a number of rows",
        )


def window_duration(window: str) -> pd.Timedelta:
    """How long a duration such as 90d is."""
    return pd.Timedelta(int(window[:-1]), unit=_UNITS[window[-1]])  # type: ignore[arg-type]


def best_span(rows: Rows, share: float, least: float, losses: Losses) -> Span:
    """The span of the training rows that predicts the newest of them best.

    Each span is fitted without the newest `share` of the rows and scored on those. The whole history is kept
    unless another span is better by more than one standard error of the paired difference (the rule of Breiman et al.,
    Classification and Regression Trees, 1984, 3.4.3). Spans of fewer than `least` rows are not tried.
    """
    whole = next(iter(SPANS))
    sizes = {name: round(len(rows) * part) for name, part in SPANS.items() if len(rows) * part >= least}
    if rows.time is None or len(sizes) < 2:
        return Span(whole, None)
    newest_rows = split_holdout(rows, share).holds(rows)
    early, late = rows.take(~newest_rows), rows.take(newest_rows)
    found: dict[str, NDArray[np.float64]] = {}
    for name in sizes:
        try:
            found[name] = losses(early.take(slice(len(early) - round(len(early) * SPANS[name]), None)), late)
        except RejectedTask as refusal:  # a short span may lack a class; the whole history then still has its say
            log.info("window: %s cannot be fitted: %s", name, refusal.message)
    tried = {name: float(each.mean()) for name, each in found.items()}
    best = _better_than_whole(found, whole)
    log.info("window: %s of %s", best, ", ".join(f"{name} (loss {loss:.6g})" for name, loss in tried.items()))
    if best == whole:
        return Span(whole, None, tried)
    return Span(best, rows.time.iloc[len(rows) - sizes[best]], tried)


def _better_than_whole(found: dict[str, NDArray[np.float64]], whole: str) -> str:
    best, most = whole, 0.0
    for name, losses in found.items() if whole in found else ():
        gain = found[whole] - losses
        if gain.mean() > max(most, float(gain.std(ddof=1)) / np.sqrt(len(gain))):
            best, most = name, float(gain.mean())
    return best


def time_range(rows: Rows) -> dict[str, str]:
    """The times of the oldest and the newest row, ISO 8601, or nothing where there are no times."""
    if rows.time is None or not len(rows) or rows.time.isna().all():
        return {}
    return {"start": iso_time(rows.time.min()), "end": iso_time(rows.time.max())}


def iso_time(time: pd.Timestamp) -> str:
    """`2026-11-22T13:00:00Z`; the time is in UTC."""
    return time.tz_localize(None).isoformat() + "Z"
