"""The commands and their options.

argparse is enough: the commands are flat, a wrong usage ends with exit code 2, and nothing more has to be imported each
time a command is run.
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace, RawDescriptionHelpFormatter
from collections.abc import Sequence

from kubectl_perennial.cli.cluster_commands import add_check, add_decisions, add_forget, add_read_commands
from kubectl_perennial.cli.local_commands import add_backtest, add_trial
from kubectl_perennial.cli.options import PROGRAM, add_cluster_options
from perennial_operator import __version__


def parse_arguments(arguments: Sequence[str]) -> Namespace:
    """The options of the command; `run` executes it. Exits with 2 if the usage is wrong."""
    return make_parser().parse_args(arguments)


def make_parser() -> ArgumentParser:
    parser = ArgumentParser(
        PROGRAM,
        formatter_class=RawDescriptionHelpFormatter,
        description="Reads and steers Perennial's models.\nWrites annotations and DriftReports, never spec.",
        epilog="A version is named bike-v4, or v4 after the name of its model.\nExit code 1: failed; 2: wrong usage.",
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    add_cluster_options(parser)
    parser.set_defaults(namespace=None, context=None, kubeconfig=None)
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    add_read_commands(commands)
    add_decisions(commands)
    add_check(commands)
    add_forget(commands)
    add_backtest(commands)
    add_trial(commands)
    return parser
