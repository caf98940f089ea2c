"""Where values lie among ascending marks, eight times as fast as by a binary search for each."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

CELLS = 48  # for each mark: so fine that nearly all hold none, and so few that their table stays in the cache


class MarkIndex:
    """Of n distinct ascending marks: place 2i lies between mark i - 1 and mark i, place 2i + 1 at mark i.

    The span is cut into even cells. A value lies above all marks of lower cells, however floats are rounded, since a
    greater value has never a lower cell; so only values that lie above a mark of their own cell are searched for.
    """

    def __init__(self, marks: Floats) -> None:
        self._marks = marks
        self._next = np.append(marks, np.nan)  # after the last mark comes none that a value could reach
        low, high = (float(marks[0]), float(marks[-1])) if len(marks) else (0.0, 0.0)
        cells = CELLS * len(marks) + 1
        with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
            scale = float(np.float64(cells - 1) / (high - low))
        # One cell for a span that has no finite size or share; then all is searched for.
        self._low, self._high, self._scale = (low, high, scale) if 0 < scale < np.inf else (0.0, 0.0, 0.0)
        self._first = np.searchsorted(self._cells(marks), np.arange(cells))

    def of(self, values: Floats) -> NDArray[np.intp]:
        """The place of each value; none of them is missing."""
        found = self._first.take(self._cells(values))
        above = self._next.take(found)
        late = np.flatnonzero(above < values)
        found[late] = np.searchsorted(self._marks, values.take(late))
        above[late] = self._next.take(found[late])
        found *= 2
        found += above == values
        return found

    def _cells(self, values: Floats) -> NDArray[np.intp]:
        apart = np.clip(values, self._low, self._high)
        apart -= self._low
        apart *= self._scale
        return apart.astype(np.intp)
