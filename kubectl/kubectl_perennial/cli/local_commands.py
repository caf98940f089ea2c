"""The commands that play manifests on this machine."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from kubectl_perennial.cli.options import add_command, add_output, count
from kubectl_perennial.commands import backtest, init, trial

THOUSANDS = (".", ",", " ", "'", "\u00a0", "\u202f")
"""As `data.csv.thousands` takes them."""


def add_backtest(commands: Any) -> None:
    command = add_command(
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
    command.add_argument("--first", type=count, metavar="N", help="batches before the first version; default an eighth")
    command.add_argument(
        "--labels-late", default="0", metavar="SPAN", help="when labels are known: batches later, or a span such as 3d"
    )
    command.add_argument(
        "--set", action="append", nargs="+", metavar="FIELD=VALUE", help="one more policy: the first with these fields"
    )
    command.add_argument(
        "--suggest", action="store_true", help="try some policies more, and print the manifest that wins"
    )
    command.add_argument("--seed", type=count, default=0, metavar="N", help="of the order of shuffled rows; default 0")
    command.add_argument("--no-shuffle", action="store_true", help="do not count alarms on shuffled rows")
    command.add_argument("--html", metavar="FILE", help="also write a page: loss over time, versions and decisions")
    command.add_argument(
        "--cache", metavar="FOLDER", help="where results are kept; default ~/.cache/perennial/backtest"
    )
    _add_backtest_job(command)
    add_output(command)


def _add_backtest_job(command: ArgumentParser) -> None:
    group = command.add_argument_group("in the cluster, where the rows are")
    group.add_argument(
        "--in-cluster", action="store_true", help="play nothing, and print a Job that does it for data.training"
    )
    group.add_argument("--image", metavar="IMAGE", help="of the Job; default perennial-backtest of this version")
    group.add_argument("--service-account", metavar="NAME", help="of the Job's pod; no token is mounted")
    group.add_argument("--result", metavar="FILE", help="play nothing, and show the log of the Job; - is stdin")


def add_trial(commands: Any) -> None:
    command = add_command(
        commands,
        "try",
        trial.run,
        "play a manifest once on this machine, without a cluster, and show what would happen",
        "bike.yaml rides.csv",
    )
    command.set_defaults(needs_cluster=False)
    command.add_argument("manifest", metavar="FILE", help="a ModelDeployment in YAML")
    command.add_argument(
        "data", nargs="?", metavar="DATA", help="its rows: a path, glob or URI; default those it names"
    )
    command.add_argument("--folder", metavar="FOLDER", help="an empty folder for all files; default a temporary one")
    command.add_argument("--no-open", action="store_true", help="do not open the page of the version")
    add_output(command)
    command = add_command(
        commands, "init", init.run, "print a manifest for a file of rows", "bike.csv --target rentals"
    )
    command.set_defaults(needs_cluster=False)
    command.add_argument("data", metavar="DATA", help="labelled rows: a path, glob or URI")
    command.add_argument("--target", required=True, metavar="COLUMN", help="the column to predict")
    command.add_argument("--name", metavar="MODEL", help="default that of the file")
    command.add_argument(
        "--decimal", choices=(".", ","), metavar="SIGN", help="decimal sign of csv; default as recognised"
    )
    command.add_argument(
        "--thousands", choices=THOUSANDS, metavar="SIGN", help="sign between groups of three digits, such as ."
    )
    command.add_argument("--uri", metavar="URI", help="where pods read the rows; default a ConfigMap")
    command.add_argument("--storage", metavar="URI", help="where versions are stored; default a claim")
    command.add_argument("-o", "--output", choices=("json",), help="print fields instead of text")
