"""Rules about the checkout itself."""

from __future__ import annotations

import re
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

import perennial_operator
import perennial_trainer
from tests.stage import ROOT

VERSION = perennial_operator.__version__
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
COPIES = {
    "charts/perennial/Chart.yaml": r"^(?:version|appVersion): (\S+)$",
    "operator/Dockerfile": r"ARG VERSION=(\S+)",
    "trainer/Dockerfile": r"ARG VERSION=(\S+)",
    "operator/perennial_operator/settings.py": r"perennial-trainer:([\d.]+)",
    "manifests/operator/deployment.yaml": r"perennial-(?:operator|trainer):([\d.]+)",
    "docs/install.md": r"perennial-trainer:([\d.]+)",
    "docs/keras.md": r"perennial-trainer-keras:([\d.]+)",
    "gitops/argocd/perennial.yaml": r"targetRevision: v([\d.]+)",
    "gitops/flux/perennial/perennial.yaml": r"tag: v([\d.]+)",
}
"""Files that repeat the version of operator/perennial_operator/__init__.py, and where."""


@pytest.mark.parametrize("folder", ["operator", "trainer", "kubectl"])
def test_no_package_hides_a_standard_library_module(folder: str) -> None:
    assert not (ROOT / folder / "__init__.py").exists()


def test_both_packages_have_the_same_version() -> None:
    assert perennial_trainer.__version__ == VERSION


def test_the_project_takes_its_version_from_the_operator() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert project["project"]["dynamic"] == ["version"]
    assert project["tool"]["setuptools"]["dynamic"]["version"] == {"attr": "perennial_operator.__version__"}


@pytest.mark.parametrize("file", COPIES)
def test_every_copy_of_the_version_is_current(file: str) -> None:
    assert set(re.findall(COPIES[file], (ROOT / file).read_text(), re.MULTILINE)) == {VERSION}


@pytest.mark.parametrize("file", WORKFLOWS, ids=lambda path: path.name)
def test_a_workflow_has_no_right_that_a_job_does_not_ask_for(file: Path) -> None:
    workflow: dict[str, Any] = yaml.safe_load(file.read_text())
    assert workflow["permissions"] == {"contents": "read"}
    assert all("timeout-minutes" in job for job in workflow["jobs"].values())


@pytest.mark.parametrize("file", WORKFLOWS, ids=lambda path: path.name)
def test_workflows_call_targets_of_the_makefile(file: Path) -> None:
    targets = set(re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    calls = re.findall(r"make ((?:--silent )?[a-z][a-z -]*)", file.read_text())
    assert {word for call in calls for word in call.split() if not word.startswith("--")} <= targets
    assert calls


def test_the_help_of_make_fits_80_columns() -> None:
    help_text = subprocess.run(
        ["make", "--silent", "help"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    assert [line for line in help_text.splitlines() if len(line) > 80] == []
    assert "make demo" in help_text
