"""An even sample of rows that come in batches, of bounded size, and the same each time."""

from typing import Any, Generic, Protocol, Self, TypeVar

import numpy as np


class SizedRows(Protocol):
    """Rows of any kind."""

    def __len__(self) -> int: ...

    def take(self, which: Any) -> Self: ...


R = TypeVar("R", bound=SizedRows)


class EvenSample(Generic[R]):
    """All rows added while there are at most `limit`; then every 2nd, 4th, 8th ..., at least half of `limit`."""

    def __init__(self, limit: int) -> None:
        self.batches: list[R] = []
        self.step = 1  # one row of so many is in the sample
        self._limit, self._added = limit, 0

    def add(self, batch: R) -> None:
        end = self._added + len(batch)
        while -(-end // self.step) > self._limit:
            self._halve()
        # Positions rather than a slice, whose view would keep the whole batch in memory.
        self.batches.append(batch.take(np.arange(-self._added % self.step, len(batch), self.step)))
        self._added = end

    def _halve(self) -> None:
        self.step *= 2
        start = 0
        for number, batch in enumerate(self.batches):
            self.batches[number] = batch.take(np.arange(start % 2, len(batch), 2))
            start += len(batch)
        self.batches = [batch for batch in self.batches if len(batch)]
