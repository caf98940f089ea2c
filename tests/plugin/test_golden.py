"""Every command at 80 columns, beside the file that says so: UPDATE_GOLDEN=1 writes the files again."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.builders import merged
from tests.plugin import rollout_in_progress
from tests.plugin.fixed_cluster import FixedCluster, rolling_out
from tests.plugin.golden import FOLDER, compare
from tests.plugin.test_output import COMMANDS
from tests.plugin.tool_files import drift, evidently

LOCAL = {"init", "try", "backtest"}
"""Commands without a cluster, whose output is compared in tests of their own."""


def empty() -> FixedCluster:
    return FixedCluster()


def training() -> FixedCluster:
    """bike-v4 trains since 20 minutes."""
    cluster = rolling_out()
    v4 = cluster.get("ModelVersion", "bike-v4")
    assert v4
    status = {"phase": "Training", "reason": "Training", "message": "fits to 960 rows"}
    cluster.put("ModelVersion", "bike-v4", v4["spec"], status)
    retraining = rollout_in_progress.condition("Retraining", "True", "Training", "bike-v4: fits to 960 rows")
    model = cluster.get("ModelDeployment", "bike")
    assert model
    conditions = [*model["status"]["conditions"][:-1], retraining | {"lastTransitionTime": "2026-11-23T11:40:00Z"}]
    state = {"phase": "Training", "weight": None, "replicas": 2, "readyReplicas": 2, "conditions": conditions}
    cluster.change("ModelDeployment", "bike", **state)
    return cluster


def awaiting() -> FixedCluster:
    cluster = rolling_out()
    cluster.change("ModelVersion", "bike-v4", phase="AwaitingApproval", message="waits for a person", rollout=None)
    cluster.change("ModelDeployment", "bike", phase="AwaitingApproval", weight=None)
    return cluster


def starting() -> FixedCluster:
    """A model that the operator has not seen yet."""
    cluster = FixedCluster()
    cluster.put_model()
    return cluster


def capturing() -> FixedCluster:
    """A model that captures, whose labels are in files."""
    cluster = rolling_out()
    labels = {"uri": "s3://bikes/labels/*.csv", "key": "ride", "mature": "7d"}
    spec = {"serving": {"capture": {"secretRef": {"name": "capture-keys"}}}, "data": {"labels": labels}}
    model = cluster.get("ModelDeployment", "bike")
    assert model
    cluster.put("ModelDeployment", "bike", merged(model["spec"], spec), model["status"])
    return cluster


Case = tuple[str, Callable[[], FixedCluster], tuple[str, ...]]
CASES: list[Case] = [
    ("status-none", empty, ("status",)),
    ("status-all", rolling_out, ("status",)),
    ("status-namespaces", rolling_out, ("status", "-A")),
    ("status-starting", starting, ("status", "bike")),
    ("status-training", training, ("status", "bike")),
    ("status-awaiting", awaiting, ("status", "bike")),
    ("status-rolling-out", rolling_out, ("status", "bike")),
    ("history", rolling_out, ("history", "bike")),
    ("compare", rolling_out, ("compare", "bike", "v3", "v4")),
    ("report", rolling_out, ("report", "bike", "v4", "--print")),
    ("report-drift", rolling_out, ("report", "bike", "--drift", "--print")),
    ("report-on-a-claim", rolling_out, ("report", "bike", "v4")),
    ("approve", awaiting, ("approve", "bike")),
    ("approve-refused", training, ("approve", "bike")),
    ("reject", awaiting, ("reject", "bike", "v4")),
    ("retrain", rolling_out, ("retrain", "bike")),
    ("pin", rolling_out, ("pin", "bike", "v1")),
    ("pin-off", rolling_out, ("pin", "bike", "--off")),
    ("forget", capturing, ("forget", "bike", "ride-7")),
    ("unknown-model", empty, ("status", "bike")),
]
OF_ARGPARSE: list[Case] = [
    ("unknown-command", empty, ("frob",)),
    ("version", empty, ("--version",)),
    ("help", empty, ("--help",)),
    *((f"help-{command}", empty, (command, "--help")) for command in COMMANDS),
]


@pytest.mark.parametrize(("name", "cluster", "words"), CASES, ids=[name for name, *_ in CASES])
def test_command_fits_80_columns(name: str, cluster: Callable[[], FixedCluster], words: tuple[str, ...]) -> None:
    compare(name, cluster().shown(*words))


@pytest.mark.skipif(sys.version_info[:2] != (3, 11), reason="each Python writes help in its own way")
@pytest.mark.parametrize(("name", "cluster", "words"), OF_ARGPARSE, ids=[name for name, *_ in OF_ARGPARSE])
def test_help_fits_80_columns(name: str, cluster: Callable[[], FixedCluster], words: tuple[str, ...]) -> None:
    compare(name, cluster().shown(*words))


def test_check_fits_80_columns(tmp_path: Path) -> None:
    file = tmp_path / "report.json"
    file.write_text(json.dumps(evidently(("RowCount", {}, 400.0), drift("feature1", "psi", 0.4))))
    compare("check", rolling_out().shown("check", "bike", "--evidently", str(file), "--dry-run"), FILE=file)


def test_every_command_has_a_golden_file() -> None:
    names = {path.stem for path in FOLDER.glob("*.txt")}
    assert set(COMMANDS) - {name.partition("-")[0] for name in names} == set()
    left = names - {name for name, *_ in (*CASES, *OF_ARGPARSE)} - {"check"}
    assert {name.partition("-")[0] for name in left} == LOCAL
