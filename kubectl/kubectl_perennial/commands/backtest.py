"""`backtest`: what one or several policies would have done on a history. It needs no cluster.

The packages of the trainer are imported only here, and only once the command runs.
"""

from __future__ import annotations

import sys
from argparse import Namespace
from pathlib import Path

from rich.console import Console

from kubectl_perennial.errors import CommandError, UsageError
from kubectl_perennial.terminal import console as output
from kubectl_perennial.terminal.backtest import draw
from kubectl_perennial.views.comparison_table import HEAD, comparison, summary

EXTRA = "pip install 'perennial[backtest]'"


def run(arguments: Namespace, console: Console) -> None:
    """Prints the table or the fields, and writes the page."""
    try:
        from kubectl_perennial.simulation.backtest import Plan, cache_folder, run_backtest
        from kubectl_perennial.simulation.drawing.page import backtest_page
        from kubectl_perennial.simulation.history import columns_of, read_history
        from kubectl_perennial.simulation.manifest import FIRST, ROWS, read_manifest, span, with_settings
        from kubectl_perennial.simulation.progress import Bar
        from kubectl_perennial.views.backtest import backtest_fields
    except ImportError as error:
        raise CommandError(f"backtest runs the trainer's code, and {error.name} is missing: {EXTRA}") from error
    manifests = [read_manifest(file) for file in arguments.manifests]
    policies = [*manifests, *(with_settings(manifests[0], settings) for settings in arguments.set or ())]
    every = arguments.every or str(manifests[0].annotation(ROWS) or "")
    if not every:
        raise UsageError("give --every: a span of time such as 7d, or a number of rows")
    plan = Plan(
        every=span(every, "--every"),
        first=arguments.first or manifests[0].annotation(FIRST),
        labels_late=span(arguments.labels_late, "--labels-late"),
        seed=arguments.seed,
        shuffled=not arguments.no_shuffle,
        folder=Path(arguments.cache).expanduser() if arguments.cache else cache_folder(),
    )
    history = read_history(arguments.data, columns_of(*(policy.spec for policy in policies)))
    with Bar(sys.stderr) as bar:
        backtest = run_backtest(policies, history, plan, bar.show)
    fields = backtest_fields(backtest)
    if arguments.html:
        page = backtest_page(backtest, summary(fields), fields["unknown"], HEAD, list(comparison(fields)))
        _write(arguments.html, page)
    if arguments.output:
        console.print(output.printed(fields, arguments.output), soft_wrap=True)
    else:
        draw(fields, console)


def _write(file: str, page: bytes) -> None:
    try:
        Path(file).expanduser().write_bytes(page)
    except OSError as error:
        raise CommandError(f"{file} cannot be written: {error.strerror}; give another file by --html") from error
