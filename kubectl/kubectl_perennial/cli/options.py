"""What several commands have: how one is added, with examples, and the options that they share."""

from __future__ import annotations

from argparse import SUPPRESS, ArgumentParser, RawDescriptionHelpFormatter
from textwrap import fill, wrap
from typing import Any

PROGRAM = "kubectl perennial"
WIDTH = 78
"""Characters of a line of help, as argparse writes it on a terminal of 80 columns."""


def add_command(commands: Any, name: str, run: Any, summary: str, *examples: str) -> ArgumentParser:
    lines = "\n".join(_continued(f"{PROGRAM} {name} {example}") for example in examples)
    parser: ArgumentParser = commands.add_parser(
        name,
        help=summary,
        description=fill(f"{summary[0].upper()}{summary[1:]}.", WIDTH),
        epilog=f"examples:\n{lines}",
        formatter_class=RawDescriptionHelpFormatter,
    )
    parser.set_defaults(run=run, needs_cluster=True)
    add_cluster_options(parser)
    return parser


def _continued(example: str) -> str:
    """The command, which a shell reads as one line, in lines that a terminal of 80 columns shows whole."""
    lines = wrap(example, WIDTH - 4, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False)
    return " \\\n".join(f"  {line}" for line in lines)


def add_cluster_options(parser: ArgumentParser) -> None:
    """Options before or after the command: a default after it must not replace a value before it."""
    group = parser.add_argument_group("cluster")
    group.add_argument("-n", "--namespace", metavar="NAME", default=SUPPRESS, help="default that of the context")
    group.add_argument("--context", metavar="NAME", default=SUPPRESS, help="context of the kubeconfig")
    group.add_argument("--kubeconfig", metavar="FILE", default=SUPPRESS, help="default $KUBECONFIG or ~/.kube/config")


def add_names(command: ArgumentParser) -> None:
    command.add_argument("names", nargs="*", metavar="MODEL VERSION", help="bike v4, or bike-v4")


def add_output(command: ArgumentParser) -> None:
    command.add_argument("-o", "--output", choices=("json", "yaml"), help="print fields instead of text")


def count(text: str) -> int:
    if not text.isdecimal():
        raise ValueError(text)
    return int(text)
