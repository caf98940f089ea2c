"""The package of docs/own-estimator.md: its files as an image has them."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping

from perennial_trainer.models.frameworks.entry_points import GROUP
from tests.stage import ROOT

PACKAGE, MODULE = "acme-estimators", "acme_estimators"
ESTIMATOR = f"{PACKAGE}:trimmed-regression"
LISTINGS = dict(re.findall(r"```(\w+)\n(.*?)```", (ROOT / "docs" / "own-estimator.md").read_text(), re.DOTALL))
"""By their language."""


def files_of_package(more: Mapping[str, str] = {}) -> dict[str, str]:
    """Name → text of what pip installs, with `more` entry points."""
    project = tomllib.loads(LISTINGS["toml"])["project"]
    facts, named = f"{MODULE}-{project['version']}.dist-info", project["entry-points"][GROUP] | more
    return {
        f"{facts}/METADATA": f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n",
        f"{facts}/entry_points.txt": "\n".join([f"[{GROUP}]", *(f"{name} = {place}" for name, place in named.items())]),
        f"{MODULE}.py": LISTINGS["python"],
    }
