"""The cells of `bench_alarms`, and the lines that it prints of them."""

import re
from collections.abc import Iterator
from typing import NamedTuple

REFERENCE = 10_000  # rows

Shares = dict[tuple[str, str], float]
"""By statistic and limit, `customary` or `0`, the share of the draws that alarm."""


class Cell(NamedTuple):
    kind: str
    rows: int
    features: int
    draws: int
    shift: float = 0.0
    reference: int = REFERENCE


def line_start(cell: Cell) -> str:
    """The start of its line, which names the cell."""
    return f"{cell.kind:16} {cell.reference:9,} {cell.rows:8,} {cell.features:8} {cell.shift:6}  "


def printed(text: str) -> dict[str, Shares]:
    """The shares of each cell of an earlier run that has not been drawn further, by the start of its line."""
    lines = [re.fullmatch(r"(.{16} .{9} .{8} .{8} +\d\.\d+  )(\D.*\d)", line) for line in text.splitlines()]
    return {line[1]: dict(_shares_of(line[2])) for line in lines if line}


def _shares_of(text: str) -> Iterator[tuple[tuple[str, str], float]]:
    for name, *shares in (each.split() for each in text.split(", ")):
        yield from (
            ((name, limit), float(share)) for limit, share in zip(("0", "customary"), reversed(shares), strict=False)
        )


def shown(cell: Cell, shares: Shares) -> str:
    """The line of a cell."""
    names = dict.fromkeys(name for name, _ in shares)
    each = ", ".join(
        f"{name} " + " ".join(f"{shares[name, limit]:.4f}" for limit in ("customary", "0") if (name, limit) in shares)
        for name in names
    )
    return line_start(cell) + each
