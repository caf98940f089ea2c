"""`status`: an overview of one model, or a line for each model."""

from __future__ import annotations

import re
from argparse import Namespace

from rich.console import Console
from rich.text import Text

from kubectl_perennial.client import Body, Cluster
from kubectl_perennial.errors import UsageError
from kubectl_perennial.selection import select
from kubectl_perennial.terminal import colours
from kubectl_perennial.terminal import console as output
from kubectl_perennial.terminal.overview import draw
from kubectl_perennial.views.claims import claim_problems, claims_of
from kubectl_perennial.views.overview import model_overview, summary
from kubectl_perennial.views.times import now
from perennial_operator.core import names
from perennial_operator.core.api.model_version import Phase

JOBS = {Phase.TRAINING: names.train_job, Phase.VALIDATING: names.validate_job}


def run(cluster: Cluster, arguments: Namespace, console: Console) -> None:
    if arguments.name is None:
        _all(cluster, arguments, console)
        return
    if arguments.all_namespaces:
        raise UsageError("-A shows the models of all namespaces; omit the name, or give its namespace with -n")
    selection = select(cluster, [arguments.name])
    if selection.named:
        raise UsageError(
            f"{arguments.name} is a version; use kubectl perennial history {selection.name}, or status {selection.name}"
        )
    at = now()
    fields = model_overview(selection, cluster.list("DriftReport", model=selection.name), at)
    spec = selection.deployment["spec"]
    if problems := claim_problems(spec, cluster.access_modes(claims_of(spec))):
        fields["claims"] = problems
    _add_log_line(cluster, fields)
    if arguments.output:
        console.print(output.printed(fields, arguments.output), soft_wrap=True)
    else:
        draw(selection, fields, console, at)


def _add_log_line(cluster: Cluster, fields: Body) -> None:
    """What the candidate's Job said last, and when, is in the fields: how far it is, if it says so."""
    candidate = fields.get("candidate")
    if candidate and (job := JOBS.get(candidate["phase"])) and (line := cluster.last_log_line(job(candidate["name"]))):
        time, _, text = line.partition(" ")
        if re.fullmatch(r"[\d-]+T[\d:.]+Z", time):
            candidate["log"] = {"time": time, "text": text}


def _all(cluster: Cluster, arguments: Namespace, console: Console) -> None:
    models = [summary(body) for body in cluster.list("ModelDeployment", everywhere=arguments.all_namespaces)]
    models.sort(key=lambda each: (each["namespace"], each["name"]))
    if arguments.output:
        console.print(output.printed(models, arguments.output), soft_wrap=True)
        return
    if not models:
        where = "any namespace" if arguments.all_namespaces else f"namespace {cluster.namespace}"
        console.print(f"No ModelDeployment in {where}.")
        return
    head = ["NAME", "LIVE", "CANDIDATE", "PHASE", "WEIGHT", "DRIFT", "READY", "MESSAGE"]
    rows = [_line(each) for each in models]
    if arguments.all_namespaces:
        head, rows = ["NAMESPACE", *head], [[each["namespace"], *row] for each, row in zip(models, rows, strict=True)]
    output.show(console, output.table(head, rows, ("WEIGHT", "READY")))


def _line(each: Body) -> list[output.Cell]:
    weight = f"{each['weight']} %" if "weight" in each else ""
    return [
        Text(each["name"], "bold"),
        Text(each.get("live", "none"), "" if "live" in each else "red"),
        each.get("candidate", ""),
        colours.phase_text(each["phase"]),
        weight,
        colours.outcome_text(each.get("drift", {}).get("outcome")),
        colours.replicas_text(each),
        Text(each["message"], "" if each["ready"] == "True" else "yellow"),
    ]
