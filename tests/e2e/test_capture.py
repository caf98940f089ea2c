"""What was asked becomes data: captured rows show drift, versions are trained from them and judged by theirs, and they end."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from perennial_operator.core import names
from perennial_operator.core.api.values import as_text
from perennial_trainer.captured.encoding import decode_table
from perennial_trainer.captured.keys import captured_key
from tests.e2e.models import BY_ERRORS, a_claim, a_model, a_table
from tests.plugin.terminal import Terminal, console_script
from tests.stage import Stage

NAME, REQUESTS, ROWS = "rides", 20, 20
KEY = "a secret of this model alone"
SPEC: dict[str, Any] = {
    "data": {
        "training": {"uri": "file:///data/*.csv", "captured": True},
        "timeColumn": "at",
        "labels": {"uri": "file:///labels/*.csv", "key": "ride", "mature": "1s"},
    },
    "training": {
        "pod": {
            "volumes": [
                {"name": "data", "configMap": {"name": f"{NAME}-data"}},
                {"name": "labels", "configMap": {"name": f"{NAME}-labels"}},
            ],
            "volumeMounts": [{"name": "data", "mountPath": "/data"}, {"name": "labels", "mountPath": "/labels"}],
        }
    },
    "drift": {
        # No check by the schedule while the test runs: it requests one.
        "check": {"schedule": "0 0 1 1 *", "data": {"captured": True}, "window": "1h"},
        "thresholds": [{"metric": "mse", "maxIncrease": 0.05, "sigmas": 3}],
        "minSamples": 50,
    },
    # The step lasts as long as the test asks for little; the first of nine checks is made ten seconds after its approval.
    "rollout": {"steps": [{"weight": 50}], "analysis": BY_ERRORS | {"minRequests": 40}, "watch": "100s"},
    "serving": {
        "capture": {"share": 1, "key": "ride", "secretRef": {"name": f"{NAME}-keys"}},
        "pod": {"env": [{"name": "PERENNIAL_CAPTURE_SECONDS", "value": "0.2"}]},
    },
}


def a_secret() -> dict[str, Any]:
    metadata, data = {"name": f"{NAME}-keys"}, {"PERENNIAL_CAPTURE_KEY": KEY}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": data}


def rides_of_before() -> str:
    random = np.random.default_rng(0)
    hours = np.datetime64("2026-01-01T00") + np.arange(400)
    one, two, noise = random.normal(size=(3, len(hours)))
    target = 3 * one - 2 * two + 0.3 * noise
    lines = (f"{at}:00Z,{a},{b},{c}" for at, a, b, c in zip(hours, one, two, target, strict=True))
    return "at,feature1,feature2,target\n" + "\n".join(lines) + "\n"


def asked(stage: Stage, batch: int) -> Callable[[float], str]:
    """What gives the labels of rows that the pods were asked for, by the slope of feature1; 9 is another than before."""
    random, written = np.random.default_rng(batch + 1), stage.captured_rows(NAME)
    one, two, noise = random.normal(size=(3, REQUESTS, ROWS))
    rides = [[f"ride-{batch}-{number}-{row}" for row in range(ROWS)] for number in range(REQUESTS)]
    for number in range(REQUESTS):
        columns = {"feature1": one[number].tolist(), "feature2": two[number].tolist(), "ride": rides[number]}
        stage.predict(NAME, columns)
    stage.wait("the rows are written", lambda: stage.captured_rows(NAME) == written + REQUESTS * ROWS)

    def labels(slope: float) -> str:
        target = slope * one - 2 * two + 0.3 * noise
        lines = (f"{ride},{value}" for ride, value in zip(np.ravel(rides), target.ravel(), strict=True))
        return "ride,target\n" + "\n".join(lines) + "\n"

    return labels


def rolls_out(stage: Stage, version: str) -> None:
    """Pods of the version and of the live one answer."""
    status = stage.until_phase(version, "RollingOut", "Rejected", "Failed")
    assert status["phase"] == "RollingOut", status["message"]
    stage.wait("both versions answer", lambda: len(stage.serving_pods(NAME)) == 2)


def report_about(stage: Stage, version: str) -> str:
    """The first DriftReport about the version with enough rows."""

    def first() -> str | None:
        reports = stage.kubectl.list("DriftReport")
        about = [each for each in reports if each["spec"]["modelVersion"] == version and each["spec"]["samples"] >= 50]
        return about[0]["metadata"]["name"] if about else None

    return stage.wait(f"a check is about {version}", first, 90)


def until_live(stage: Stage, version: str) -> None:
    """Both versions are asked until the version is live, and these rows are written."""
    written, count = stage.captured_rows(NAME), 0

    def is_live() -> bool:
        nonlocal count
        count += 1
        stage.predict(NAME, {"feature1": [0.0], "feature2": [0.0]})
        return bool(stage.version(version)["phase"] == "Live")

    stage.wait(f"{version} is live", is_live, 90)
    stage.wait("these rows are written", lambda: stage.captured_rows(NAME) == written + count)


def captured_files(folder: Path) -> dict[str, list[str]]:
    """Day and name of each file → the keys of its rows, as they are stored."""
    files = folder.glob("**/*.parquet")
    return {
        f"{file.relative_to(folder).parts[0]}/{file.name}": decode_table(file.read_bytes())["perennial.key"].to_pylist()
        for file in files
    }


def upkeep_since(stage: Stage, time: datetime) -> dict[str, Any] | None:
    """The facts of the last upkeep, if it began since then and succeeded."""
    facts = (stage.kubectl.get("ModelDeployment", NAME) or {})["status"].get("upkeep") or {}
    return facts if facts.get("lastTime", "") >= as_text(time) else None


def a_key_is_forgotten_and_the_folder_kept_small(stage: Stage, folder: Path, terminal: Terminal) -> None:
    """Rows of half a year ago and of last week are there, too. A request starts the upkeep of the day at once."""
    now = datetime.now(UTC)
    old, week = f"date={now - timedelta(days=181):%Y-%m-%d}", f"date={now - timedelta(days=7):%Y-%m-%d}"
    content = next(file.read_bytes() for file in folder.glob("**/*.parquet"))
    for day, name in ((old, "a"), (week, "a"), (week, "b")):
        (folder / day / "hour=05").mkdir(parents=True, exist_ok=True)
        (folder / day / "hour=05" / f"pod-{name}-1-1-00000001.parquet").write_bytes(content)
    before, forgotten = captured_files(folder), captured_key(KEY.encode(), "ride-0-3-7")
    shown = terminal.run("forget", NAME, stdin="ride-0-3-7\n")
    assert "captured rows of 1 key are deleted by Job rides-upkeep" in " ".join(shown.out.split()), shown
    assert "ride-0-3-7" not in str(stage.kubectl.get("ModelDeployment", NAME))
    facts = stage.wait("an upkeep has ended", lambda: upkeep_since(stage, now.replace(microsecond=0)))
    after = captured_files(folder)
    assert {name for name in before if name not in after} == {f"{old}/pod-a-1-1-00000001.parquet"}
    assert after.keys() - before.keys() == {f"{week}/compacted-000001.parquet"}
    assert not [name for name, keys in after.items() if forgotten in keys]
    left = {name: [key for key in keys if key != forgotten] for name, keys in before.items() if old not in name}
    assert {name: keys for name, keys in after.items() if name in left} == left
    message = "deleted 1 files that were older than 180d; deleted {} rows of 1 key in {} files; put the rows of 2 files together"
    assert facts["message"].startswith(message.format(*forgotten_in(before, forgotten, old)))
    assert "KeptUp" in terminal.output("status", NAME)
    if shutil.which("kubectl"):
        described = f"kubectl describe mdep {NAME} -n {stage.kubectl.namespace} --kubeconfig {stage.kubeconfig}".split()
        assert "rows of 1 key in" in subprocess.run(described, capture_output=True, text=True, check=True).stdout

    assert next_upkeep(stage)["message"] == "deleted 0 rows of 1 key in 0 files"
    assert captured_files(folder) == after


def next_upkeep(stage: Stage) -> dict[str, Any]:
    """The facts of the upkeep of the next day, as which this moment is taken."""
    stage.wait("the last Job is deleted", lambda: stage.kubectl.get("Job", f"{NAME}-upkeep") is None)
    now = datetime.now(UTC)
    yesterday = as_text(now - timedelta(days=1))
    facts_of_yesterday = {"lastAttemptTime": yesterday, "lastTime": yesterday}
    stage.kubectl.patch("ModelDeployment", NAME, {"status": {"upkeep": facts_of_yesterday}}, "status")
    return stage.wait("an upkeep has ended", lambda: upkeep_since(stage, now.replace(microsecond=0)))


def files_of_an_ended_version_are_deleted(stage: Stage, folder: Path) -> None:
    """A fourth version ends by the gate; so of the ended ones the second is neither the newest nor the one before the live."""
    before = {place.name for place in folder.iterdir() if any(place.rglob("model.*"))}
    assert before == {f"{NAME}-v{number}" for number in (1, 2, 3)}
    unattainable = {"validation": {"thresholds": [{"metric": "mse", "max": 1e-9}]}}
    stage.apply(a_model(NAME, SPEC | unattainable | {"history": {"artifacts": 1}}))
    stage.kubectl.annotate("ModelDeployment", NAME, {names.RETRAIN: "for a fourth version"})
    stage.until_phase(f"{NAME}-v4", "Rejected")
    assert "files of v2" in next_upkeep(stage)["message"]
    assert "filesDeletedAt" in stage.version(f"{NAME}-v2")
    after = {place.name for place in folder.iterdir() if any(place.rglob("model.*"))}
    assert after == before - {f"{NAME}-v2"} | {f"{NAME}-v4"}


def forgotten_in(before: dict[str, list[str]], key: str, old: str) -> tuple[int, int]:
    """How many rows of the key there were, without those of that day, and in how many files."""
    counts = [keys.count(key) for name, keys in before.items() if old not in name and key in keys]
    return sum(counts), len(counts)


def test_captured_rows_with_late_labels_reach_a_version(stage: Stage, tmp_path: Path) -> None:
    if stage.cluster == "current":
        pytest.skip("not every cluster has volumes with ReadWriteMany")
    model = a_model(NAME, SPEC)
    stage.apply(a_table(f"{NAME}-data", {"0.csv": rides_of_before()}), a_table(f"{NAME}-labels", {}), a_secret())
    stage.apply(a_claim(f"{NAME}-models", "ReadWriteMany"), model)
    first = stage.until_phase(f"{NAME}-v1", "Live", "Rejected", "Failed")
    assert first["phase"] == "Live", first["message"]

    labels = {"0.csv": asked(stage, 0)(9)}
    stage.apply(a_table(f"{NAME}-labels", labels))
    mature = datetime.now(UTC) + timedelta(seconds=2)  # a request names whole seconds
    stage.wait("the labels count", lambda: datetime.now(UTC) >= mature)
    stage.check_now(NAME)
    report = report_about(stage, f"{NAME}-v1")
    assert stage.outcome(report)[0] == "Triggered"
    assert stage.kubectl.get("DriftReport", report)["spec"]["samples"] == REQUESTS * ROWS  # type: ignore[index]

    # The rows of the roll-out are as before again: the second version is worse than the first.
    rolls_out(stage, f"{NAME}-v2")
    of_second = asked(stage, 1)
    stage.apply(a_table(f"{NAME}-labels", labels | {"1.csv": of_second(3)}))
    second = stage.until_phase(f"{NAME}-v2", "Live", "RolledBack")
    assert second["metrics"]["candidate"]["mse"] < second["metrics"]["live"]["mse"]
    assert (second["phase"], second["reason"]) == ("RolledBack", "QualityBreach"), second["message"]
    assert "excess_loss is 0.9" in second["message"]
    stage.wait("the first version serves alone", lambda: stage.serves_alone(f"{NAME}-v1"))

    # They are corrected, and those of the next roll-out have the new relation too: the third version is better.
    labels["1.csv"] = of_second(9)
    stage.apply(a_table(f"{NAME}-labels", labels))
    stage.kubectl.annotate("ModelDeployment", NAME, {names.RETRAIN: "by a person"})
    rolls_out(stage, f"{NAME}-v3")
    stage.apply(a_table(f"{NAME}-labels", labels | {"2.csv": asked(stage, 2)(9)}))
    report = report_about(stage, f"{NAME}-v3")
    assert stage.outcome(report)[0] == "WithinThresholds", stage.outcome(report)[1]
    until_live(stage, f"{NAME}-v3")

    folder = stage.claim(f"{NAME}-models", "ReadWriteMany") / stage.namespace / NAME / "captured"
    terminal = Terminal(console_script(tmp_path), stage.kubeconfig, stage.kubectl, tmp_path)
    a_key_is_forgotten_and_the_folder_kept_small(stage, folder, terminal)
    files_of_an_ended_version_are_deleted(stage, folder.parent)
