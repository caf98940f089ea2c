"""`check`: writes a DriftReport from another tool's file or two files of rows, or requests the operator's own check."""

from __future__ import annotations

import hashlib
import json
import sys
from argparse import Namespace
from datetime import datetime
from pathlib import Path
from typing import Any

from rich.console import Console

from kubectl_perennial.client import API_VERSION, ApiError, Body, Cluster
from kubectl_perennial.errors import CommandError, UsageError, some
from kubectl_perennial.importers import evidently, nannyml
from kubectl_perennial.importers import files as two_files
from kubectl_perennial.importers.measurements import Columns, Measured
from kubectl_perennial.selection import Selection, select
from kubectl_perennial.terminal import console as output
from kubectl_perennial.views.times import instant, now
from perennial_operator.core import names
from perennial_operator.core.api.values import as_text

CONFLICT = 409


def run(cluster: Cluster, arguments: Namespace, console: Console) -> None:
    selection = select(cluster, arguments.names)
    if arguments.now:
        _request(cluster, selection, arguments, console)
        return
    measured = _measured(selection, arguments)
    for line in measured.left_out:
        output.warn(f"left out: {line}")
    manifest = _manifest(selection, measured, arguments)
    _warn(selection.deployment, manifest["spec"])
    if arguments.dry_run or arguments.output:
        console.print(output.printed(manifest, arguments.output or "yaml"), soft_wrap=True)
    if not arguments.dry_run:
        _create(cluster, manifest, console, named=bool(arguments.as_name), quiet=bool(arguments.output))


def _request(cluster: Cluster, selection: Selection, arguments: Namespace, console: Console) -> None:
    """The operator makes its own check now."""
    name, spec = selection.name, selection.deployment["spec"]
    if any(getattr(arguments, each) for each in ("evidently", "nannyml", "reference", "recent", "dry_run", "output")):
        raise UsageError("--now asks the operator for its own check: give no file, --dry-run or --output with it")
    if not (spec.get("drift") or {}).get("check"):
        raise CommandError(f"{name} has no spec.drift.check: set it, or give the file of another tool")
    if selection.live is None:
        raise CommandError(f"{name} has no live version yet, so there is nothing to check")
    at = as_text(now())
    cluster.annotate("ModelDeployment", name, {names.CHECK: at})
    waits = "; it waits, since spec.suspend is true" if spec.get("suspend") else ""
    console.print(f"{name}: drift check requested at {at}{waits}")


def _measured(selection: Selection, arguments: Namespace) -> Measured:
    """The measurements of the one source that the arguments name."""
    files = bool(arguments.reference), bool(arguments.recent)
    sources = bool(arguments.evidently), bool(arguments.nannyml), any(files)
    if sources.count(True) != 1 or any(files) != all(files):
        raise UsageError("give one of --evidently FILE, --nannyml FILE, --reference FILE with --recent FILE, or --now")
    spec = selection.deployment["spec"]
    columns = Columns.of(spec["model"], arguments.prediction)
    if arguments.evidently:
        return evidently.read(_json(arguments.evidently), columns)
    if arguments.nannyml:
        return nannyml.read(_existing_file(arguments.nannyml), columns)
    return two_files.read(spec, arguments.reference, arguments.recent, arguments.newest)


def _manifest(selection: Selection, measured: Measured, arguments: Namespace) -> Body:
    """The DriftReport. Its name is a digest of its content, so the same measurement is created only once."""
    if not measured.metrics:
        raise CommandError("nothing is left to report: Perennial knows no metric of the file")
    samples = arguments.samples if arguments.samples is not None else measured.samples
    if samples is None:
        raise CommandError(
            "the file does not say how many rows were measured: give --samples, or add RowCount() to the report"
        )
    spec: Body = {"modelDeployment": selection.name, "samples": samples, "source": arguments.source or measured.source}
    if selection.named:
        spec["modelVersion"] = selection.named[0]["metadata"]["name"]
    if window := _window(arguments.start or measured.start, arguments.end or measured.end):
        spec["window"] = window
    if arguments.details:
        spec["details"] = arguments.details
    spec["metrics"] = measured.metrics
    digest = hashlib.sha256(json.dumps(spec, sort_keys=True).encode()).hexdigest()[:10]
    name = arguments.as_name or f"{selection.name}-{measured.source.split()[0]}-{digest}"
    metadata = {"name": name, "namespace": selection.deployment["metadata"]["namespace"]}
    return {"apiVersion": API_VERSION, "kind": "DriftReport", "metadata": metadata, "spec": spec}


def _window(start: str | None, end: str | None) -> dict[str, str] | None:
    """The time that was measured; a UsageError if only one end is known or start is after end."""
    if not start and not end:
        return None
    if not start or not end:
        raise UsageError("give both --start and --end, or neither")
    first, last = _time("--start", start), _time("--end", end)
    if first > last:
        raise UsageError(f"--start {start} is after --end {end}; swap them")
    return {"start": as_text(first), "end": as_text(last)}


def _time(option: str, text: str) -> datetime:
    try:
        time = instant(text if "T" in text or " " in text else f"{text}T00:00:00Z")
    except ValueError as error:
        raise UsageError(f"{option} {text} is not a time; write it as 2026-11-22T00:00:00Z") from error
    assert time
    return time


def _warn(model: Body, spec: Body) -> None:
    """Prints what would make the operator ignore the report."""
    drift = model["spec"].get("drift")
    if drift is None:
        output.warn(f"# {spec['modelDeployment']} has no spec.drift, so the report will be Invalid")
        return
    wanted, reported = {t["metric"] for t in drift["thresholds"]}, {m["name"] for m in spec["metrics"]}
    if not wanted & reported:
        output.warn(
            f"# no threshold is about {some(sorted(reported))}: spec.drift.thresholds asks for {some(sorted(wanted))}"
        )
    if spec["samples"] < drift.get("minSamples", 0):
        output.warn(f"# {spec['samples']} samples are fewer than spec.drift.minSamples {drift['minSamples']}")


def _create(cluster: Cluster, manifest: Body, console: Console, *, named: bool, quiet: bool) -> None:
    """Creates the DriftReport, unless the same one exists. A generated name is a digest of the content."""
    name = manifest["metadata"]["name"]
    try:
        cluster.create(manifest)
        model = manifest["spec"]["modelDeployment"]
        message = f"DriftReport {name} created; kubectl perennial status {model} shows its outcome"
    except ApiError as error:
        if error.code != CONFLICT or (named and not _same(cluster.get("DriftReport", name), manifest)):
            raise
        message = f"DriftReport {name} exists already, with the same measurement"
    if not quiet:
        console.print(message, soft_wrap=True)


def _same(existing: Body | None, manifest: Body) -> bool:
    return existing is not None and all(
        existing["spec"].get(field) == value for field, value in manifest["spec"].items()
    )


def _existing_file(name: str) -> Path:
    path = Path(name).expanduser()
    if not path.is_file():
        raise CommandError(f"{name} is not a file")
    return path


def _json(name: str) -> Any:
    text = sys.stdin.read() if name == "-" else _existing_file(name).read_text(encoding="utf-8")
    try:
        return json.loads(text)
    except ValueError as error:
        raise CommandError(f"{name} is not JSON: {error}; {evidently.HINT}") from error
