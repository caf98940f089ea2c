"""`status`: the loop of one model at a glance, or a line for each model."""

from __future__ import annotations

from argparse import Namespace

from rich.console import Console
from rich.text import Text

from kubectl_perennial.client import Body, Cluster
from kubectl_perennial.errors import UsageError
from kubectl_perennial.selection import meant
from kubectl_perennial.terminal import colours as words
from kubectl_perennial.terminal import console as screen
from kubectl_perennial.terminal.overview import draw
from kubectl_perennial.views.overview import glance, overview
from kubectl_perennial.views.times import now


def run(cluster: Cluster, asked: Namespace, console: Console) -> None:
    if asked.name is None:
        _all(cluster, asked, console)
        return
    if asked.all_namespaces:
        raise UsageError("-A shows the models of all namespaces; leave the name out, or give its namespace by -n")
    of = meant(cluster, [asked.name])
    if of.named:
        raise UsageError(f"{asked.name} is a version; say kubectl perennial history {of.name}, or status {of.name}")
    at = now()
    found = overview(of, cluster.list("DriftReport", of=of.name), at)
    if asked.output:
        console.print(screen.printed(found, asked.output), soft_wrap=True)
    else:
        draw(of, found, console, at)


def _all(cluster: Cluster, asked: Namespace, console: Console) -> None:
    there = [glance(body) for body in cluster.list("ModelDeployment", everywhere=asked.all_namespaces)]
    there.sort(key=lambda each: (each["namespace"], each["name"]))
    if asked.output:
        console.print(screen.printed(there, asked.output), soft_wrap=True)
        return
    if not there:
        where = "any namespace" if asked.all_namespaces else f"namespace {cluster.namespace}"
        console.print(f"No ModelDeployment in {where}.")
        return
    head = ["NAME", "LIVE", "CANDIDATE", "PHASE", "WEIGHT", "DRIFT", "READY", "MESSAGE"]
    rows = [_line(each) for each in there]
    if asked.all_namespaces:
        head, rows = ["NAMESPACE", *head], [[each["namespace"], *row] for each, row in zip(there, rows, strict=True)]
    screen.show(console, screen.table(head, rows, ("WEIGHT", "READY")))


def _line(each: Body) -> list[screen.Cell]:
    weight = f"{each['weight']} %" if "weight" in each else ""
    return [
        Text(each["name"], "bold"),
        Text(each.get("live", "none"), "" if "live" in each else "red"),
        each.get("candidate", ""),
        words.phase(each["phase"]),
        weight,
        words.outcome(each.get("drift", {}).get("outcome")),
        words.replicas(each),
        Text(each["message"], "" if each["ready"] == "True" else "yellow"),
    ]
