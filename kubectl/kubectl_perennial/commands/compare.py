"""`compare v3 v4`: two versions side by side."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterator, Mapping
from typing import Any

from rich.console import Console
from rich.text import Text

from kubectl_perennial.client import Body, Cluster
from kubectl_perennial.errors import CommandError, UsageError
from kubectl_perennial.selection import Selection, select
from kubectl_perennial.terminal import console as output
from kubectl_perennial.terminal.numbers import better_or_worse
from kubectl_perennial.views.comparison import compare_versions
from perennial_operator.core.api.values import shown

OWN_ROWS = "each on its own holdout: the rows may cause a difference"
SAME_ROWS = "both on the same holdout rows"
TWO = 2


def run(cluster: Cluster, arguments: Namespace, console: Console) -> None:
    fields = compare_versions(*_two(select(cluster, arguments.names)))
    if arguments.output:
        console.print(output.printed(fields, arguments.output), soft_wrap=True)
        return
    table = output.table(["", *fields["versions"]], _rows(fields))
    table.columns[1].no_wrap, table.columns[1].overflow = False, "fold"  # sentences may be long on both sides
    output.show(console, table)


def _two(selection: Selection) -> tuple[Body, Body]:
    """The two named versions; or the live version and the named one, or the candidate."""
    if len(selection.named) > TWO:
        raise UsageError(f"two versions can be compared, and {len(selection.named)} were named")
    if len(selection.named) == TWO:
        one, other = selection.named
    else:
        if selection.live is None:
            raise CommandError(
                f"{selection.name} has no live version; name two: kubectl perennial compare {selection.name} v1 v2"
            )
        second = selection.named[0] if selection.named else selection.candidate
        if second is None:
            raise CommandError(
                f"{selection.name} has no candidate; name a version: kubectl perennial compare {selection.name} v1"
            )
        one, other = selection.live, second
    if one is other:
        raise UsageError(f"{one['metadata']['name']} would be compared with itself; name another version")
    return one, other


def _rows(fields: Body) -> Iterator[list[output.Cell]]:
    """The rows of all sections, in the same columns."""
    for title, field in (("Asked for", "asked"), ("Parameters", "parameters"), ("Data", "data")):
        yield [Text(title, "bold"), "", ""]
        yield from _differing(fields[field])
        yield ["", "", ""]
    if fields["metrics"]:
        yield [Text("Metrics", "bold"), Text(SAME_ROWS if fields["sameRows"] else OWN_ROWS, "dim"), ""]
        yield from (_metric(each) for each in fields["metrics"])
        yield ["", "", ""]
    if fields["conditions"]:
        yield [Text("Conditions", "bold"), "", ""]
        yield from ([field, _cell(one), _cell(other)] for field, (one, other) in fields["conditions"].items())


def _differing(pairs: Mapping[str, list[Any]]) -> Iterator[list[output.Cell]]:
    for field, (one, other) in pairs.items():
        yield [field, _cell(one), Text(_cell(other), "yellow" if one != other else "")]


def _metric(each: Body) -> list[output.Cell]:
    one, other = map(_cell, each["values"])
    second = Text(other)
    if "difference" in each:
        second.append("   ").append_text(better_or_worse(each))
    return [each["name"], one, second]


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        return shown(value)
    return str(value)
