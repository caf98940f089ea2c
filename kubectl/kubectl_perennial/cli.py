"""The commands, their options, and examples of each.

argparse is enough: the commands are flat, a wrong usage ends with exit code 2, and nothing more has to be imported each
time a command is run.
"""

from __future__ import annotations

from argparse import SUPPRESS, ArgumentParser, Namespace, RawDescriptionHelpFormatter
from collections.abc import Callable, Sequence
from typing import Any

from rich.console import Console

from kubectl_perennial.client import Cluster
from kubectl_perennial.commands import backtest, check, compare, decisions, history, init, pin, report, status, trial

PROGRAM = "kubectl perennial"
Run = Callable[[Cluster, Namespace, Console], None]


def parse_arguments(arguments: Sequence[str]) -> Namespace:
    """The options of the command; `run` executes it. Exits with 2 if the usage is wrong."""
    return _parser().parse_args(arguments)


def _parser() -> ArgumentParser:
    parser = ArgumentParser(
        PROGRAM,
        formatter_class=RawDescriptionHelpFormatter,
        description="Reads and steers Perennial's models. Writes annotations and DriftReports, never spec.",
        epilog="A version is named bike-v4, or v4 after the name of its model.\nExit code 1: failed; 2: wrong usage.",
    )
    _add_cluster_options(parser)
    parser.set_defaults(namespace=None, context=None, kubeconfig=None)
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    _add_read_commands(commands)
    _add_decisions(commands)
    _add_check(commands)
    _add_backtest(commands)
    _add_trial(commands)
    return parser


def _add_read_commands(commands: Any) -> None:
    command = _command(commands, "status", status.run, "show one model, or a line for each model", "bike")
    command.add_argument("name", nargs="?", metavar="MODEL")
    command.add_argument("-A", "--all-namespaces", action="store_true", help="models of all namespaces")
    _add_output(command)
    command = _command(
        commands, "history", history.run, "list the versions of a model: trigger, metric, duration, result", "bike"
    )
    command.add_argument("name", nargs="?", metavar="MODEL")
    _add_output(command)
    command = _command(
        commands,
        "compare",
        compare.run,
        "compare two versions; default the live one and the candidate",
        "bike v3 v4",
    )
    _add_names(command)
    _add_output(command)
    command = _command(
        commands, "report", report.run, "open the page of a version's training, or of a drift report", "bike v4"
    )
    _add_names(command)
    command.add_argument("--drift", action="store_true", help="the page of the newest drift report that has one")
    command.add_argument("--print", action="store_true", help="only print the address")
    command.add_argument("--to", metavar="FILE", help="save the page to this file instead of opening it")


def _add_decisions(commands: Any) -> None:
    for name, run, summary in (
        ("approve", decisions.approve, "approve a candidate that waits for approval"),
        ("reject", decisions.reject, "reject a candidate; during its roll-out it is rolled back"),
    ):
        command = _command(commands, name, run, summary, "bike v4 --by ada")
        _add_names(command)
        command.add_argument("--by", metavar="PERSON", help="the person who decides, if the account is not theirs")
    command = _command(commands, "retrain", decisions.retrain, "request a new version now, without a cool-down", "bike")
    command.add_argument("name", metavar="MODEL")
    command = _command(
        commands, "pin", pin.run, "print the patch that pins a model to one version; writes nothing", "bike v3"
    )
    _add_names(command)
    command.add_argument("--off", action="store_true", help="print the patch that removes the pin")
    _add_output(command)


def _add_check(commands: Any) -> None:
    command = _command(
        commands,
        "check",
        check.run,
        "write a DriftReport from Evidently's or NannyML's file, or from two files of rows",
        "bike --evidently drift.json",
        "bike --nannyml drift.csv --dry-run",
        "bike v4 --reference january.parquet --recent 'june/*.parquet'",
    )
    _add_names(command)
    _add_sources(command)
    _add_report_fields(command)
    command.add_argument("--dry-run", action="store_true", help="print the DriftReport and write nothing")
    _add_output(command)


def _add_sources(command: ArgumentParser) -> None:
    group = command.add_argument_group("source of the measurements (one of them)")
    group.add_argument(
        "--evidently", metavar="FILE", help="JSON of a run of Evidently 0.7 or newer; - is standard input"
    )
    group.add_argument(
        "--nannyml", metavar="FILE", help="a result's to_df() as csv, parquet or json; its newest chunk is reported"
    )
    group.add_argument(
        "--reference", metavar="FILE", help="rows to compare with: csv or parquet, a path or URI, with wildcards"
    )
    group.add_argument(
        "--recent", metavar="FILE", help="recent rows, compared by the trainer's code: perennial[trainer]"
    )
    group.add_argument(
        "--newest", metavar="SPAN", default="all", help="of the recent rows: all, 24h, or a number of rows"
    )


def _add_report_fields(command: ArgumentParser) -> None:
    group = command.add_argument_group("fields that the file does not have")
    group.add_argument("--samples", type=_count, metavar="N", help="number of rows measured")
    group.add_argument("--start", metavar="TIME", help="time of the oldest row, such as 2026-11-22T00:00:00Z")
    group.add_argument("--end", metavar="TIME", help="time of the newest row")
    group.add_argument(
        "--prediction", metavar="COLUMN", default="prediction", help="the tool's name of the column of predictions"
    )
    group.add_argument("--source", metavar="TEXT", help="the tool that measured")
    group.add_argument("--details", metavar="URI", help="address of a page with the whole report")
    group.add_argument(
        "--name", dest="as_name", metavar="NAME", help="name of the DriftReport; default a digest of its content"
    )


