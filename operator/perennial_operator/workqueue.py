"""Which ModelDeployment is looked at next? One pass per object at a time, bursts coalesced, failures backed off."""

from __future__ import annotations

import asyncio
import heapq
from collections import deque
from dataclasses import dataclass

from perennial_operator.kept import Key


@dataclass(frozen=True, slots=True)
class Pause:
    """How long it lasts after a first failure, and after many: it doubles each time. Seconds."""

    first: float
    longest: float

    def after(self, failures: int) -> float:
        return float(min(self.first * 2 ** min(failures - 1, 30), self.longest))


SOON = Pause(0.1, 5.0)
"""After a conflict: what was read was old, and the event that tells what is new is on its way."""
LATER = Pause(0.5, 120.0)
"""After any other failure: somebody or something has to change first."""


class WorkQueue:
    """Keys to look at. The time is the event loop's."""

    def __init__(self) -> None:
        self._ready: deque[Key] = deque()
        self._waiting: set[Key] = set()
        self._running: set[Key] = set()
        self._again: set[Key] = set()
        self._alarms: list[tuple[float, Key]] = []
        self._due: dict[Key, float] = {}
        self._failures: dict[Key, int] = {}
        self._change = asyncio.Event()

    def wake(self, key: Key) -> None:
        """The key is looked at soon; once more after the pass that is running, if one is."""
        if key in self._running:
            self._again.add(key)
        elif key not in self._waiting:
            self._waiting.add(key)
            self._ready.append(key)
            self._change.set()

    def wake_in(self, key: Key, seconds: float) -> None:
        """The key is looked at in so many seconds, unless an earlier time is set already."""
        due = asyncio.get_running_loop().time() + max(0.0, seconds)
        if self._due.get(key, float("inf")) > due:
            self._due[key] = due
            heapq.heappush(self._alarms, (due, key))
            self._forget_old_alarms()
            self._change.set()

    async def take(self) -> Key:
        """The next key, which nobody else gets before `done`. Its pass sets the next alarm; the old one is off."""
        while True:
            self._ring()
            if self._ready:
                key = self._ready.popleft()
                self._waiting.discard(key)
                self._running.add(key)
                self._due.pop(key, None)
                return key
            self._change.clear()
            pause = self._alarms[0][0] - asyncio.get_running_loop().time() if self._alarms else None
            try:
                await asyncio.wait_for(self._change.wait(), pause)
            except TimeoutError:
                continue

    def done(self, key: Key, failed: Pause | None = None) -> None:
        """The pass is over. One that failed is repeated after the pause, or at once if there was news meanwhile."""
        self._running.discard(key)
        if failed:
            count = self._failures[key] = self._failures.get(key, 0) + 1
            self.wake_in(key, failed.after(count))
        else:
            self._failures.pop(key, None)
        if key in self._again:
            self._again.discard(key)
            self.wake(key)

    def _ring(self) -> None:
        now = asyncio.get_running_loop().time()
        while self._alarms and self._alarms[0][0] <= now:
            due, key = heapq.heappop(self._alarms)
            if self._due.get(key) == due:
                del self._due[key]
                self.wake(key)

    def _forget_old_alarms(self) -> None:
        """Alarms that were moved or turned off; a month ahead there would be one for every pass until then."""
        if len(self._alarms) > 2 * len(self._due) + 100:
            self._alarms = [(due, key) for key, due in self._due.items()]
            heapq.heapify(self._alarms)

    def __len__(self) -> int:
        return len(self._ready)
