"""The package of docs/own-estimator.md: its files as an image has them."""

from __future__ import annotations

import re
import sys
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from perennial_trainer.models.frameworks.entry_points import ALLOWED, GROUPS, Role
from tests.stage import ROOT

PACKAGE, MODULE = "acme-estimators", "acme_estimators"
ESTIMATOR, TRANSFORMER = f"{PACKAGE}:trimmed-regression", f"{PACKAGE}:cycle"
LISTINGS = dict(re.findall(r"```(\w+)\n(.*?)```", (ROOT / "docs" / "own-estimator.md").read_text(), re.DOTALL))
"""By their language."""
SPEC: dict[str, Any] = yaml.safe_load(LISTINGS["yaml"])["spec"]


def install(folder: Path, more: Mapping[Role, Mapping[str, str]] = {}) -> Path:
    """The folder has what pip installs of the package, with `more` entry points."""
    project = tomllib.loads(LISTINGS["toml"])["project"]
    facts, lines = folder / f"{MODULE}-{project['version']}.dist-info", []
    for role, group in GROUPS.items():
        named = project["entry-points"][group] | more.get(role, {})
        lines += [f"[{group}]", *(f"{name} = {place}" for name, place in named.items())]
    facts.mkdir(parents=True)
    (facts / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n")
    (facts / "entry_points.txt").write_text("\n".join(lines))
    (folder / f"{MODULE}.py").write_text(LISTINGS["python"])
    return folder


@contextmanager
def image_with_package(
    folder: Path, monkeypatch: pytest.MonkeyPatch, more: Mapping[Role, Mapping[str, str]], unsuitable: str
) -> Iterator[pytest.MonkeyPatch]:
    """This process is an image with the package, which is allowed, and with a module `unsuitable`."""
    (install(folder, more) / "unsuitable.py").write_text(unsuitable)
    monkeypatch.syspath_prepend(folder)
    monkeypatch.setenv(ALLOWED, f"other,{PACKAGE}")
    yield monkeypatch
    for module in (MODULE, "unsuitable"):
        sys.modules.pop(module, None)


def program_of_image(folder: Path) -> Path:
    """What an image with the package runs: the trainer, which finds the package; no other image does."""
    program, package = folder / "trainer_acme.py", install(folder / "package")
    run = 'runpy.run_module("perennial_trainer", run_name="__main__", alter_sys=True)'
    program.write_text(f"import runpy\nimport sys\n\nsys.path.append({str(package)!r})\n{run}\n")
    return program
