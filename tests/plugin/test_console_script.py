"""Each command as the script that an installer puts into PATH, where kubectl finds it by its name."""

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
        (("reject", "bike"), "bike-v4 rejected by ada"),
        (("retrain", "bike"), "retraining requested at"),
        (("pin", "bike", "v1"), "pin: bike-v1"),
        (("report", "bike", "--print"), "bike-v3/report.html"),
        (("check", "bike", "--evidently", "-"), "DriftReport bike-evidently-"),
    ],
    ids=lambda value: value[0] if isinstance(value, tuple) else "",
)
def test_it_does_what_it_says_as_a_process(apart: Terminal, words: tuple[str, ...], shown: str) -> None:
    said = apart.types(*words, stdin=json.dumps(EVIDENTLY))
    assert said.code == 0, said.err
    assert shown in said.out


def test_approve_does_what_it_says_as_a_process(apart: Terminal) -> None:
    apart.kubectl.patch("ModelVersion", "bike-v4", {"status": {"phase": "AwaitingApproval"}}, "status")
    assert apart.reads("approve", "bike") == "bike-v4 approved by ada\n"


@pytest.mark.skipif(shutil.which("kubectl") is None, reason="no kubectl in PATH")
def test_kubectl_finds_it(told: Terminal) -> None:
    run = subprocess.run(
        ["kubectl", "perennial", "status", "bike", "-n", told.kubectl.namespace],
        env={
            "PATH": f"{told.script.parent}:{os.environ['PATH']}",
            "HOME": str(told.home),
            "PYTHONPATH": PATHS,
            "KUBECONFIG": str(told.kubeconfig),
        },
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout.startswith("bike  ·  ")


def test_the_package_is_installed_with_the_project_and_is_no_part_of_the_operators_image() -> None:
    where = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]["find"]["where"]
    assert "kubectl_perennial" in [name for folder in where for name in find_packages(str(ROOT / folder))]
    copied = [line.split()[1] for line in _dockerfile() if line.startswith("COPY") and "--from" not in line]
    assert copied and not any(Path(source) in (Path("operator"), Path("kubectl")) for source in copied)


def _dockerfile() -> list[str]:
    return (ROOT / "operator" / "Dockerfile").read_text().splitlines()
