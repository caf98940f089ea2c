"""Upright columns: how rows are spread over the values of a column, in each series."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from perennial_trainer.reporting.drawing.axis import Axis, round_axis, tick_text
from perennial_trainer.reporting.drawing.figures import (
    AXIS_NAME,
    LEFT,
    RIGHT,
    TOP,
    Figure,
    Label,
    Line,
    Mark,
    below_axis,
    grid_across,
)
from perennial_trainer.reporting.numbers import percent

BOTTOM = 150.0
OUTER = 46.0  # the width of the place of rows that lie beyond the edges, or whose value is missing
FREE = 0.1  # of the width of a place, left between two

Shares = Sequence[float]


@dataclass(frozen=True)
class Spread:
    """The shares of rows, of each series, between two neighbours of the ascending `edges` and beside them."""

    edges: Sequence[float]
    between: Sequence[Shares]
    below: Shares = ()
    above: Shares = ()
    missing: Shares = ()


def column_chart(caption: str, spread: Spread, series: Sequence[str], note: str = "", axis_name: str = "") -> Figure:
    """Columns of each series side by side; rows beyond the edges, and without a value, have places of their own."""
    left = [("below", spread.below)] if any(spread.below) else []
    right = [each for each in (("above", spread.above), ("missing", spread.missing)) if any(each[1])]
    start, end = LEFT + len(left) * OUTER, RIGHT - len(right) * OUTER
    level = Axis(spread.edges[0], spread.edges[-1], start, end, tuple(spread.edges))
    places = [(LEFT, start, name, shares) for name, shares in left]
    for (low, high), shares in zip(pairwise(spread.edges), spread.between, strict=True):
        places.append((level.at(low), level.at(high), f"{tick_text(low)} to {tick_text(high)}", shares))
    places += [(end + n * OUTER, end + (n + 1) * OUTER, *each) for n, each in enumerate(right)]
    highest = max((share for *_, shares in places for share in shares), default=0.0)
    up = round_axis(0.0, 100 * (highest or 1.0), BOTTOM, TOP, 4)
    lines, labels = grid_across(up)
    if spread.edges[0] < 0 < spread.edges[-1]:
        lines.append(Line("zero", ((level.at(0.0), TOP), (level.at(0.0), BOTTOM))))
    labels += [Label(0, 9, "start", "% of rows"), Label((start + end) / 2, BOTTOM + AXIS_NAME, "middle", axis_name)]
    labels += below_axis(((level.at(edge), tick_text(edge)) for edge in spread.edges), BOTTOM)
    labels += [
        Label((low + high) / 2, BOTTOM + AXIS_NAME, "middle", name)
        for low, high, name, _ in places
        if name in ("below", "above", "missing")
    ]
    marks = [mark for place in places for mark in _columns(*place, up)]
    shown = [label for label in labels if label.text]
    return Figure(caption, BOTTOM + AXIS_NAME + 5, marks, shown, series, note, (), lines)


def _columns(start: float, end: float, name: str, shares: Shares, up: Axis) -> Iterator[Mark]:
    width = (end - start) * (1 - FREE) / max(len(shares), 1)
    for number, share in enumerate(shares):
        if share > 0:
            x, y = start + (end - start) * FREE / 2 + number * width, up.at(100 * share)
            yield Mark(x, y, width, BOTTOM - y, number, f"{name}: {percent(share)}")
