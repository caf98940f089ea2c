"""`compare v3 v4`: two versions side by side."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterator, Mapping
from typing import Any

from rich.console import Console
from rich.text import Text

from kubectl_perennial.client import Body, Cluster
from kubectl_perennial.errors import SorryError, UsageError
from kubectl_perennial.selection import Meant, meant
from kubectl_perennial.terminal import console as screen
from kubectl_perennial.terminal.numbers import judged
from kubectl_perennial.views.comparison import comparison
from perennial_operator.core.api.values import shown

OWN_ROWS = "each on its own holdout: a difference may be that of the rows"
SAME_ROWS = "both on the same holdout rows"
TWO = 2


def run(cluster: Cluster, asked: Namespace, console: Console) -> None:
    found = comparison(*_two(meant(cluster, asked.names)))
    if asked.output:
        console.print(screen.printed(found, asked.output), soft_wrap=True)
        return
    one = screen.table(["", *found["versions"]], _rows(found))
    one.columns[1].no_wrap, one.columns[1].overflow = False, "fold"  # sentences may be long on both sides
    screen.show(console, one)


def _two(of: Meant) -> tuple[Body, Body]:
    """The two that are named; the live one and the one that is named; the live one and the candidate."""
    if len(of.named) > TWO:
        raise UsageError(f"two versions can be compared, and {len(of.named)} were named")
    if len(of.named) == TWO:
        one, other = of.named
    else:
        if of.live is None:
            raise SorryError(
                f"no version of {of.name} serves yet, so name two: kubectl perennial compare {of.name} v1 v2"
            )
        second = of.named[0] if of.named else of.candidate
        if second is None:
            raise SorryError(f"{of.name} has no candidate; name a version: kubectl perennial compare {of.name} v1")
        one, other = of.live, second
    if one is other:
        raise UsageError(f"{one['metadata']['name']} would be compared with itself; name another version")
    return one, other


def _rows(found: Body) -> Iterator[list[screen.Cell]]:
    """The sections below each other, in the same columns."""
    for title, field in (("Asked for", "asked"), ("Parameters", "parameters"), ("Data", "data")):
        yield [Text(title, "bold"), "", ""]
        yield from _differing(found[field])
        yield ["", "", ""]
    if found["metrics"]:
        yield [Text("Metrics", "bold"), Text(SAME_ROWS if found["sameRows"] else OWN_ROWS, "dim"), ""]
        yield from (_metric(each) for each in found["metrics"])
        yield ["", "", ""]
    if found["conditions"]:
        yield [Text("What was said", "bold"), "", ""]
        yield from ([field, _told(one), _told(other)] for field, (one, other) in found["conditions"].items())


def _differing(fields: Mapping[str, list[Any]]) -> Iterator[list[screen.Cell]]:
    for field, (one, other) in fields.items():
        yield [field, _told(one), Text(_told(other), "yellow" if one != other else "")]


def _metric(each: Body) -> list[screen.Cell]:
    one, other = map(_told, each["values"])
    second = Text(other)
    if "difference" in each:
        second.append("   ").append_text(judged(each))
    return [each["name"], one, second]


def _told(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        return shown(value)
    return str(value)
