"""Draws a suggestion: the trade of loss against trainings in characters, why a policy won, and what it changes."""

from __future__ import annotations

from rich.console import Console
from rich.padding import Padding
from rich.text import Text

from kubectl_perennial.client import Body
from kubectl_perennial.terminal import console as output
from kubectl_perennial.views.comparison_table import value_text
from perennial_operator.core.api.values import shown

WIDTH, COLUMNS, ROWS = 80, 60, 10
MARKS = "123456789abcdefghijklmnopqrstuvwxyz"
LONGEST = 26
"""Characters of a value in the table of changes."""


def draw_trade(fields: Body, console: Console) -> None:
    """The picture and the reasons."""
    console.print(f"\nLoss by trainings, each policy by its number; {_mark(fields)} is suggested", style="bold")
    for line in _picture(fields):
        console.print(line, soft_wrap=True)
    console.print("\nSuggested", style="bold")
    for sentence in fields["suggestion"]["why"]:
        console.print(Padding(sentence, (0, 0, 0, 2)), width=WIDTH)
    if changes := fields["suggestion"]["changes"]:
        rows = [[change["field"], _cut(change["is"]), _cut(change["becomes"])] for change in changes]
        console.print()
        console.print(output.table(("FIELD", "IS", "BECOMES"), rows), width=WIDTH)
    else:
        console.print("  It is the manifest as it is.")


def _mark(fields: Body) -> str:
    return MARKS[fields["suggestion"]["place"] - 1]


def _picture(fields: Body) -> list[Text]:
    """The losses from bottom to top, the trainings from left to right."""
    policies = fields["policies"]
    most = max(policy["trainings"] for policy in policies) or 1
    losses = [policy["loss"] for policy in policies]
    low, high = min(losses), max(losses)
    cells: list[list[str]] = [[" "] * (COLUMNS + 1) for _ in range(ROWS + 1)]
    for mark, policy in zip(MARKS, policies, strict=False):
        row = round((high - policy["loss"]) / ((high - low) or 1) * ROWS)
        column = round(policy["trainings"] / most * COLUMNS)
        while cells[row][column] != " " and column < COLUMNS:
            column += 1  # beside one that is at the same place
        cells[row][column] = mark
    labels = {0: shown(high), ROWS: shown(low)}
    left = max(map(len, labels.values()))
    lines = []
    for row, line in enumerate(cells):
        text = Text(f"{labels.get(row, ''):>{left}} │ ", "dim")
        for mark in "".join(line).rstrip():
            text.append(mark, "bold green" if mark == _mark(fields) else "")
        lines.append(text)
    lines.append(Text(f"{'':>{left}} └{'─' * (COLUMNS + 2)}", "dim"))
    axis = f"0{'trainings':^{COLUMNS - 1}}{most}"
    return [*lines, Text(f"{'':>{left}}   {axis}", "dim")]


def _cut(value: object) -> str:
    """The whole of it is in the manifest."""
    text = value_text(value)
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"
