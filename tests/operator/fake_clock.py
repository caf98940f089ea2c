"""An event loop whose time leaps: what waits for a timer waits for no clock."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class _Selector(selectors.DefaultSelector):
    skipped = 0.0

    def select(self, timeout: float | None = None) -> Any:
        """What is ready now; where nothing is, the time that was to be waited has passed."""
        ready = super().select(0)
        if not ready:
            if timeout is None:
                raise RuntimeError("everything waits and no timer runs: it would wait for ever")
            self.skipped += timeout
        return ready


class _Loop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._selector_with_time = _Selector()
        super().__init__(self._selector_with_time)

    def time(self) -> float:
        return self._selector_with_time.skipped


def run(story: Coroutine[Any, Any, T]) -> T:
    """What the coroutine returns, in no time; its loop's clock begins at 0 and moves only while all wait."""
    with asyncio.Runner(loop_factory=_Loop) as runner:
        return runner.run(story)
