"""What a figure is made of, in the units of an SVG 400 wide; figures show counts and shares, no value of any row."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from perennial_trainer.reporting.drawing.axis import Axis, tick_text

WIDTH = 400.0
LEFT, RIGHT, TOP = 44.0, 392.0, 18.0  # of the area between the axes
TICK_TEXT = 15.0  # from an axis down to its numbers
AXIS_NAME = 31.0  # and down to its name
LETTER = 7.0  # the width of a letter, about

LineKind = Literal["grid", "zero", "limit", "ideal", "s0", "s1", "s2"]


class Mark(NamedTuple):
    """A rectangle of one series, with its tooltip; a disc if `round`."""

    x: float
    y: float
    width: float
    height: float
    series: int
    text: str = ""
    round: bool = False


class Label(NamedTuple):
    """A text at its baseline; `anchor` is SVG's text-anchor."""

    x: float
    y: float
    anchor: str
    text: str


class Line(NamedTuple):
    """Straight lines through points: a part of the axes, a limit, or the curve of a series."""

    kind: LineKind
    points: Sequence[tuple[float, float]]


@dataclass(frozen=True)
class Figure:
    """Lines, marks and labels in a box 400 wide; a legend names the series if there are several."""

    caption: str
    height: float
    marks: Sequence[Mark]
    labels: Sequence[Label]
    series: Sequence[str] = ()
    note: str = ""
    shades: Sequence[float] = ()  # of each mark, 0 to 1; if empty, marks have the color of their series
    lines: Sequence[Line] = ()


def grid_across(axis: Axis, left: float = LEFT, right: float = RIGHT) -> tuple[list[Line], list[Label]]:
    """The lines of an upright axis, with its numbers on their left."""
    lines = [Line("zero" if tick == 0 else "grid", ((left, y), (right, y))) for tick, y in _places(axis)]
    return lines, [Label(left - 5, y + 4, "end", tick_text(tick)) for tick, y in _places(axis)]


def grid_up(
    axis: Axis, top: float, bottom: float, write: Callable[[float], str] = tick_text
) -> tuple[list[Line], list[Label]]:
    """The lines of a level axis, with its numbers below."""
    places = _places(axis)
    lines = [Line("zero" if tick == 0 else "grid", ((x, top), (x, bottom))) for tick, x in places]
    return lines, below_axis(((x, write(tick)) for tick, x in places), bottom)


def below_axis(places: Iterable[tuple[float, str]], bottom: float) -> list[Label]:
    """Texts below a level axis, as many as have room; none beyond an edge."""
    labels: list[Label] = []
    free = 0.0
    for x, text in places:
        half = len(text) * LETTER / 2
        centre = max(half, min(x, WIDTH - half))
        if centre - half >= free:
            labels.append(Label(centre, bottom + TICK_TEXT, "middle", text))
            free = centre + half + LETTER
    return labels


def shorten(text: str, longest: int) -> str:
    """The text, or its beginning, an ellipsis and its end, by which long names differ: at most `longest` characters."""
    if len(text) <= longest:
        return text
    begin = max(1, longest // 2)
    return f"{text[:begin]}…{text[len(text) - max(0, longest - begin - 1) :]}"


def _places(axis: Axis) -> list[tuple[float, float]]:
    return [(tick, axis.at(tick)) for tick in axis.ticks]
