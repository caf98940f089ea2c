"""`history`: lists the versions of a model, the newest first."""

from __future__ import annotations

from argparse import Namespace
from datetime import datetime, timedelta

from rich.console import Console
from rich.text import Text

from kubectl_perennial.client import Body, Cluster
from kubectl_perennial.selection import select
from kubectl_perennial.terminal import colours
from kubectl_perennial.terminal import console as output
from kubectl_perennial.terminal.numbers import better_or_worse
from kubectl_perennial.views.times import instant, now, span
from kubectl_perennial.views.version import card
from perennial_operator.core.api.model_version import ENDED, Phase
from perennial_operator.core.api.values import shown

FILES_GONE = "its files are deleted"
HEAD = ("VERSION", "PHASE", "TRIGGER", "METRIC", "LIVE HAD", "", "AGE", "TOOK", "MESSAGE")


def run(cluster: Cluster, arguments: Namespace, console: Console) -> None:
    at = now()
    selection = select(cluster, [arguments.name] if arguments.name else [])
    cards = [card(version, at) for version in reversed(selection.versions)]
    if arguments.output:
        console.print(output.printed(cards, arguments.output), soft_wrap=True)
    elif cards:
        rows = [_row(each, at) for each in cards]
        output.show(console, output.table(HEAD, rows, ("LIVE HAD", "AGE", "TOOK")))
    else:
        console.print(f"{selection.name} has no version yet; kubectl perennial status {selection.name} says why.")


def _row(each: Body, at: datetime) -> list[output.Cell]:
    metric, created = each.get("metric"), instant(each["created"])
    took = span(timedelta(seconds=each["seconds"])) if "seconds" in each else ""
    return [
        Text(each["name"], "bold" if each["phase"] == Phase.LIVE else ""),
        colours.phase_text(each["phase"]),
        each["trigger"],
        f"{metric['name']} {shown(metric['value'])}" if metric else "",
        shown(metric["live"]) if metric and "live" in metric else "",
        better_or_worse(metric) if metric and "live" in metric else "",
        span(at - created) if created else "",
        took if each["phase"] in (Phase.LIVE, *ENDED) else Text(took, "yellow"),
        Text("; ".join(filter(None, [each.get("message"), FILES_GONE * ("filesDeletedAt" in each)])), "dim"),
    ]
