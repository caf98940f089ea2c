"""`check`: a DriftReport from what another tool has measured, or from two files of rows."""

from __future__ import annotations

import hashlib
import json
import sys
from argparse import Namespace
from datetime import datetime
from pathlib import Path
from typing import Any

from rich.console import Console

from kubectl_perennial.client import API_VERSION, Body, Cluster, RefusedError
from kubectl_perennial.errors import SorryError, UsageError, some
from kubectl_perennial.importers import evidently, nannyml
from kubectl_perennial.importers import files as two_files
from kubectl_perennial.importers.measurements import Columns, Measured
from kubectl_perennial.selection import Meant, meant
from kubectl_perennial.terminal import console as screen
from kubectl_perennial.views.times import instant
from perennial_operator.core.api.values import as_text

TAKEN = 409


def run(cluster: Cluster, asked: Namespace, console: Console) -> None:
    of = meant(cluster, asked.names)
    found = _measured(of, asked)
    for line in found.left_out:
        sys.stderr.write(f"left out: {line}\n")
    manifest = _manifest(of, found, asked)
    _warn(of.deployment, manifest["spec"])
    if asked.dry_run or asked.output:
        console.print(screen.printed(manifest, asked.output or "yaml"), soft_wrap=True)
    if not asked.dry_run:
        _create(cluster, manifest, console, named=bool(asked.as_name), quiet=bool(asked.output))


def _measured(of: Meant, asked: Namespace) -> Measured:
    """What the one source that was named says."""
    files = bool(asked.reference or asked.recent)
    if sum(map(bool, (asked.evidently, asked.nannyml, files))) != 1 or bool(asked.reference) != bool(asked.recent):
        raise UsageError("give one of --evidently FILE, --nannyml FILE, or --reference FILE with --recent FILE")
    spec = of.deployment["spec"]
    columns = Columns.of(spec["model"], asked.prediction)
    if asked.evidently:
        return evidently.read(_json(asked.evidently), columns)
    if asked.nannyml:
        return nannyml.read(_there(asked.nannyml), columns)
    return two_files.read(spec, asked.reference, asked.recent, asked.newest)


def _manifest(of: Meant, found: Measured, asked: Namespace) -> Body:
    """The DriftReport. Its name comes from what it says, so that the same measurement is made only once."""
    if not found.metrics:
        raise SorryError("nothing is left to report: none of what was measured is a metric that Perennial knows")
    samples = asked.samples if asked.samples is not None else found.samples
    if samples is None:
        raise SorryError(
            "the file does not say how many rows were measured: give --samples, or add RowCount() to the report"
        )
    spec: Body = {"modelDeployment": of.name, "samples": samples, "source": asked.source or found.source}
    if of.named:
        spec["modelVersion"] = of.named[0]["metadata"]["name"]
    if window := _window(asked.start or found.start, asked.end or found.end):
        spec["window"] = window
    if asked.details:
        spec["details"] = asked.details
    spec["metrics"] = found.metrics
    digest = hashlib.sha256(json.dumps(spec, sort_keys=True).encode()).hexdigest()[:10]
    name = asked.as_name or f"{of.name}-{found.source.split()[0]}-{digest}"
    metadata = {"name": name, "namespace": of.deployment["metadata"]["namespace"]}
    return {"apiVersion": API_VERSION, "kind": "DriftReport", "metadata": metadata, "spec": spec}


def _window(start: str | None, end: str | None) -> dict[str, str] | None:
    """The span measured; SorryError if only one end of it is known, or it is none."""
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
        raise UsageError(f"{option} {text} is no time; write it as 2026-11-22T00:00:00Z") from error
    assert time
    return time


def _warn(model: Body, spec: Body) -> None:
    """What the operator would say of the report, told before it is written."""
    drift = model["spec"].get("drift")
    if drift is None:
        sys.stderr.write(f"# {spec['modelDeployment']} has no spec.drift, so the report will end as Invalid\n")
        return
    asked, carried = {t["metric"] for t in drift["thresholds"]}, {m["name"] for m in spec["metrics"]}
    if not asked & carried:
        sys.stderr.write(
            f"# no threshold is about {some(sorted(carried))}: spec.drift.thresholds asks for {some(sorted(asked))}\n"
        )
    if spec["samples"] < drift.get("minSamples", 0):
        sys.stderr.write(f"# {spec['samples']} samples are fewer than spec.drift.minSamples {drift['minSamples']}\n")


def _create(cluster: Cluster, manifest: Body, console: Console, *, named: bool, quiet: bool) -> None:
    """The DriftReport is there. A name that was not given is made of the content, so that one taken is the same."""
    name = manifest["metadata"]["name"]
    try:
        cluster.create(manifest)
        model = manifest["spec"]["modelDeployment"]
        said = f"DriftReport {name} created; kubectl perennial status {model} shows what becomes of it"
    except RefusedError as error:
        if error.code != TAKEN or (named and not _same(cluster.get("DriftReport", name), manifest)):
            raise
        said = f"DriftReport {name} is there already: the same measurement"
    if not quiet:
        console.print(said, soft_wrap=True)


def _same(there: Body | None, manifest: Body) -> bool:
    return there is not None and all(there["spec"].get(field) == value for field, value in manifest["spec"].items())


def _there(name: str) -> Path:
    path = Path(name).expanduser()
    if not path.is_file():
        raise SorryError(f"{name} is no file that is there")
    return path


def _json(name: str) -> Any:
    text = sys.stdin.read() if name == "-" else _there(name).read_text(encoding="utf-8")
    try:
        return json.loads(text)
    except ValueError as error:
        raise SorryError(f"{name} is no JSON: {error}; {evidently.MEND}") from error