def _add_backtest(commands: Any) -> None:
    command = _command(
        commands,
        "backtest",
        backtest.run,
        "play manifests over a history, without a cluster, and show what they would have done",
        "bike.yaml --data 'rides/*.parquet' --every 7d",
        "bike.yaml --data rides.csv --every 500 --set drift.thresholds[0].maxIncrease=0.1",
        "bike.yaml --data 'rides/*.parquet' --every 7d --suggest --html trade.html > better.yaml",
        "bike.yaml --every 7d --in-cluster | kubectl apply -f -",
    )
    command.set_defaults(needs_cluster=False)
    command.add_argument("manifests", nargs="*", metavar="FILE", help="a ModelDeployment in YAML; several are compared")
    command.add_argument("--data", nargs="+", metavar="FILE", help="labelled rows: paths, globs or URIs")
    command.add_argument("--every", metavar="SPAN", help="how much a batch is: 7d, or a number of rows")
    command.add_argument(
        "--first", type=_count, metavar="N", help="batches before the first version; default an eighth"
    )
    command.add_argument(
        "--labels-late", default="0", metavar="SPAN", help="when labels are known: batches later, or a span such as 3d"
    )
    command.add_argument(
        "--set", action="append", nargs="+", metavar="FIELD=VALUE", help="one more policy: the first with these fields"
    )
    command.add_argument(
        "--suggest", action="store_true", help="try some policies more, and print the manifest that wins"
    )
    command.add_argument("--seed", type=_count, default=0, metavar="N", help="of the order of shuffled rows; default 0")
    command.add_argument("--no-shuffle", action="store_true", help="do not count alarms on shuffled rows")
    command.add_argument("--html", metavar="FILE", help="also write a page: loss over time, versions and decisions")
    command.add_argument(
        "--cache", metavar="FOLDER", help="where results are kept; default ~/.cache/perennial/backtest"
    )
    _add_backtest_job(command)
    _add_output(command)


def _add_backtest_job(command: ArgumentParser) -> None:
    group = command.add_argument_group("in the cluster, where the rows are")
    group.add_argument(
        "--in-cluster", action="store_true", help="play nothing, and print a Job that does it for data.training"
    )
    group.add_argument("--image", metavar="IMAGE", help="of the Job; default perennial-backtest of this version")
    group.add_argument("--service-account", metavar="NAME", help="of the Job's pod; no token is mounted")
    group.add_argument("--result", metavar="FILE", help="play nothing, and show the log of the Job; - is stdin")


def _add_trial(commands: Any) -> None:
    command = _command(
        commands,
        "try",
        trial.run,
        "play a manifest once on this machine, without a cluster: what would happen?",
        "bike.yaml rides.csv",
    )
    command.set_defaults(needs_cluster=False)
    command.add_argument("manifest", metavar="FILE", help="a ModelDeployment in YAML")
    command.add_argument(
        "data", nargs="?", metavar="DATA", help="its rows: a path, glob or URI; default those it names"
    )
    command.add_argument("--folder", metavar="FOLDER", help="an empty folder for all files; default a temporary one")
    command.add_argument("--no-open", action="store_true", help="do not open the page of the version")
    _add_output(command)
    command = _command(commands, "init", init.run, "print a manifest for a file of rows", "bike.csv --target rentals")
    command.set_defaults(needs_cluster=False)
    command.add_argument("data", metavar="DATA", help="labelled rows: a path, glob or URI")
    command.add_argument("--target", required=True, metavar="COLUMN", help="the column to predict")
    command.add_argument("--name", metavar="MODEL", help="default that of the file")
    command.add_argument("--uri", metavar="URI", help="where pods read the rows; default a ConfigMap")
    command.add_argument("--storage", metavar="URI", help="where versions are stored; default a claim")
    command.add_argument("-o", "--output", choices=("json",), help="print fields instead of text")


def _command(commands: Any, name: str, run: Any, summary: str, *examples: str) -> ArgumentParser:
    lines = "\n".join(f"  {PROGRAM} {name} {example}" for example in examples)
    parser: ArgumentParser = commands.add_parser(
        name,
        help=summary,
        description=summary[0].upper() + summary[1:] + ".",
        epilog=f"examples:\n{lines}",
        formatter_class=RawDescriptionHelpFormatter,
    )
    parser.set_defaults(run=run, needs_cluster=True)
    _add_cluster_options(parser)
    return parser


def _add_cluster_options(parser: ArgumentParser) -> None:
    """Options before or after the command: a default after it must not replace a value before it."""
    group = parser.add_argument_group("cluster")
    group.add_argument("-n", "--namespace", metavar="NAME", default=SUPPRESS, help="default that of the context")
    group.add_argument("--context", metavar="NAME", default=SUPPRESS, help="context of the kubeconfig")
    group.add_argument("--kubeconfig", metavar="FILE", default=SUPPRESS, help="default $KUBECONFIG or ~/.kube/config")


def _add_names(command: ArgumentParser) -> None:
    command.add_argument("names", nargs="*", metavar="MODEL VERSION", help="bike v4, or bike-v4")


def _add_output(command: ArgumentParser) -> None:
    command.add_argument("-o", "--output", choices=("json", "yaml"), help="print fields instead of text")


def _count(text: str) -> int:
    if not text.isdecimal():
        raise ValueError(text)
    return int(text)
