"""A backtest agrees with what the operator and the trainer do in a cluster with the same rows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

from kubectl_perennial.simulation.history import columns_of, cut, read_history
from kubectl_perennial.simulation.in_cluster.backtest_job import IMAGE, job_manifests
from kubectl_perennial.simulation.loop import play
from kubectl_perennial.simulation.manifest import Manifest, checked
from kubectl_perennial.simulation.played import CHECK, VERSION, Played
from perennial_operator.core.world import Policy
from tests.e2e.models import a_claim, a_model
from tests.stage import Stage

BATCH, FIRST, SLOPES = 240, 2, (3.0, 3.0, 3.0, 1.0, 1.0)
"""Rows of a batch, batches before the first version, and what the target depends on in each batch."""
SAME = ("phase", "reason", "message", "metric", "metrics", "data", "comparison")
"""Fields of a version's status that are the same, without addresses and times."""


def a_batch(number: int) -> pd.DataFrame:
    """The rows of a day."""
    random = np.random.default_rng(number)
    one, two = random.normal(size=(2, BATCH))
    target = SLOPES[number] * one - 2 * two + random.normal(size=BATCH) * 0.3
    at = pd.Timestamp("2026-03-01") + pd.to_timedelta(number + (np.arange(BATCH) + 0.5) / BATCH, unit="D")
    return pd.DataFrame({"feature1": one, "feature2": two, "target": target, "at": at})


def manifest_of(name: str, schedule: str = "* * * * *") -> dict[str, Any]:
    rows = {"persistentVolumeClaim": {"claimName": f"{name}-rows", "path": "*.parquet"}}
    thresholds = [{"metric": "mse", "maxIncrease": 0.05, "sigmas": 3}]
    return a_model(
        name,
        {
            "data": {"training": {"uri": None, **rows}, "timeColumn": "at", "window": "auto", "holdout": 0.2},
            "training": {"pod": None},
            "drift": {
                "check": {"schedule": schedule, "data": rows, "window": BATCH},
                "thresholds": thresholds,
            },
        },
    )


def in_backtest(manifest: dict[str, Any], folder: Path, cache: Path) -> Played:
    played = checked(Manifest(manifest), "the manifest")
    history = read_history([f"{folder}/*.parquet"], columns_of(played.spec))
    return play(played, cut(history, BATCH), FIRST, cache)


def summary(trigger: str, status: dict[str, Any]) -> dict[str, Any]:
    """What must be the same of a version."""
    data = {key: value for key, value in status["data"].items() if key != "holdoutUri"}
    fields = {"trigger": trigger, **{field: status.get(field) for field in SAME}, "data": data}
    return json.loads(json.dumps(fields), parse_float=lambda text: f"{float(text):.9g}")  # threads change the last bits


@pytest.mark.timeout(420)
def test_backtest_agrees_with_the_cluster(stage: Stage, tmp_path: Path) -> None:
    if stage.cluster == "current":
        pytest.skip("the rows are written into a folder of the local node")
    name = "tide"
    manifest = manifest_of(name, "0 0 1 1 *")  # the test requests the checks, which a backtest makes by the schedule
    folder = stage.claim(f"{name}-rows")
    for number in range(FIRST):
        a_batch(number).to_parquet(folder / f"{number}.parquet")
    stage.apply(a_claim(f"{name}-models"), manifest)
    stage.until_phase(f"{name}-v1", "Live")
    for number in range(FIRST, len(SLOPES) - 1):
        a_batch(number).to_parquet(folder / f"{number}.parquet.part")
        (folder / f"{number}.parquet.part").rename(folder / f"{number}.parquet")
        stage.check_now(name)
        count = number - FIRST + 1
        stage.wait(f"{count} reports have an outcome", lambda count=count: len(outcomes(stage)) == count, 90)
    stage.until_phase(f"{name}-v2", "Live", "Rejected", "Failed")
    stage.apply({**manifest, "spec": {**manifest["spec"], "suspend": True}})

    a_batch(len(SLOPES) - 1).to_parquet(folder / "last.parquet")  # which the last version of a backtest predicts
    played = in_backtest(manifest_of(name), folder, tmp_path / "cache")
    assert [(event.state, event.message) for event in played.events if event.kind == CHECK] == outcomes(stage)
    triggers = {e.name: e.reason for e in played.events if e.kind == VERSION and e.state == "Training"}
    for version, status in played.records.items():
        body = stage.kubectl.get("ModelVersion", version)
        assert body is not None
        assert summary(triggers[version], dict(status)) == summary(body["spec"]["trigger"]["reason"], body["status"])
    assert sorted(played.records) == sorted(each["metadata"]["name"] for each in stage.kubectl.list("ModelVersion"))


def test_backtest_runs_as_a_job_of_the_cluster(cluster: Stage, stage: Stage, tmp_path: Path) -> None:
    if stage.cluster == "current":
        pytest.skip("the log is a file of the local node")
    manifest = manifest_of("neap")
    folder = stage.claim("neap-rows")
    for number in range(len(SLOPES)):
        a_batch(number).to_parquet(folder / f"{number}.parquet")
    given = checked(Manifest(manifest, text=yaml.safe_dump(manifest)), "the manifest")
    files, job = job_manifests([given], ["--every", str(BATCH), "--first", str(FIRST), "--no-shuffle"], Policy(IMAGE))
    stage.apply(files, job)
    name = job["metadata"]["name"]
    stage.wait(
        f"{name} has ended", lambda: (stage.kubectl.get("Job", name) or {}).get("status", {}).get("succeeded"), 90
    )
    (log,) = (each for each in cluster.directory.rglob("*.log") if '"policies"' in each.read_text())
    fields = json.loads(log.read_text())
    here = in_backtest(manifest, folder, tmp_path / "cache")
    (policy,) = fields["policies"]
    assert (policy["loss"], policy["trainings"]) == (pytest.approx(here.loss), here.trainings)
    assert fields["page"].startswith("<!doctype html>")


def outcomes(stage: Stage) -> list[tuple[str, str]]:
    reports = sorted(stage.kubectl.list("DriftReport"), key=lambda each: each["metadata"]["name"])
    statuses = [each.get("status") or {} for each in reports]
    return [(each["outcome"], each["message"]) for each in statuses if each.get("outcome")]
