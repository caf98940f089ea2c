"""Each command as the console script of the PATH, as kubectl runs it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest
from setuptools import find_packages

from tests.plugin.terminal import PATHS, Terminal
from tests.stage import ROOT

EVIDENTLY = {
    "metrics": [
        {"config": {"type": "evidently:metric_v2:RowCount"}, "value": 400.0},
        {"config": {"type": "evidently:metric_v2:ValueDrift", "column": "feature1", "method": "psi"}, "value": 0.4},
    ]
}


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        (("status", "bike"), "● roll out 20 %"),
        (("history", "bike"), "bike-v2"),
        (("compare", "bike", "v3", "v4"), "20 % better"),
        (("reject", "bike"), "bike-v4 rejected by local"),
        (("retrain", "bike"), "retraining requested at"),
        (("pin", "bike", "v1"), "pin: bike-v1"),
        (("report", "bike", "--print"), "bike-v3/report.html"),
        (("check", "bike", "--evidently", "-"), "DriftReport bike-evidently-"),
    ],
    ids=lambda value: value[0] if isinstance(value, tuple) else "",
)
def test_console_script_prints_what_the_command_prints(
    as_process: Terminal, words: tuple[str, ...], shown: str
) -> None:
    result = as_process.run(*words, stdin=json.dumps(EVIDENTLY))
    assert result.code == 0, result.err
    assert shown in result.out


def test_console_script_approves(as_process: Terminal) -> None:
    as_process.kubectl.patch("ModelVersion", "bike-v4", {"status": {"phase": "AwaitingApproval"}}, "status")
    assert as_process.output("approve", "bike") == "bike-v4 approved by local\n"


@pytest.mark.skipif(shutil.which("kubectl") is None, reason="no kubectl in PATH")
def test_kubectl_runs_the_plugin(rolling_out: Terminal) -> None:
    run = subprocess.run(
        ["kubectl", "perennial", "status", "bike", "-n", rolling_out.kubectl.namespace],
        env={
            "PATH": f"{rolling_out.script.parent}:{os.environ['PATH']}",
            "HOME": str(rolling_out.home),
            "PYTHONPATH": PATHS,
            "KUBECONFIG": str(rolling_out.kubeconfig),
        },
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout.startswith("bike  ·  ")


def test_package_is_installed_and_not_in_the_operator_image() -> None:
    where = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]["find"]["where"]
    assert "kubectl_perennial" in [name for folder in where for name in find_packages(str(ROOT / folder))]
    copied = [line.split()[1] for line in _dockerfile() if line.startswith("COPY") and "--from" not in line]
    assert copied and not any(Path(source) in (Path("operator"), Path("kubectl")) for source in copied)


def _dockerfile() -> list[str]:
    return (ROOT / "operator" / "Dockerfile").read_text().splitlines()
