"""Captured rows in memory: bounded in bytes, ready to be written when there are enough of them, or after a while."""

import threading
import time
from collections import deque
from collections.abc import Callable

from perennial_trainer.serve.capture.columns import Rows

AGE_SECONDS = 60.0
MICROSECONDS_OF_AN_HOUR = 3_600_000_000


class Buffer:
    """Rows of one hour: those of one file."""

    def __init__(self, rows: Rows, sequence: int, now: float) -> None:
        self.at, self.sequence, self.since = rows.at, sequence, now
        self.rows = self.size = 0
        self.contents = [bytearray() for _ in rows.values]
        self.lengths = [bytearray() for _ in rows.values]

    def takes(self, rows: Rows) -> bool:
        return rows.at // MICROSECONDS_OF_AN_HOUR == self.at // MICROSECONDS_OF_AN_HOUR

    def add(self, rows: Rows) -> None:
        for content, lengths, values in zip(self.contents, self.lengths, rows.values, strict=True):
            content += values.content
            lengths += values.lengths
        self.rows += rows.number
        self.size += rows.size


class Buffers:
    """The buffer that takes rows, and those that are to be written. All together have at most `bound` bytes."""

    def __init__(self, bound: int, age: float = AGE_SECONDS, clock: Callable[[], float] = time.monotonic) -> None:
        self._bound, self._full, self._age, self._clock = bound, bound // 4, age, clock
        self._changed = threading.Condition()
        self._current: Buffer | None = None
        self._ready: deque[Buffer] = deque()
        self._sequence = self._size = self._rows = 0
        self._closed = False

    @property
    def rows(self) -> int:
        """In memory."""
        return self._rows

    def add(self, rows: Rows) -> bool:
        """Whether there was room. Never waits for a write."""
        with self._changed:
            if self._closed or self._size + rows.size > self._bound:
                return False
            if self._current and not self._current.takes(rows):
                self._cut()
            if self._current is None:
                self._sequence += 1
                self._current = Buffer(rows, self._sequence, self._clock())
                self._changed.notify()  # from now on it gets older
            self._current.add(rows)
            self._size += rows.size
            self._rows += rows.number
            if self._current.size >= self._full:
                self._cut()
        return True

    def flush(self) -> None:
        """What is in memory is to be written now."""
        with self._changed:
            self._cut()

    def close(self) -> None:
        """No more rows are taken; `next` gives what there is, and then None."""
        with self._changed:
            self._closed = True
            self._cut()

    def next(self) -> Buffer | None:
        """The oldest buffer that is to be written, once there is one; it stays in memory until `remove`."""
        with self._changed:
            while not self._ready:
                if self._closed:
                    return None
                left = self._current.since + self._age - self._clock() if self._current else None
                if left is not None and left <= 0:
                    self._cut()
                else:
                    self._changed.wait(left)
            return self._ready[0]

    def remove(self, buffer: Buffer) -> None:
        with self._changed:
            self._ready.remove(buffer)
            self._size -= buffer.size
            self._rows -= buffer.rows

    def _cut(self) -> None:
        if self._current:
            self._ready.append(self._current)
            self._current = None
        self._changed.notify()
