"""What a person at the terminal sees. Colours and moving lines are for terminals alone; NO_COLOR is honoured."""

from __future__ import annotations

import textwrap
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.text import Text

MARGIN = "   "


class Screen:
    """Acts, what a person would type with what is answered, and what is being waited for."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._acts = 0

    def act(self, title: str, why: str) -> None:
        self._acts += 1
        self.blank()
        self._console.print(Text(f"{self._acts}  {title}", "bold cyan"))
        self.say(why)

    def say(self, words: str, style: str = "") -> None:
        """Prose, wrapped to the width of the terminal."""
        for line in textwrap.wrap(words, self._console.width - len(MARGIN)):
            self._line(Text(line, style))

    def typed(self, *commands: str, answer: str = "") -> None:
        """Commands as a person would type them, and the answer; nothing is wrapped, so that it can be copied."""
        self.blank()
        for command in commands:
            self._line(Text(f"$ {command}", "dim"))
        for line in answer.splitlines():
            self._line(Text(line))

    def table(self, title: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """Columns below a title: the first to the left, the others, numbers, to the right."""
        widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
        self.blank()
        self.say(title)
        for row in (head, *rows):
            numbers = (cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))
            self._line(Text(MARGIN.join([row[0].ljust(widths[0]), *numbers]), "dim" if row is head else ""))

    @contextmanager
    def waiting(self, until: str) -> Iterator[Callable[[], None]]:
        """A line tells what is waited for and how long, renewed by calling what is yielded; then how long it took."""
        began = time.monotonic()

        def styled(words: str) -> Text:
            return Text(f"{words} ({time.monotonic() - began:.0f} s)", "dim")

        with self._console.status("") as status:
            yield lambda: status.update(styled(f"waiting until {until}"))
        self._line(Text.assemble(("✓ ", "green"), styled(until)))

    def blank(self) -> None:
        self._console.print()

    def _line(self, line: Text) -> None:
        self._console.print(Text(MARGIN) + line, soft_wrap=True)
