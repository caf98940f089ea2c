"""Horizontal bars: one value of each name, beside a zero line."""

from collections.abc import Callable, Sequence

from perennial_trainer.reporting.drawing.axis import round_axis
from perennial_trainer.reporting.drawing.figures import AXIS_NAME, WIDTH, Figure, Label, Line, Mark, grid_up, shorten
from perennial_trainer.reporting.numbers import shown

MAX_LABEL = 52  # characters of a label above a bar
MAX_BARS = 20  # labels of a bar chart
FIRST, LAST = 8.0, 335.0  # of the axis; the values are written on its right
BESIDE, MAX_BESIDE = 130.0, 20  # where the axis begins beside labels of so many characters


def bar_chart(
    caption: str,
    rows: Sequence[tuple[str, Sequence[float | None]]],
    series: Sequence[str],
    note: str = "",
    axis_name: str = "",
    write: Callable[[float], str] = shown,
    *,
    beside: bool = False,
) -> Figure:
    """Bars below each label, or beside it, one for each series, from zero to the left or right; the first 20 labels."""
    note = f"{note} The first {MAX_BARS} of {len(rows)}." if len(rows) > MAX_BARS else note
    rows = rows[:MAX_BARS]
    present = [value for _, values in rows for value in values if value is not None]
    first, above, longest = (BESIDE, 0.0, MAX_BESIDE) if beside else (FIRST, 18.0, MAX_LABEL)
    axis = round_axis(min([0.0, *present]), max([0.0, *present]), first, LAST, 3 if beside else 4)
    marks, labels, y = [], [], 0.0
    for name, values in rows:
        labels.append(Label(0, y + 13, "start", shorten(name, longest)))
        y += above
        for number, value in enumerate(values):
            if value is None:
                continue
            start, end = sorted((axis.at(0.0), axis.at(value)))
            marks.append(Mark(start, y, max(end - start, 1.0), 11, number, f"{name}: {write(value)}"))
            labels.append(Label(WIDTH, y + 10, "end", write(value)))
            y += 15
        y += 6
    lines, numbers = grid_up(axis, above, y, write)
    numbers += [Label((first + LAST) / 2, y + AXIS_NAME, "middle", axis_name)] if axis_name else []
    lines.sort(key=_zero_last)
    return Figure(caption, y + AXIS_NAME + 5, marks, [*labels, *numbers], series, note.strip(), (), lines)


def _zero_last(line: Line) -> bool:
    return line.kind == "zero"
