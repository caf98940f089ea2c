"""A progress bar on a terminal; nothing elsewhere."""

from __future__ import annotations

import re
import shutil
import time
from types import TracebackType
from typing import TextIO

from perennial_trainer.progress import CLEAR_LINE, REDRAW_INTERVAL, progress_bar, progress_text

_COUNT = re.compile(r"(\d+) of (\d+)")


class Bar:
    """One line, which shows the present part of the work and disappears at the end."""

    def __init__(self, out: TextIO) -> None:
        self._out, self._terminal = out, out.isatty()
        self._part, self._began, self._shown = "", time.monotonic(), 0.0

    def __enter__(self) -> Bar:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._terminal:
            self._out.write(CLEAR_LINE)
            self._out.flush()

    def step(self, title: str, number: int, total: int) -> None:
        """The step of this number is worked on; how long it takes is not known."""
        if self._terminal:
            self._out.write(f"{CLEAR_LINE}{progress_bar(number - 1, total)}step {number} of {total}: {title}")
            self._out.flush()

    def show(self, title: str, detail: str) -> None:
        """`detail` says how many of how many are done, such as `batch 12 of 72`."""
        now = time.monotonic()
        part = f"{title} {detail.split()[0]}"
        if part != self._part:
            self._part, self._began = part, now
        count = _COUNT.search(detail)
        if not self._terminal or count is None or now - self._shown < REDRAW_INTERVAL:
            return
        self._shown = now
        done, total = int(count[1]), int(count[2])
        text = f"{title}: {progress_text(done, total, now - self._began, detail)}"
        width = shutil.get_terminal_size().columns - 1  # a line that wraps cannot be cleared
        bar = progress_bar(done, total)
        self._out.write(f"{CLEAR_LINE}{bar if len(bar) + len(text) <= width else ''}{text[:width]}")
        self._out.flush()
