"""What can be typed: commands, options, and an example for each.

argparse suffices: the commands are flat, its errors end with exit code 2, and a plugin that starts anew for each line
typed should import nothing for it.
"""

from __future__ import annotations

import getpass
import os
from argparse import SUPPRESS, ArgumentParser, Namespace, RawDescriptionHelpFormatter
from collections.abc import Callable, Sequence
from typing import Any

from rich.console import Console

from kubectl_perennial.client import Cluster
from kubectl_perennial.commands import check, compare, history, pin, report, status
from kubectl_perennial.commands import decisions as ask

PROGRAM = "kubectl perennial"
Run = Callable[[Cluster, Namespace, Console], None]


def parsed(words: Sequence[str]) -> Namespace:
    """The command with its options; `run` of it does it. Ends the process with 2 if it is no command."""
    return _parser().parse_args(words)


def _parser() -> ArgumentParser:
    whole = ArgumentParser(
        PROGRAM,
        formatter_class=RawDescriptionHelpFormatter,
        description="What a person asks of Perennial. Writes annotations and DriftReports, never spec.",
        epilog="A version is named bike-v4, or v4 after its model's name.\n"
        "Exit code 1: it could not be done; 2: no such command.",
    )
    _where(whole)
    whole.set_defaults(namespace=None, context=None, kubeconfig=None)
    commands = whole.add_subparsers(title="commands", metavar="COMMAND", required=True)
    _reading(commands)
    _asking(commands)
    _checking(commands)
    return whole


def _reading(commands: Any) -> None:
    one = _command(
        commands, "status", status.run, "the loop of one model at a glance; all models without a name", "bike"
    )
    one.add_argument("name", nargs="?", metavar="MODEL")
    one.add_argument("-A", "--all-namespaces", action="store_true", help="models of all namespaces")
    _output(one)
    one = _command(
        commands, "history", history.run, "every version of a model: why, how good, how long, what became of it", "bike"
    )
    one.add_argument("name", nargs="?", metavar="MODEL")
    _output(one)
    one = _command(
        commands,
        "compare",
        compare.run,
        "two versions side by side; default the live one and the candidate",
        "bike v3 v4",
    )
    _names(one)
    _output(one)
    one = _command(
        commands, "report", report.run, "open the page of a version's training, or of a drift report", "bike v4"
    )
    _names(one)
    one.add_argument("--drift", action="store_true", help="the page of the newest drift report that has one")
    one.add_argument("--print", action="store_true", help="print the address only")
    one.add_argument("--to", metavar="FILE", help="save the page there, and open nothing")


def _asking(commands: Any) -> None:
    for name, run, what in (
        ("approve", ask.approve, "let a candidate that waits for approval go on"),
        ("reject", ask.reject, "end a candidate; one that is rolled out is rolled back"),
    ):
        one = _command(commands, name, run, what, "bike v4 --by ada")
        _names(one)
        one.add_argument("--by", metavar="WHO", help="who it is (default $USER, or the kubeconfig's user)")
    one = _command(commands, "retrain", ask.retrain, "ask for a new version now; waits for no cool-down", "bike")
    one.add_argument("name", metavar="MODEL")
    one = _command(
        commands, "pin", pin.run, "print the patch that makes a model serve one version; nothing is written", "bike v3"
    )
    _names(one)
    one.add_argument("--off", action="store_true", help="the patch that ends a pin")
    _output(one)


def _checking(commands: Any) -> None:
    one = _command(
        commands,
        "check",
        check.run,
        "write a DriftReport from Evidently's or NannyML's file, or from two files of rows",
        "bike --evidently drift.json",
        "bike --nannyml drift.csv --dry-run",
        "bike v4 --reference january.parquet --recent 'june/*.parquet'",
    )
    _names(one)
    source = one.add_argument_group("what was measured (one of them)")
    source.add_argument(
        "--evidently", metavar="FILE", help="JSON of a run of Evidently 0.7 or newer; - is standard input"
    )
    source.add_argument(
        "--nannyml", metavar="FILE", help="a result's to_df() as csv, parquet or json; its newest chunk counts"
    )
    source.add_argument(
        "--reference", metavar="FILE", help="rows to compare with: csv or parquet, a path or URI, with wildcards"
    )
    source.add_argument(
        "--recent", metavar="FILE", help="recent rows; compared by the trainer's code: perennial[trainer]"
    )
    source.add_argument(
        "--newest", metavar="SPAN", default="all", help="of the recent rows: all, 24h, or a number of rows"
    )
    said = one.add_argument_group("what the file does not say")
    said.add_argument("--samples", type=_count, metavar="N", help="how many rows were measured")
    said.add_argument("--start", metavar="TIME", help="time of the oldest row, such as 2026-11-22T00:00:00Z")
    said.add_argument("--end", metavar="TIME", help="time of the newest row")
    said.add_argument(
        "--prediction", metavar="COLUMN", default="prediction", help="the tool's name of the model's answers"
    )
    said.add_argument("--source", metavar="TEXT", help="who measured")
    said.add_argument("--details", metavar="URI", help="address of a page with the whole report")
    said.add_argument(
        "--name", dest="as_name", metavar="NAME", help="name of the DriftReport; default one made of its content"
    )
    one.add_argument("--dry-run", action="store_true", help="print the DriftReport and write nothing")
    _output(one)


def _command(commands: Any, name: str, run: Run, what: str, *examples: str) -> ArgumentParser:
    shown = "\n".join(f"  {PROGRAM} {name} {example}" for example in examples)
    one: ArgumentParser = commands.add_parser(
        name,
        help=what,
        description=what[0].upper() + what[1:] + ".",
        epilog=f"examples:\n{shown}",
        formatter_class=RawDescriptionHelpFormatter,
    )
    one.set_defaults(run=run)
    _where(one)
    return one


def _where(parser: ArgumentParser) -> None:
    """Options that may stand before the command and after it: what is not given there hides nothing given here."""
    where = parser.add_argument_group("which cluster")
    where.add_argument("-n", "--namespace", metavar="NAME", default=SUPPRESS, help="default that of the context")
    where.add_argument("--context", metavar="NAME", default=SUPPRESS, help="context of the kubeconfig")
    where.add_argument("--kubeconfig", metavar="FILE", default=SUPPRESS, help="default $KUBECONFIG or ~/.kube/config")


def _names(one: ArgumentParser) -> None:
    one.add_argument("names", nargs="*", metavar="MODEL VERSION", help="bike v4, or bike-v4")


def _output(one: ArgumentParser) -> None:
    one.add_argument("-o", "--output", choices=("json", "yaml"), help="print fields instead of a picture")


def _count(text: str) -> int:
    if not text.isdecimal():
        raise ValueError(text)
    return int(text)


def person(said: str | None, of_kubeconfig: str) -> str:
    """Who it is that asks: as said, or as the machine or the kubeconfig knows them."""
    return said or os.environ.get("USER") or os.environ.get("USERNAME") or of_kubeconfig or getpass.getuser()
