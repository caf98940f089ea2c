"""`backtest`: what one or several policies would have done on a history. It needs no cluster.

The packages of the trainer are imported only here, and only once the command runs.
"""

from __future__ import annotations

import sys
from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from kubectl_perennial.errors import CommandError, UsageError
from kubectl_perennial.terminal import console as output
from kubectl_perennial.terminal.backtest import draw
from kubectl_perennial.views.comparison_table import HEAD, comparison, policy_label, summary, value_text

if TYPE_CHECKING:
    from kubectl_perennial.simulation.backtest import Backtest, Plan
    from kubectl_perennial.simulation.manifest import Manifest

EXTRA = "pip install 'perennial[backtest]'"


def run(arguments: Namespace, console: Console) -> None:
    """Prints the table or the fields, and writes the page; with a suggestion, prints the manifest that wins."""
    try:
        from kubectl_perennial.simulation.backtest import run_backtest
        from kubectl_perennial.simulation.history import columns_of, cut, read_history
        from kubectl_perennial.simulation.manifest import read_manifest, with_settings
        from kubectl_perennial.simulation.progress import Bar
        from kubectl_perennial.simulation.suggesting.candidates import candidates_of
        from kubectl_perennial.views.backtest import backtest_fields
        from kubectl_perennial.views.suggestion import NOT_KNOWN, suggestion_fields
    except ImportError as error:
        raise CommandError(f"backtest runs the trainer's code, and {error.name} is missing: {EXTRA}") from error
    manifests = [read_manifest(file) for file in arguments.manifests]
    policies = [*manifests, *(with_settings(manifests[0], settings) for settings in arguments.set or ())]
    plan = _plan(arguments, manifests[0])
    history = read_history(arguments.data, columns_of(*(policy.spec for policy in policies)))
    if arguments.suggest:
        timeline = cut(history, plan.every, plan.labels_late)
        policies = [*candidates_of(manifests[0], timeline, plan.every), *policies[1:]]
    with Bar(sys.stderr) as bar:
        backtest = run_backtest(policies, history, plan, bar.show)
    fields = backtest_fields(backtest)
    if arguments.suggest:
        fields["unknown"].append(NOT_KNOWN)
        fields["suggestion"] = suggestion_fields(backtest, fields, policies)
    if arguments.html:
        _write(arguments.html, _page(backtest, fields))
    _print(fields, arguments, console)


def _print(fields: dict[str, Any], arguments: Namespace, console: Console) -> None:
    """A suggested manifest alone is on standard output: what is for people is then on standard error."""
    if arguments.output:
        console.print(output.printed(fields, arguments.output), soft_wrap=True)
    elif arguments.suggest:
        draw(fields, output.make_console(error=True))
        console.print(fields["suggestion"]["manifest"], soft_wrap=True, end="")
    else:
        draw(fields, console)


def _plan(arguments: Namespace, manifest: Manifest) -> Plan:
    from kubectl_perennial.simulation.backtest import Plan, cache_folder
    from kubectl_perennial.simulation.manifest import FIRST, ROWS, span

    every = arguments.every or str(manifest.annotation(ROWS) or "")
    if not every:
        raise UsageError("give --every: a span of time such as 7d, or a number of rows")
    return Plan(
        every=span(every, "--every"),
        first=arguments.first or manifest.annotation(FIRST),
        labels_late=span(arguments.labels_late, "--labels-late"),
        seed=arguments.seed,
        shuffled=not arguments.no_shuffle,
        folder=Path(arguments.cache).expanduser() if arguments.cache else cache_folder(),
    )


def _page(backtest: Backtest, fields: dict[str, Any]) -> bytes:
    from kubectl_perennial.simulation.drawing.page import Suggested, backtest_page

    suggested = None
    if suggestion := fields.get("suggestion"):
        names = [policy_label(policy, fields) for policy in fields["policies"]]
        changes = [[field, *map(value_text, values)] for field, *values in map(dict.values, suggestion["changes"])]
        suggested = Suggested(suggestion["place"] - 1, names, suggestion["why"], changes)
    return backtest_page(backtest, summary(fields), fields["unknown"], HEAD, list(comparison(fields)), suggested)


def _write(file: str, page: bytes) -> None:
    try:
        Path(file).expanduser().write_bytes(page)
    except OSError as error:
        raise CommandError(f"{file} cannot be written: {error.strerror}; give another file by --html") from error
