"""The commands that read and steer what is in a cluster."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from kubectl_perennial.cli.options import add_command, add_names, add_output, count
from kubectl_perennial.commands import check, compare, decisions, forget, history, pin, report, status


def add_read_commands(commands: Any) -> None:
    command = add_command(commands, "status", status.run, "show one model, or a line for each model", "bike")
    command.add_argument("name", nargs="?", metavar="MODEL")
    command.add_argument("-A", "--all-namespaces", action="store_true", help="models of all namespaces")
    add_output(command)
    command = add_command(
        commands, "history", history.run, "list the versions of a model: trigger, metric, duration, result", "bike"
    )
    command.add_argument("name", nargs="?", metavar="MODEL")
    add_output(command)
    command = add_command(
        commands,
        "compare",
        compare.run,
        "compare two versions; default the live one and the candidate",
        "bike v3 v4",
    )
    add_names(command)
    add_output(command)
    command = add_command(
        commands, "report", report.run, "open the page of a version's training, or of a drift report", "bike v4"
    )
    add_names(command)
    command.add_argument("--drift", action="store_true", help="the page of the newest drift report that has one")
    command.add_argument("--print", action="store_true", help="only print the address")
    command.add_argument("--to", metavar="FILE", help="save the page to this file instead of opening it")


def add_decisions(commands: Any) -> None:
    for name, run, summary in (
        ("approve", decisions.approve, "approve a candidate that waits for approval"),
        ("reject", decisions.reject, "reject a candidate; during its roll-out it is rolled back"),
    ):
        command = add_command(commands, name, run, summary, "bike v4 --by ada")
        add_names(command)
        command.add_argument("--by", metavar="PERSON", help="the person who decides, if the account is not theirs")
    command = add_command(
        commands, "retrain", decisions.retrain, "request a new version now, without a cool-down", "bike"
    )
    command.add_argument("name", metavar="MODEL")
    command = add_command(
        commands, "pin", pin.run, "print the patch that pins a model to one version; writes nothing", "bike v3"
    )
    add_names(command)
    command.add_argument("--off", action="store_true", help="print the patch that removes the pin")
    add_output(command)


def add_forget(commands: Any) -> None:
    command = add_command(
        commands,
        "forget",
        forget.run,
        "delete the captured rows of a key",
        "bike < keys.txt",
        "bike",
    )
    command.add_argument("name", metavar="MODEL")
    command.add_argument(
        "key",
        nargs="?",
        metavar="KEY",
        help="as clients send it; none, or -: read from standard input, a key a line, so that no shell remembers it",
    )


def add_check(commands: Any) -> None:
    command = add_command(
        commands,
        "check",
        check.run,
        "write a DriftReport from Evidently's or NannyML's file, or from two files of rows; or check now",
        "bike --evidently drift.json",
        "bike --nannyml drift.csv --dry-run",
        "bike v4 --reference january.parquet --recent 'june/*.parquet'",
        "bike --now",
    )
    add_names(command)
    _add_sources(command)
    _add_report_fields(command)
    command.add_argument("--dry-run", action="store_true", help="print the DriftReport and write nothing")
    add_output(command)


def _add_sources(command: ArgumentParser) -> None:
    group = command.add_argument_group("source of the measurements (one of them)")
    group.add_argument("--now", action="store_true", help="the operator's own check, made at once")
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
    group.add_argument("--samples", type=count, metavar="N", help="number of rows measured")
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
