"""The queue of keys to reconcile: one pass per key at a time, bursts coalesced, failures backed off."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from perennial_operator.cluster.cache_entry import Key


@dataclass(frozen=True, slots=True)
class Pause:
    """The pause before a retry, in seconds: it doubles with each failure, up to the longest."""

    first: float
    longest: float

    def after(self, failures: int) -> float:
        return float(min(self.first * 2 ** min(failures - 1, 30), self.longest))


SOON = Pause(0.1, 5.0)
"""After a conflict: the pass read an old state, and the event with the new one is on its way."""
LATER = Pause(0.5, 120.0)
"""After any other failure: something has to change first."""


class WorkQueue:
    """The clock is that of the event loop."""

    def __init__(self) -> None:
        self._ready: asyncio.Queue[Key] = asyncio.Queue()
        self._waiting: set[Key] = set()
        self._running: set[Key] = set()
        self._again: set[Key] = set()
        self._alarms: dict[Key, asyncio.TimerHandle] = {}
        self._failures: dict[Key, int] = {}
        self._closed, self._idle = False, asyncio.Event()

    def wake(self, key: Key) -> None:
        """The key is queued; if its pass is running, it is queued once more after that."""
        if key in self._running:
            self._again.add(key)
        elif key not in self._waiting and not self._closed:
            self._waiting.add(key)
            self._ready.put_nowait(key)

    def wake_in(self, key: Key, seconds: float) -> None:
        """The key is queued after so many seconds, unless an earlier time is set already."""
        if self._closed:
            return
        loop = asyncio.get_running_loop()
        due, alarm = loop.time() + max(0.0, seconds), self._alarms.get(key)
        if alarm is None or alarm.when() > due:
            self._cancel_alarm(key)
            self._alarms[key] = loop.call_at(due, self._ring, key)

    async def take(self) -> Key:
        """The next key, which is not returned again before `done`. Its alarm is cancelled; the pass sets a new one."""
        key = await self._ready.get()
        self._waiting.discard(key)
        self._running.add(key)
        self._cancel_alarm(key)
        return key

    def done(self, key: Key, failed: Pause | None = None) -> None:
        """The pass has ended. A failed one is repeated after the pause, or at once if the key was woken meanwhile."""
        self._running.discard(key)
        if failed:
            count = self._failures[key] = self._failures.get(key, 0) + 1
            self.wake_in(key, failed.after(count))
        else:
            self._failures.pop(key, None)
        if key in self._again:
            self._again.discard(key)
            self.wake(key)

        if not self._running:
            self._idle.set()

    async def close(self) -> None:
        """The passes that ran have ended, and no key is returned any more."""
        self._closed = True
        while not self._ready.empty():
            self._ready.get_nowait()
        for key in list(self._alarms):
            self._cancel_alarm(key)
        self._idle.clear()
        if self._running:
            await self._idle.wait()

    def _ring(self, key: Key) -> None:
        del self._alarms[key]
        self.wake(key)

    def _cancel_alarm(self, key: Key) -> None:
        if alarm := self._alarms.pop(key, None):
            alarm.cancel()

    def __len__(self) -> int:
        return self._ready.qsize()
