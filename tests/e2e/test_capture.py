"""What was asked becomes data: drift is found in captured rows, a second version is trained from them, and they end."""

from __future__ import annotations

import shutil
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from perennial_operator.core.api.values import as_text
from perennial_trainer.captured.encoding import decode_table
from perennial_trainer.captured.keys import captured_key
from tests.e2e.models import a_claim, a_model, a_table
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
    },
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


def asked(stage: Stage) -> str:
    """The labels of rows that a pod was asked for, in which the slope of feature1 is another one than before."""
    random, labels = np.random.default_rng(1), ["ride,target"]
    for number in range(REQUESTS):
        one, two, noise = random.normal(size=(3, ROWS))
        rides = [f"ride-{number}-{row}" for row in range(ROWS)]
        stage.predict(NAME, {"feature1": one.tolist(), "feature2": two.tolist(), "ride": rides})
        labels += [f"{ride},{value}" for ride, value in zip(rides, 9 * one - 2 * two + 0.3 * noise, strict=True)]
    return "\n".join(labels) + "\n"


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
    before, forgotten = captured_files(folder), captured_key(KEY.encode(), "ride-3-7")
    shown = terminal.run("forget", NAME, stdin="ride-3-7\n")
    assert "captured rows of 1 key are deleted by Job rides-upkeep" in " ".join(shown.out.split()), shown
    assert "ride-3-7" not in str(stage.kubectl.get("ModelDeployment", NAME))
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

    stage.wait("its Job is deleted", lambda: stage.kubectl.get("Job", f"{NAME}-upkeep") is None)
    yesterday = as_text(now - timedelta(days=1))
    facts_of_yesterday = {"lastAttemptTime": yesterday, "lastTime": yesterday}
    stage.kubectl.patch("ModelDeployment", NAME, {"status": {"upkeep": facts_of_yesterday}}, "status")
    again = stage.wait("the next day's has ended", lambda: upkeep_since(stage, now.replace(microsecond=0)))
    assert again["message"] == "deleted 0 rows of 1 key in 0 files"
    assert captured_files(folder) == after


def forgotten_in(before: dict[str, list[str]], key: str, old: str) -> tuple[int, int]:
    """How many rows of the key there were, without those of that day, and in how many files."""
    counts = [keys.count(key) for name, keys in before.items() if old not in name and key in keys]
    return sum(counts), len(counts)


def test_captured_rows_with_late_labels_reach_a_second_version(stage: Stage, tmp_path: Path) -> None:
    if stage.cluster == "current":
        pytest.skip("not every cluster has volumes with ReadWriteMany")
    model = a_model(NAME, SPEC)
    stage.apply(a_table(f"{NAME}-data", {"0.csv": rides_of_before()}), a_table(f"{NAME}-labels", {}), a_secret())
    stage.apply(a_claim(f"{NAME}-models", "ReadWriteMany"), model)
    first = stage.until_phase(f"{NAME}-v1", "Live", "Rejected", "Failed")
    assert first["phase"] == "Live", first["message"]

    labels = asked(stage)
    stage.wait("the rows are written", lambda: stage.captured_rows(NAME) == REQUESTS * ROWS)
    stage.apply(a_table(f"{NAME}-labels", {"0.csv": labels}))
    mature = datetime.now(UTC) + timedelta(seconds=2)  # a request names whole seconds
    stage.wait("the labels count", lambda: datetime.now(UTC) >= mature)
    stage.check_now(NAME)
    stage.wait("a check has a report", lambda: stage.kubectl.list("DriftReport"), 90)
    (report,) = stage.kubectl.list("DriftReport")
    assert stage.outcome(report["metadata"]["name"])[0] == "Triggered"
    assert report["spec"]["samples"] == REQUESTS * ROWS

    second = stage.until_phase(f"{NAME}-v2", "Live", "Rejected", "Failed", "RolledBack")
    assert second["phase"] == "Live", second["message"]
    assert second["metrics"]["candidate"]["mse"] < second["metrics"]["live"]["mse"]
    stage.wait("the second version serves alone", lambda: stage.serves_alone(f"{NAME}-v2"))
    none, more = stage.predict(NAME, {"feature1": [0.0, 1.0], "feature2": [0.0, 0.0]})
    assert more - none == pytest.approx(9, abs=0.5)

    stage.wait("these rows are written", lambda: stage.captured_rows(NAME) == 2)
    folder = stage.claim(f"{NAME}-models", "ReadWriteMany") / stage.namespace / NAME / "captured"
    terminal = Terminal(console_script(tmp_path), stage.kubeconfig, stage.kubectl, tmp_path)
    a_key_is_forgotten_and_the_folder_kept_small(stage, folder, terminal)
