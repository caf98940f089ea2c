"""An event loop with a simulated clock: timers expire without real waiting."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class _Selector(selectors.DefaultSelector):
    skipped = 0.0

    def select(self, timeout: float | None = None) -> Any:
        """What is ready now; if nothing is, the clock advances by the timeout."""
        ready = super().select(0)
        if not ready:
            if timeout is None:
                raise RuntimeError("everything waits and no timer runs: it would wait forever")
            self.skipped += timeout
        return ready


class _Loop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._selector_with_time = _Selector()
        super().__init__(self._selector_with_time)

    def time(self) -> float:
        return self._selector_with_time.skipped


def run(story: Coroutine[Any, Any, T]) -> T:
    """The coroutine's result, without waiting; the clock starts at 0 and advances only while all tasks wait."""
    with asyncio.Runner(loop_factory=_Loop) as runner:
        return runner.run(story)
