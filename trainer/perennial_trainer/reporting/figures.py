"""Where the marks of a figure lie: bars, columns and cells in the units of an SVG 400 wide, and no value of any row."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

WIDTH = 400.0
LONGEST = 44  # characters of a label over a bar
MOST = 20  # labels of bars; more are no figure


class Mark(NamedTuple):
    """A rectangle of one series, and what it says."""

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
    """Marks and words in a box 400 wide; the series are named in a legend where there are several."""

    caption: str
    height: float
    marks: Sequence[Mark]
    words: Sequence[Label]
    series: Sequence[str] = ()
    note: str = ""
    shades: Sequence[float] = ()  # of each mark, 0 to 1; by series where there are none
    diagonal: tuple[float, float, float, float] | None = None


def bar_chart(
    caption: str, rows: Sequence[tuple[str, Sequence[float | None]]], series: Sequence[str], note: str = ""
) -> Figure:
    """One lying bar for each series below each label, from zero to the left or right; the first 20 labels."""
    shown = rows[:MOST]
    note += f" The first {MOST} of {len(rows)}." if len(rows) > MOST else ""
    values = [value for _, each in shown for value in each if value is not None]
    low, high = min([0.0, *values]), max([0.0, *values])
    span, room = (high - low) or 1.0, WIDTH - 70
    marks, words, y = [], [], 0.0
    for label, each in shown:
        words.append(Label(0, y + 13, "start", shorten(label, LONGEST)))
        y += 18
        for number, value in enumerate(each):
            if value is None:
                continue
            start = (min(value, 0.0) - low) / span * room  # the ratio first: the least of spans has no reciprocal
            marks.append(Mark(start, y, max(abs(value) / span * room, 1.0), 11, number))
            words.append(Label(WIDTH, y + 10, "end", f"{value:.4g}"))
            y += 15
        y += 6
    return Figure(caption, y, marks, words, series, note.strip())


def column_chart(caption: str, labels: Sequence[str], series: Mapping[str, Sequence[float]], note: str = "") -> Figure:
    """A distribution: at each of n labels one standing column for each series; at most five labels are written."""
    top, floor, most = 16.0, 150.0, max((value for each in series.values() for value in each), default=0.0) or 1.0
    slot = WIDTH / max(len(labels), 1)
    wide = slot * 0.86 / len(series)
    marks = [
        Mark(
            place * slot + slot * 0.07 + number * wide, floor - high, wide, high, number, f"{labels[place]}: {each:.4g}"
        )
        for number, values in enumerate(series.values())
        for place, each in enumerate(values)
        if (high := each / most * (floor - top)) > 0
    ]
    step = max(1, -(-len(labels) // 5))
    longest = max(3, int(step * slot / 7))
    words = [Label(WIDTH, 10, "end", f"up to {most:.4g}")]
    words += [
        Label((place + 0.5) * slot, floor + 16, _anchor(place, len(labels)), shorten(labels[place], longest))
        for place in range((len(labels) - 1) % step // 2, len(labels), step)
    ]
    return Figure(caption, floor + 22, marks, words, tuple(series), note)


def heat_map(
    caption: str,
    down: Sequence[str],
    across: Sequence[str],
    counts: Sequence[Sequence[float]],
    note: str = "",
    numbers: bool = False,
    diagonal: bool = False,
) -> Figure:
    """A table of counts as shades, the darkest being the most; with `numbers` in them, or a diagonal through them.

    Labels that are empty take no place; `down` are of the rows from the top.
    """
    left = 92.0 if any(down) else 1.0
    size = min((WIDTH - left - 1) / max(len(across), 1), 60.0)
    high, above = (min(size, 34.0) if numbers else size), (18.0 if any(across) else 2.0)
    most = max((each for row in counts for each in row), default=0) or 1
    places = [(i, j) for i in range(len(down)) for j in range(len(across)) if numbers or counts[i][j]]
    marks = [Mark(left + j * size, above + i * high, size, high, 0, f"{counts[i][j]:g}") for i, j in places]
    words = [
        Label(left - 6, above + (i + 0.5) * high + 4, "end", shorten(name, 12)) for i, name in enumerate(down) if name
    ]
    longest = max(2, int(size / 7.5))
    words += [Label(left + (j + 0.5) * size, 12, "middle", shorten(n, longest)) for j, n in enumerate(across) if n]
    if numbers:
        words += [Label(m.x + size / 2, m.y + high / 2 + 4, "middle", m.text) for m in marks]
    end = above + high * len(down)
    line = (left, end, left + size * len(across), above) if diagonal else None
    shades = [(counts[i][j] / most) ** 0.5 for i, j in places]
    return Figure(caption, end + 4, marks, words, (), note, shades, line)


def _anchor(place: int, size: int) -> str:
    if place == 0 and size > 5:
        return "start"
    return "end" if place == size - 1 and size > 5 else "middle"


def shorten(text: str, longest: int) -> str:
    """The text, or its beginning and an ellipsis: at most `longest` characters."""
    return text if len(text) <= longest else text[: max(longest - 1, 1)] + "…"
