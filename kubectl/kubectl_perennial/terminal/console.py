"""Output: colours on a terminal without NO_COLOR, whole lines to a pipe."""

from __future__ import annotations

import io
import json
import re
import sys
from collections.abc import Iterable, Sequence
from typing import IO, cast

import yaml
from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderableType
from rich.padding import Padding
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from kubectl_perennial.client import Body
from perennial_operator.core.api.printable_text import printable

Cell = Text | str
PIPE_WIDTH = 10_000
MARKS = {"done": ("✓", "green"), "here": ("●", "yellow"), "ahead": ("○", "dim"), "failed": ("✗", "red")}
BAR, GAP, NARROW_GAP, SENTENCE = 12, 3, 2, 24
"""Characters: of a bar, between columns, between them where space is short, and of the narrowest folded column."""


class PrintableConsole(Console):
    """Prints no control character but the ends of lines: neither a file nor an object can command the terminal."""

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        for segment in super().render(renderable, options):
            text = "\n".join(map(printable, segment.text.split("\n")))
            yield segment if segment.control else Segment(text, segment.style)


class Unpadded(io.TextIOBase):
    """Writes to a pipe or a file without the blanks by which rich fills the lines of a table."""

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        self._stream.write(re.sub(r" +(?=\n)", "", text))
        return len(text)

    def flush(self) -> None:
        self._stream.flush()


def make_console(*, error: bool = False) -> Console:
    """On standard output, or on standard error; a character that it cannot encode becomes a question mark."""
    stream = sys.stderr if error else sys.stdout
    if isinstance(stream, io.TextIOWrapper):
        stream.reconfigure(errors="replace")
    if stream.isatty():
        return PrintableConsole(highlight=False, markup=False, emoji=False, stderr=error)
    file = cast("IO[str]", Unpadded(stream))
    return PrintableConsole(highlight=False, markup=False, emoji=False, width=PIPE_WIDTH, file=file)


def warn(line: str) -> None:
    """The line is on standard error."""
    sys.stderr.write(f"{printable(line)}\n")


def printed(value: object, form: str) -> str:
    """The value as json or yaml."""
    if form == "json":
        return json.dumps(value, indent=2, ensure_ascii=False)
    return yaml.safe_dump(value, sort_keys=False, allow_unicode=True, width=PIPE_WIDTH).rstrip()


def table(head: Sequence[str], rows: Iterable[Sequence[Cell]], right: Sequence[str] = ()) -> Table:
    """A table like kubectl's; the columns in `right` are numbers, and the last column may wrap."""
    grid = Table(box=None, pad_edge=False, padding=(0, GAP, 0, 0), header_style="dim")
    for name in head:
        last = name == head[-1]
        grid.add_column(
            name,
            justify="right" if name in right else "left",
            no_wrap=not last,
            overflow="fold" if last else "ellipsis",
        )
    for row in rows:
        grid.add_row(*row)
    return grid


def show(console: Console, table: Table) -> None:
    """Prints the table without cutting names; where its sentences have little room, each is below its row.

    If the terminal is narrower than the names, its lines wrap, as kubectl's do.
    """
    widths = [max(cell_len(str(cell)) for cell in (each.header, *each.cells)) for each in table.columns]
    fixed = sum(GAP + width for each, width in zip(table.columns, widths, strict=True) if each.no_wrap)
    folded = [width for each, width in zip(table.columns, widths, strict=True) if not each.no_wrap]
    least = fixed + sum(GAP + min(width, SENTENCE) for width in folded)
    if console.width >= least or len(folded) != 1:
        table.width = least if console.width < least else table.width
        console.print(table, crop=False)
        return
    sentences = list(table.columns.pop().cells)
    table.padding = (0, NARROW_GAP, 0, 0)
    head, *lines = console.render_lines(table, console.options.update(width=PIPE_WIDTH), pad=False)
    for line, sentence in zip([head, *lines], ["", *sentences], strict=True):
        console.print(Text.assemble(*((each.text, each.style or "") for each in line)), crop=False, soft_wrap=True)
        if str(sentence):
            console.print(Padding(sentence, (0, 0, 0, NARROW_GAP)))


def labelled(rows: Sequence[tuple[str, object]]) -> Table:
    """Rows of a label and its content."""
    grid = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_header=False)
    grid.add_column(style="bold", no_wrap=True)
    grid.add_column(overflow="fold")
    for label, content in rows:
        grid.add_row(label, content)  # type: ignore[arg-type]
    return grid


def progress(stages: Sequence[Body]) -> Text:
    """The stages with a mark each, and arrows between them."""
    line = Text()
    for number, stage in enumerate(stages):
        mark, style = MARKS[stage["state"]]
        line.append(" ──▶ " if number else "", "dim")
        line.append(f"{mark} {stage['label']}", f"bold {style}" if stage["state"] == "here" else style)
    return line


def bar(share: float | None, *, crossed: bool) -> Text:
    """The share of a limit as a bar."""
    if share is None:
        return Text("")
    full = min(BAR, round(share * BAR))
    style = "red" if crossed else "yellow" if share > 0.8 else "green"
    return Text.assemble(("█" * full, style), ("░" * (BAR - full), "dim"))
