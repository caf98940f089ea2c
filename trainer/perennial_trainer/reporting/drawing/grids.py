"""Tables of counts as shades: the higher a count, the darker its cell."""

from collections.abc import Sequence

from perennial_trainer.reporting.drawing.axis import Axis
from perennial_trainer.reporting.drawing.figures import (
    AXIS_NAME,
    WIDTH,
    Figure,
    Label,
    Line,
    Mark,
    grid_across,
    grid_up,
    shorten,
)

LARGEST_CELL = 80.0
TOP = 20.0


def heat_map(
    caption: str, counts: Sequence[Sequence[float]], across: Axis, up: Axis, names: tuple[str, str], note: str = ""
) -> Figure:
    """Counts by numbers on two equal axes, with the line on which both are equal; rows are from the top.

    `names` are those of the axes: level, upright.
    """
    width, height = (across.end - across.start) / len(counts[0]), (up.start - up.end) / len(counts)
    cells = [(i, j, count) for i, row in enumerate(counts) for j, count in enumerate(row) if count]
    marks = [
        Mark(across.start + j * width, up.end + i * height, width, height, 0, f"{count:g} rows")
        for i, j, count in cells
    ]
    lines, labels = grid_across(up, across.start, across.end)
    more_lines, more_labels = grid_up(across, up.end, up.start)
    lines += [*more_lines, Line("ideal", ((across.start, up.start), (across.end, up.end)))]
    labels += [
        *more_labels,
        Label(0, 10, "start", f"{names[1]} ↑"),
        Label((across.start + across.end) / 2, up.start + AXIS_NAME, "middle", f"{names[0]} →"),
    ]
    shades = _shades([count for *_, count in cells])
    return Figure(caption, up.start + AXIS_NAME + 5, marks, labels, (), note, shades, lines)


def count_table(
    caption: str, names: Sequence[str], counts: Sequence[Sequence[float]], axes: tuple[str, str], note: str = ""
) -> Figure:
    """Counts by two names, written in their cells; `axes` say what the rows and what the columns are."""
    if not names:
        return Figure(caption, 0, [], [])
    left, top = 92.0, 2 * TOP
    width = min((WIDTH - left - 1) / len(names), LARGEST_CELL)
    height = min(width, 34.0)
    marks, labels = [], [Label(left, 11, "start", f"{axes[1]} →"), Label(left - 6, 11, "end", f"{axes[0]} ↓")]
    for i, row in enumerate(counts):
        labels.append(Label(left - 6, top + (i + 0.5) * height + 4, "end", shorten(names[i], 13)))
        labels.append(Label(left + (i + 0.5) * width, top - 7, "middle", shorten(names[i], max(2, int(width / 7)))))
        for j, count in enumerate(row):
            x, y = left + j * width, top + i * height
            marks.append(Mark(x, y, width, height, 0, f"{count:g}"))
            labels.append(Label(x + width / 2, y + height / 2 + 4, "middle", f"{count:g}"))
    shades = _shades([count for row in counts for count in row])
    return Figure(caption, top + height * len(names) + 4, marks, labels, (), note, shades)


def _shades(counts: Sequence[float]) -> list[float]:
    highest = max(counts, default=0) or 1
    return [(count / highest) ** 0.5 for count in counts]
