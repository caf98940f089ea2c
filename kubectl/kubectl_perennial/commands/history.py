"""`history`: every version of a model that is kept, the newest first."""

from __future__ import annotations

from argparse import Namespace
from datetime import datetime, timedelta

from rich.console import Console
from rich.text import Text

from kubectl_perennial.client import Body, Cluster
from kubectl_perennial.selection import meant
from kubectl_perennial.terminal import console as screen
from kubectl_perennial.terminal.numbers import judged
from kubectl_perennial.views import phases
from kubectl_perennial.views.times import instant, now, span
from kubectl_perennial.views.version import card
from perennial_operator.core.api.values import shown

HEAD = ("VERSION", "PHASE", "ASKED FOR BY", "METRIC", "LIVE HAD", "", "AGE", "TOOK", "MESSAGE")


def run(cluster: Cluster, asked: Namespace, console: Console) -> None:
    at = now()
    of = meant(cluster, [asked.name] if asked.name else [])
    cards = [card(version, at) for version in reversed(of.versions)]
    if asked.output:
        console.print(screen.printed(cards, asked.output), soft_wrap=True)
    elif cards:
        rows = [_row(each, at) for each in cards]
        screen.show(console, screen.table(HEAD, rows, ("LIVE HAD", "AGE", "TOOK")))
    else:
        console.print(f"{of.name} has no version yet; kubectl perennial status {of.name} says why.")


def _row(each: Body, at: datetime) -> list[screen.Cell]:
    metric, created = each.get("metric"), instant(each["created"])
    took = span(timedelta(seconds=each["seconds"])) if "seconds" in each else ""
    return [
        Text(each["name"], "bold" if each["phase"] == phases.LIVE else ""),
        Text(each["phase"], phases.colour(each["phase"])),
        each["trigger"],
        f"{metric['name']} {shown(metric['value'])}" if metric else "",
        shown(metric["live"]) if metric and "live" in metric else "",
        judged(metric) if metric and "live" in metric else "",
        span(at - created) if created else "",
        took if each["phase"] in (phases.LIVE, *phases.ENDED) else Text(took, "yellow"),
        Text(each.get("message", ""), "dim"),
    ]
