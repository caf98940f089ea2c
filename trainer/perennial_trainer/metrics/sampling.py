"""An even sample of what comes in parts, of bounded size, and the same each time."""

from typing import Any, Generic, Protocol, Self, TypeVar

import numpy as np


class Part(Protocol):
    """Rows of any kind."""

    def __len__(self) -> int: ...

    def take(self, which: Any) -> Self: ...


P = TypeVar("P", bound=Part)


class Thinned(Generic[P]):
    """All rows added while there are at most `most`; then every second, fourth, eighth ..., at least half of `most`."""

    def __init__(self, most: int) -> None:
        self.parts: list[P] = []
        self.every = 1
        self._most, self._seen = most, 0

    def add(self, part: P) -> None:
        end = self._seen + len(part)
        while -(-end // self.every) > self._most:
            self._halve()
        # Positions rather than a slice, whose view would keep the whole part in memory.
        self.parts.append(part.take(np.arange(-self._seen % self.every, len(part), self.every)))
        self._seen = end

    def _halve(self) -> None:
        self.every *= 2
        start = 0
        for number, part in enumerate(self.parts):
            self.parts[number] = part.take(np.arange(start % 2, len(part), 2))
            start += len(part)
        self.parts = [part for part in self.parts if len(part)]
