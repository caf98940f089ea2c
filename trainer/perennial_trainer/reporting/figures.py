"""Lays out charts in the units of an SVG 400 wide; they show counts and shares, no value of any row."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

WIDTH = 400.0
MAX_LABEL = 44  # characters of a label above a bar
MAX_BARS = 20  # labels of a bar chart


class Mark(NamedTuple):
    """A rectangle of one series, with its tooltip."""

    x: float
    y: float
    width: float
    height: float
    series: int
    text: str = ""


class Label(NamedTuple):
    """A text at its baseline; `anchor` is SVG's text-anchor."""

    x: float
    y: float
    anchor: str
    text: str


@dataclass(frozen=True)
class Figure:
    """Marks and labels in a box 400 wide; a legend names the series if there are several."""

    caption: str
    height: float
    marks: Sequence[Mark]
    labels: Sequence[Label]
    series: Sequence[str] = ()
    note: str = ""
    shades: Sequence[float] = ()  # of each mark, 0 to 1; if empty, marks have the color of their series
    diagonal: tuple[float, float, float, float] | None = None


def bar_chart(
    caption: str, rows: Sequence[tuple[str, Sequence[float | None]]], series: Sequence[str], note: str = ""
) -> Figure:
    """Horizontal bars, one for each series below each label, from zero to the left or right; the first 20 labels."""
    shown = rows[:MAX_BARS]
    if len(rows) > MAX_BARS:
        note += f" The first {MAX_BARS} of {len(rows)}."
    present = [value for _, values in shown for value in values if value is not None]
    low, high = min([0.0, *present]), max([0.0, *present])
    span, width = (high - low) or 1.0, WIDTH - 70
    marks, labels, y = [], [], 0.0
    for name, values in shown:
        labels.append(Label(0, y + 13, "start", shorten(name, MAX_LABEL)))
        y += 18
        for number, value in enumerate(values):
            if value is None:
                continue
            start = (min(value, 0.0) - low) / span * width  # divided first: 1 / span may overflow
            marks.append(Mark(start, y, max(abs(value) / span * width, 1.0), 11, number))
            labels.append(Label(WIDTH, y + 10, "end", f"{value:.4g}"))
            y += 15
        y += 6
    return Figure(caption, y, marks, labels, series, note.strip())


def column_chart(caption: str, names: Sequence[str], series: Mapping[str, Sequence[float]], note: str = "") -> Figure:
    """Vertical columns, one for each series at each of n names; at most five names are written."""
    top, bottom = 16.0, 150.0
    highest = max((value for values in series.values() for value in values), default=0.0) or 1.0
    slot = WIDTH / max(len(names), 1)
    width = slot * 0.86 / len(series)
    marks = []
    for number, values in enumerate(series.values()):
        for place, value in enumerate(values):
            height = value / highest * (bottom - top)
            if height > 0:
                x = place * slot + slot * 0.07 + number * width
                marks.append(Mark(x, bottom - height, width, height, number, f"{names[place]}: {value:.4g}"))
    step = max(1, -(-len(names) // 5))  # rounded up
    longest = max(3, int(step * slot / 7))
    labels = [Label(WIDTH, 10, "end", f"up to {highest:.4g}")]
    for place in range((len(names) - 1) % step // 2, len(names), step):
        text = shorten(names[place], longest)
        labels.append(Label((place + 0.5) * slot, bottom + 16, _anchor(place, len(names)), text))
    return Figure(caption, bottom + 22, marks, labels, tuple(series), note)


def heat_map(
    caption: str,
    row_names: Sequence[str],
    column_names: Sequence[str],
    counts: Sequence[Sequence[float]],
    note: str = "",
    numbers: bool = False,
    diagonal: bool = False,
) -> Figure:
    """A table of counts as shades, the highest being the darkest; with numbers in the cells, or a diagonal.

    Empty names take no space; rows are from the top.
    """
    left, top = (92.0 if any(row_names) else 1.0), (18.0 if any(column_names) else 2.0)
    width = min((WIDTH - left - 1) / max(len(column_names), 1), 60.0)
    height = min(width, 34.0) if numbers else width
    cells = [
        (row, column, counts[row][column])
        for row in range(len(row_names))
        for column in range(len(column_names))
        if numbers or counts[row][column]
    ]
    marks = [Mark(left + j * width, top + i * height, width, height, 0, f"{count:g}") for i, j, count in cells]
    longest = max(2, int(width / 7.5))
    row_labels = [
        Label(left - 6, top + (i + 0.5) * height + 4, "end", shorten(name, 12)) for i, name in enumerate(row_names)
    ]
    column_labels = [
        Label(left + (j + 0.5) * width, 12, "middle", shorten(name, longest)) for j, name in enumerate(column_names)
    ]
    labels = [label for label in (*row_labels, *column_labels) if label.text]
    if numbers:
        labels += [Label(mark.x + width / 2, mark.y + height / 2 + 4, "middle", mark.text) for mark in marks]
    bottom = top + height * len(row_names)
    line = (left, bottom, left + width * len(column_names), top) if diagonal else None
    highest = max((count for row in counts for count in row), default=0) or 1
    shades = [(count / highest) ** 0.5 for _, _, count in cells]
    return Figure(caption, bottom + 4, marks, labels, (), note, shades, line)


def _anchor(place: int, size: int) -> str:
    if size > 5 and place == 0:
        return "start"
    return "end" if size > 5 and place == size - 1 else "middle"


def shorten(text: str, longest: int) -> str:
    """The text, or its beginning and an ellipsis: at most `longest` characters."""
    return text if len(text) <= longest else text[: max(longest - 1, 1)] + "…"
