"""A trial: what would happen if a manifest were applied, played once on this machine in a folder.

The core of the operator decides and the trainer works, on the files as they are. The first version is trained, proven
on the rows that are held back, goes live, is checked against those rows and answers one request for one of them. It is
not fitted again to all rows, as a cluster does where `training.refit` allows it: it would know the rows held back.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import pandas as pd

from kubectl_perennial.errors import CommandError
from kubectl_perennial.simulation.cluster import Cluster, task_of
from kubectl_perennial.simulation.manifest import RECENT, STORAGE, TRAINING, Manifest, checked, playable
from kubectl_perennial.simulation.objects import NAMESPACE
from kubectl_perennial.simulation.trying.recognised import Recognised, recognise
from kubectl_perennial.simulation.trying.remedies import Remedy, remedies_of, remedies_of_findings
from kubectl_perennial.simulation.trying.request import Answered, ask
from kubectl_perennial.simulation.trying.runner import Runner
from perennial_operator.core.api.model_version import UNSUCCESSFUL, Phase
from perennial_operator.core.stages.drift_assessment import ONLY_REPORTED
from perennial_trainer.contract.task import ServeTask, parse_task

STEPS = ("read", "train", "validate", "check", "serve")
MOST_PAUSES = 50
"""So often time passes for one thing; if more is needed, it does not happen."""
Progress = Callable[[str], None]
T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Trial:
    """What happened."""

    manifest: Manifest
    """With what was recognised: the one to apply."""
    recognised: Recognised
    version: Mapping[str, Any]
    """The status of the version's record."""
    trained: Mapping[str, Any]
    """The result of the training, or why it was refused."""
    problems: tuple[Remedy, ...] = ()
    findings: tuple[Remedy, ...] = ()
    baseline: Mapping[str, float]
    report: Mapping[str, Any] | None = None
    """The status of the report of the check."""
    checked: Mapping[str, Any] | None = None
    """The result of the check."""
    request: Answered | None = None
    pages: tuple[Path, ...] = ()
    unknown: tuple[str, ...] = ()

    @property
    def is_live(self) -> bool:
        return self.version.get("phase") == Phase.LIVE


def try_manifest(
    manifest: Manifest,
    uri: str,
    folder: Path,
    progress: Progress = lambda _step: None,
) -> Trial:
    """The trial of the manifest on the rows at the URI. The folder, which is empty, gets all files of the version."""
    now = datetime.now(UTC).replace(microsecond=0)
    progress("read")
    recognised = recognise(manifest.spec, uri, now)
    filled = checked(replace(manifest, body={**manifest.body, "spec": recognised.spec}), "the manifest")
    version = folder / NAMESPACE / filled.name / f"{filled.name}-v1"
    holdout = version / "holdout.parquet"
    addresses = {TRAINING: uri, RECENT: f"file://{holdout}", STORAGE: f"file://{folder}"}
    runner = Runner(addresses, bool((filled.spec.get("training") or {}).get("engine")), progress)
    body, unknown = played(filled)
    cluster = Cluster(now=now, name=filled.name, run=runner.run)
    cluster.put(body, uid="try")
    until(cluster, lambda: status_of(cluster, version.name).get("phase") in (Phase.LIVE, *UNSUCCESSFUL))
    status = status_of(cluster, version.name)
    report = request = None
    if status.get("phase") == Phase.LIVE:
        report = until(cluster, lambda: report_of(cluster, filled)) if is_checked(filled) else None
        progress("serve")
        request = ask(serve_task(cluster, runner, version.name), pd.read_parquet(holdout).iloc[-1])
    metrics = stored_metrics(version)
    return Trial(
        manifest=filled,
        recognised=recognised,
        version=status,
        trained=runner.results.get("train", {}),
        problems=tuple(remedies_of(runner.problems, filled.spec["model"]["target"])),
        findings=tuple(remedies_of_findings(metrics, recognised.reading)),
        baseline={name: each["value"] for name, each in metrics.get("baseline", {}).items()},
        report=report,
        checked=runner.results.get("check"),
        request=request,
        pages=tuple(sorted(folder.rglob("*.html"))),
        unknown=tuple(unknown),
    )


def is_checked(manifest: Manifest) -> bool:
    """Whether the operator's own check runs."""
    return bool((manifest.spec.get("drift") or {}).get("check"))


def stored_metrics(version: Path) -> Mapping[str, Any]:
    """What the training stored about its rows and metrics; empty if it was refused."""
    stored = version / "metrics.json"
    metrics: Mapping[str, Any] = json.loads(stored.read_text()) if stored.exists() else {}
    return metrics


def played(manifest: Manifest) -> tuple[dict[str, Any], list[str]]:
    """The object that is played: without a refit, and drift only reported; and what is not known here."""
    body, unknown = playable(manifest)
    spec = body["spec"]
    if spec["training"].get("refit", True) and spec["data"].get("timeColumn"):
        unknown.append(
            "the refit (spec.training.refit): a cluster then fits the proven recipe to all rows and serves that"
        )
    spec["training"] = {**spec["training"], "refit": False}
    if spec.get("drift"):
        spec["drift"] = {**spec["drift"], "mode": "Report"}
    return body, unknown


def status_of(cluster: Cluster, name: str) -> Mapping[str, Any]:
    """Of the version. CommandError if none was begun."""
    body = cluster.bodies.get(("ModelVersion", name))
    if body is None:
        conditions = cluster.bodies["ModelDeployment", cluster.name]["status"].get("conditions") or []
        why = "; ".join(each["message"] for each in conditions if each["type"] in ("Stalled", "Retraining"))
        raise CommandError(f"no training began: {why}")
    status: Mapping[str, Any] = body["status"]
    return status


def report_of(cluster: Cluster, manifest: Manifest) -> Mapping[str, Any] | None:
    """The status of the first report that has an outcome. It names drift.mode only if the manifest does."""
    status = next((body["status"] for body in cluster.all("DriftReport") if body["status"].get("outcome")), None)
    if status is None or manifest.spec["drift"].get("mode") == "Report":
        return status
    return {**status, "message": status["message"].removesuffix(ONLY_REPORTED)}


def until(cluster: Cluster, condition: Callable[[], T]) -> T:
    """What the condition gives as soon as it is true, or when time alone changes nothing more."""
    for _ in range(MOST_PAUSES):
        wake = cluster.settle()
        if (answer := condition()) or wake is None:
            return answer
        cluster.now = wake
    return condition()


def serve_task(cluster: Cluster, runner: Runner, version: str) -> ServeTask:
    """The task of the pods that serve the version."""
    task = parse_task(runner.real(task_of(cluster.bodies["Deployment", version])))
    assert isinstance(task, ServeTask)
    return task
