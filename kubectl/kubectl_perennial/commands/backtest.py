"""`backtest`: what one or several policies would have done on a history. It needs no cluster.

The packages of the trainer are imported only here, and only once the command runs.
"""

from __future__ import annotations

import json
import sys
from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from rich.console import Console

from kubectl_perennial.errors import CommandError, UsageError
from kubectl_perennial.terminal import console as output
from kubectl_perennial.terminal.backtest import draw
from kubectl_perennial.views.comparison_table import HEAD, change_text, comparison, policy_label, summary

if TYPE_CHECKING:
    from kubectl_perennial.simulation.backtest import Backtest, Plan
    from kubectl_perennial.simulation.manifest import Manifest

Body = dict[str, Any]
EXTRA = "pip install 'perennial[backtest]'"
INSIDE = "-"
"""As the page's file: it is in the fields."""


def run(arguments: Namespace, console: Console) -> None:
    """Prints the table or the fields, and writes the page; with a suggestion, prints the manifest that wins."""
    if arguments.html == INSIDE and not arguments.output:
        raise UsageError("--html - puts the page into the fields: give -o json, too")
    if arguments.result:
        _show(_of_job(arguments.result), arguments, console)
        return
    if not arguments.manifests:
        raise UsageError("name a file with a ModelDeployment")
    try:
        if arguments.in_cluster:
            console.print(_job(arguments), soft_wrap=True)
        else:
            _show(_played(arguments), arguments, console)
    except ImportError as error:
        raise CommandError(f"backtest runs the trainer's code, and {error.name} is missing: {EXTRA}") from error


def _played(arguments: Namespace) -> Body:
    """The fields of the backtest, and the page if it is wanted."""
    from kubectl_perennial.simulation.backtest import batch_lasts, run_backtest
    from kubectl_perennial.simulation.history import columns_of, cut, read_history
    from kubectl_perennial.simulation.manifest import with_settings
    from kubectl_perennial.simulation.progress import Bar
    from kubectl_perennial.simulation.suggesting.candidates import candidates_of
    from kubectl_perennial.views.backtest import backtest_fields
    from kubectl_perennial.views.suggestion import NOT_KNOWN, suggestion_fields

    manifests, plan = _read(arguments)
    if not arguments.data:
        raise UsageError("give --data: files with labelled rows")
    policies = [*manifests, *(with_settings(manifests[0], settings) for settings in arguments.set or ())]
    history = read_history(arguments.data, columns_of(*(policy.spec for policy in policies)))
    if arguments.suggest:
        timeline = cut(history, plan.every, plan.labels_late, batch_lasts(manifests[0]))
        policies = [*candidates_of(manifests[0], timeline, plan.every), *policies[1:]]
    with Bar(sys.stderr) as bar:
        backtest = run_backtest(policies, history, plan, bar.show)
    fields = backtest_fields(backtest)
    if arguments.suggest:
        fields["unknown"].append(NOT_KNOWN)
        fields["suggestion"] = suggestion_fields(backtest, fields, policies)
    return {**fields, "page": _page(backtest, fields)} if arguments.html else fields


def _read(arguments: Namespace) -> tuple[list[Manifest], Plan]:
    from kubectl_perennial.simulation.backtest import Plan, cache_folder
    from kubectl_perennial.simulation.manifest import FIRST, ROWS, read_manifest, span

    manifests = [read_manifest(file) for file in arguments.manifests]
    every = arguments.every or str(manifests[0].annotation(ROWS) or "")
    if not every:
        raise UsageError("give --every: a span of time such as 7d, or a number of rows")
    return manifests, Plan(
        every=span(every, "--every"),
        first=arguments.first or manifests[0].annotation(FIRST),
        labels_late=span(arguments.labels_late, "--labels-late"),
        seed=arguments.seed,
        shuffled=not arguments.no_shuffle,
        folder=Path(arguments.cache).expanduser().absolute() if arguments.cache else cache_folder(),
    )


def _page(backtest: Backtest, fields: Body) -> str:
    from kubectl_perennial.simulation.drawing.page import Suggested, backtest_page

    suggested = None
    if suggestion := fields.get("suggestion"):
        names = [policy_label(policy, fields) for policy in fields["policies"]]
        changes = [change_text(change) for change in suggestion["changes"]]
        suggested = Suggested(suggestion["place"] - 1, names, suggestion["why"], changes)
    rows = list(comparison(fields))
    return backtest_page(backtest, summary(fields), fields["unknown"], HEAD, rows, suggested).decode()


def _show(fields: Body, arguments: Namespace, console: Console) -> None:
    """A suggested manifest alone is on standard output: what is for people is then on standard error."""
    if arguments.html != INSIDE:
        page = fields.pop("page", None)
        if arguments.html:
            _write(arguments.html, page)
    if arguments.output:
        console.print(output.printed(fields, arguments.output), soft_wrap=True)
    elif "suggestion" in fields:
        draw(fields, output.make_console(error=True))
        console.print(fields["suggestion"]["manifest"], soft_wrap=True, end="")
    else:
        draw(fields, console)


def _write(file: str, page: str) -> None:
    try:
        Path(file).expanduser().write_text(page, encoding="utf-8")
    except OSError as error:
        raise CommandError(f"{file} cannot be written: {error.strerror}; give another file by --html") from error


def _job(arguments: Namespace) -> str:
    """The manifests of the Job, for kubectl."""
    from kubectl_perennial.simulation.in_cluster.backtest_job import IMAGE, job_manifests
    from perennial_operator.core.world import Policy

    manifests, _ = _read(arguments)
    policy = Policy(arguments.image or IMAGE, service_account=arguments.service_account or "")
    bodies = job_manifests(
        manifests, list(_options(arguments)), policy, arguments.data or (), arguments.namespace or ""
    )
    return yaml.safe_dump_all(bodies, sort_keys=False, allow_unicode=True, width=output.PIPE_WIDTH).rstrip()


def _options(arguments: Namespace) -> Iterator[str]:
    """Those that the Job gets as they are."""
    for name in ("every", "first", "labels_late", "seed"):
        if (value := getattr(arguments, name)) not in (None, 0, "0"):
            yield from (f"--{name.replace('_', '-')}", str(value))
    for settings in arguments.set or ():
        yield from ("--set", *settings)
    for name in ("suggest", "no_shuffle"):
        if getattr(arguments, name):
            yield f"--{name.replace('_', '-')}"


def _of_job(file: str) -> Body:
    """The fields in a Job's log."""
    try:
        text = sys.stdin.read() if file == "-" else Path(file).expanduser().read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise CommandError(f"{file} cannot be read: {error}") from error
    try:
        fields: Body = json.JSONDecoder().raw_decode(text, max(0, text.find("{\n")))[0]
    except json.JSONDecodeError:
        last = (text.strip().splitlines() or ["nothing"])[-1]
        raise CommandError(f"{file} is not the log of a backtest that has ended; it ends with: {last[:300]}") from None
    return fields
