"""The package of docs/own-estimator.md: its files as an image has them."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from perennial_trainer.models.frameworks.entry_points import GROUP
from tests.stage import ROOT

PACKAGE, MODULE = "acme-estimators", "acme_estimators"
ESTIMATOR = f"{PACKAGE}:trimmed-regression"
LISTINGS = dict(re.findall(r"```(\w+)\n(.*?)```", (ROOT / "docs" / "own-estimator.md").read_text(), re.DOTALL))
"""By their language."""
SPEC: dict[str, Any] = yaml.safe_load(LISTINGS["yaml"])["spec"]


def files_of_package(more: Mapping[str, str] = {}) -> dict[str, str]:
    """Name → text of what pip installs, with `more` entry points."""
    project = tomllib.loads(LISTINGS["toml"])["project"]
    facts, named = f"{MODULE}-{project['version']}.dist-info", project["entry-points"][GROUP] | more
    return {
        f"{facts}/METADATA": f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n",
        f"{facts}/entry_points.txt": "\n".join([f"[{GROUP}]", *(f"{name} = {place}" for name, place in named.items())]),
        f"{MODULE}.py": LISTINGS["python"],
    }


def install(folder: Path, more: Mapping[str, str] = {}) -> Path:
    """The folder, in which the package is installed."""
    for name, text in files_of_package(more).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


def program_of_image(folder: Path) -> Path:
    """What an image with the package runs: the trainer, which finds the package; no other image does."""
    program, package = folder / "trainer_acme.py", install(folder / "package")
    run = 'runpy.run_module("perennial_trainer", run_name="__main__", alter_sys=True)'
    program.write_text(f"import runpy\nimport sys\n\nsys.path.append({str(package)!r})\n{run}\n")
    return program
