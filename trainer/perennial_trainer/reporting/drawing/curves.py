"""Curves through points: over time, or of one share against another."""

from collections.abc import Mapping, Sequence

from perennial_trainer.reporting.drawing.axis import Axis, round_axis
from perennial_trainer.reporting.drawing.figures import (
    AXIS_NAME,
    LEFT,
    RIGHT,
    TOP,
    Figure,
    Label,
    Line,
    LineKind,
    Mark,
    below_axis,
    grid_across,
    grid_up,
)
from perennial_trainer.reporting.numbers import shown

BOTTOM = 150.0
SQUARE = 250.0  # the lower end of a figure of two shares
DISC = 6.0
CURVES: Sequence[LineKind] = ("s0", "s1", "s2")  # the series that have a color

Points = Sequence[tuple[float, float]]


def trend_chart(
    caption: str, values: Sequence[tuple[float, str, float]], limit: float | None, note: str = ""
) -> Figure:
    """Values by their place on the level axis, each with the text of its time, and the line of a limit."""
    heights = [value for *_, value in values] + ([] if limit is None else [limit])
    level = Axis(values[0][0], max(values[-1][0], values[0][0] + 1), LEFT + DISC, RIGHT - DISC, ())
    up = round_axis(min(0.0, *heights), max(heights), BOTTOM, TOP, 4)
    lines, labels = grid_across(up)
    points = [(level.at(place), up.at(value)) for place, _, value in values]
    marks = [_disc(point, 0, f"{text}: {shown(value)}") for point, (_, text, value) in zip(points, values, strict=True)]
    ends = [(point[0], text) for point, (_, text, _) in zip(points, values, strict=True)]
    labels += below_axis([ends[0]], BOTTOM) + below_axis(ends[-1:], BOTTOM) * (len(ends) > 1)
    if limit is not None:
        lines.append(Line("limit", ((LEFT, up.at(limit)), (RIGHT, up.at(limit)))))
    lines.append(Line("s0", points))
    return Figure(caption, BOTTOM + 22, marks, labels, (), note, (), lines)


def share_chart(
    caption: str, curves: Mapping[str, Points], names: tuple[str, str], ideal: Points = (), note: str = ""
) -> Figure:
    """Up to three curves of shares, from 0 to 1 on both axes; `names` are those of the axes: level, upright."""
    across, up = Axis(0, 1, LEFT, RIGHT, _FIFTHS), Axis(0, 1, SQUARE, TOP, _FIFTHS)
    lines, labels = grid_across(up)
    more_lines, more_labels = grid_up(across, TOP, SQUARE)
    labels += [
        *more_labels,
        Label(0, 10, "start", f"{names[1]} ↑"),
        Label((LEFT + RIGHT) / 2, SQUARE + AXIS_NAME, "middle", f"{names[0]} →"),
    ]
    lines += more_lines
    if ideal:
        lines.append(Line("ideal", [(across.at(x), up.at(y)) for x, y in ideal]))
    marks = []
    for number, (kind, points) in enumerate(zip(CURVES, curves.values(), strict=False)):
        placed = [(across.at(x), up.at(y)) for x, y in points]
        lines.append(Line(kind, placed))
        marks += [_disc(at, number, f"{shown(x)}, {shown(y)}") for at, (x, y) in zip(placed, points, strict=True)]
    return Figure(caption, SQUARE + AXIS_NAME + 5, marks, labels, list(curves)[: len(CURVES)], note, (), lines)


def _disc(point: tuple[float, float], series: int, text: str) -> Mark:
    return Mark(point[0] - DISC / 2, point[1] - DISC / 2, DISC, DISC, series, text, round=True)


_FIFTHS = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
