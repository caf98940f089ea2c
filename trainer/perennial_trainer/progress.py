"""Shows the progress of a step and the time left: lines in a pod's log, or one progress bar on a terminal."""

import logging
import sys
import time
from collections.abc import Callable
from typing import TextIO

log = logging.getLogger(__name__)

LOG_INTERVAL = 10.0  # seconds between two lines in a log
REDRAW_INTERVAL = 0.1  # seconds between two updates of a bar
BAR_WIDTH = 24  # characters
CLEAR_LINE = "\r\x1b[K"


class Progress:
    """Reports progress at most every 10 seconds, so nothing for a shorter step. A context manager.

    `total` is in the unit of `advance`; None where it is not known in advance, as for the rows of a stream.
    """

    def __init__(
        self,
        step: str,
        total: float | None = None,
        out: TextIO | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._step, self._total, self._clock = step, total, clock
        self._out = sys.stdout if out is None else out
        self._terminal = self._out.isatty()
        self._done = 0.0
        self._start = self._last_report = clock()

    def __enter__(self) -> "Progress":
        return self

    def __exit__(self, *_: object) -> None:
        if self._terminal:
            self._out.write(CLEAR_LINE)
            self._out.flush()

    def advance(self, part: float = 1, detail: str = "") -> None:
        """Adds `part` to what is done; `detail` describes it, for example `candidate 3 of 12`."""
        self._done += part
        now = self._clock()
        if now - self._last_report < (REDRAW_INTERVAL if self._terminal else LOG_INTERVAL):
            return
        self._last_report = now
        text = f"{self._step}: " + progress_text(self._done, self._total, now - self._start, detail)
        if self._terminal:
            self._out.write(CLEAR_LINE + progress_bar(self._done, self._total) + text)
            self._out.flush()
        else:
            log.info("%s", text)


def progress_text(done: float, total: float | None, elapsed: float, detail: str = "") -> str:
    """`candidate 3 of 12, 25%, 1m20s so far, about 4m00s left`, if each part takes as long as those before it."""
    parts = [detail or f"{done:,.0f}" + (f" of {total:,.0f}" if total else "")]
    if total:
        parts.append(f"{min(done / total, 1.0):.0%}")
    parts.append(f"{format_duration(elapsed)} so far")
    if total and 0 < done <= total:
        parts.append(f"about {format_duration(elapsed * (total - done) / done)} left")
    return ", ".join(parts)


def progress_bar(done: float, total: float | None) -> str:
    """A bar of 24 characters and two spaces; empty if the total is not known."""
    if not total:
        return ""
    full = int(BAR_WIDTH * min(done / total, 1.0))
    return "█" * full + "░" * (BAR_WIDTH - full) + "  "


def format_duration(seconds: float) -> str:
    """`9s`, `1m20s`, `2h05m`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole}s"
    return f"{whole // 60}m{whole % 60:02}s" if whole < 3600 else f"{whole // 3600}h{whole % 3600 // 60:02}m"
