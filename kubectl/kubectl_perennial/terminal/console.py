"""What a person at the terminal sees: colours for terminals alone, never with NO_COLOR, and whole lines for a pipe."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Iterable, Sequence

import yaml
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from kubectl_perennial.client import Body

Cell = Text | str
PIPE_WIDTH = 10_000
MARKS = {"done": ("✓", "green"), "here": ("●", "yellow"), "ahead": ("○", "dim"), "failed": ("✗", "red")}
BAR, GAP, SENTENCE = 12, 3, 24
"""Characters: of a bar, between columns, and that a sentence may be folded to."""


def console() -> Console:
    """On standard output; a character that it cannot show becomes a question mark and no traceback."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")
    terminal = sys.stdout.isatty()
    return Console(highlight=False, markup=False, emoji=False, width=None if terminal else PIPE_WIDTH)


def printed(value: object, form: str) -> str:
    """The value as json or yaml."""
    if form == "json":
        return json.dumps(value, indent=2, ensure_ascii=False)
    return yaml.safe_dump(value, sort_keys=False, allow_unicode=True, width=PIPE_WIDTH).rstrip()


def table(head: Sequence[str], rows: Iterable[Sequence[Cell]], right: Sequence[str] = ()) -> Table:
    """Columns below a head, as kubectl has them; those named in `right` hold numbers. The last may wrap."""
    found = Table(box=None, pad_edge=False, padding=(0, GAP, 0, 0), header_style="dim")
    for name in head:
        last = name == head[-1]
        found.add_column(
            name,
            justify="right" if name in right else "left",
            no_wrap=not last,
            overflow="fold" if last else "ellipsis",
        )
    for row in rows:
        found.add_row(*row)
    return found


def show(console: Console, made: Table) -> None:
    """The table, none of whose names is cut off: on a narrow terminal its lines go on below, as kubectl's do."""
    least = 0
    for column in made.columns:
        longest = max(cell_len(str(cell)) for cell in (column.header, *column.cells))
        least += GAP + (longest if column.no_wrap else min(longest, SENTENCE))
    if console.width < least:
        made.width = least
    console.print(made, crop=False)


def labelled(rows: Sequence[tuple[str, object]]) -> Table:
    """Lines, or whatever rich can draw, each after its label."""
    found = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_header=False)
    found.add_column(style="bold", no_wrap=True)
    found.add_column(overflow="fold")
    for label, content in rows:
        found.add_row(label, content)  # type: ignore[arg-type]
    return found


def way(stages: Sequence[Body]) -> Text:
    """The stages with a mark each, and arrows between them."""
    line = Text()
    for number, stage in enumerate(stages):
        mark, style = MARKS[stage["state"]]
        line.append(" ──▶ " if number else "", "dim")
        line.append(f"{mark} {stage['told']}", f"bold {style}" if stage["state"] == "here" else style)
    return line


def bar(share: float | None, *, beyond: bool) -> Text:
    """How much of the way to a limit is gone."""
    if share is None:
        return Text("")
    full = min(BAR, round(share * BAR))
    style = "red" if beyond else "yellow" if share > 0.8 else "green"
    return Text.assemble(("█" * full, style), ("░" * (BAR - full), "dim"))
