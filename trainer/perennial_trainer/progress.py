"""How far a step is, and how long it will still take: a line now and then in a pod's log, one bar on a terminal."""

import logging
import sys
import time
from collections.abc import Callable
from typing import TextIO

log = logging.getLogger(__name__)

EVERY = 10.0  # seconds between two lines of a log
REDRAWN = 0.1  # seconds between two states of a bar
WIDTH = 24  # characters
CLEARED = "\r\x1b[K"


class Progress:
    """Told by `advance`, at most every 10 seconds; a step that is over sooner says nothing. Use it with `with`.

    `total` is in the same unit as the parts that are done; None where it cannot be known before, as of rows in a
    stream.
    """

    def __init__(
        self,
        what: str,
        total: float | None = None,
        out: TextIO | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._what, self._total, self._clock = what, total, clock
        self._out = sys.stdout if out is None else out
        self._terminal = self._out.isatty()
        self._done = 0.0
        self._start = self._told = clock()

    def __enter__(self) -> "Progress":
        return self

    def __exit__(self, *_: object) -> None:
        if self._terminal:
            self._out.write(CLEARED)
            self._out.flush()

    def advance(self, part: float = 1, detail: str = "") -> None:
        """So much more is done; `detail` says what, as `candidate 3 of 12` does."""
        self._done += part
        now = self._clock()
        if now - self._told < (REDRAWN if self._terminal else EVERY):
            return
        self._told = now
        text = f"{self._what}: " + progress_text(self._done, self._total, now - self._start, detail)
        if self._terminal:
            self._out.write(CLEARED + progress_bar(self._done, self._total) + text)
            self._out.flush()
        else:
            log.info("%s", text)


def progress_text(done: float, total: float | None, elapsed: float, detail: str = "") -> str:
    """`candidate 3 of 12, 25 %, 1m20s so far, about 4m00s left`: as if each part took as long as those before it."""
    parts = [detail or f"{done:,.0f}" + (f" of {total:,.0f}" if total else "")]
    if total:
        parts.append(f"{min(done / total, 1.0):.0%}")
    parts.append(f"{format_duration(elapsed)} so far")
    if total and 0 < done <= total:
        parts.append(f"about {format_duration(elapsed * (total - done) / done)} left")
    return ", ".join(parts)


def progress_bar(done: float, total: float | None) -> str:
    """A bar of 24 characters and two spaces; nothing where the total is not known."""
    if not total:
        return ""
    full = int(WIDTH * min(done / total, 1.0))
    return "█" * full + "░" * (WIDTH - full) + "  "


def format_duration(seconds: float) -> str:
    """`9s`, `1m20s`, `2h05m`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole}s"
    return f"{whole // 60}m{whole % 60:02}s" if whole < 3600 else f"{whole // 3600}h{whole % 3600 // 60:02}m"
