"""What must be so of the checkout itself."""

from __future__ import annotations

import tomllib

import perennial_operator
import perennial_trainer
from tests.stage import ROOT


def test_no_package_is_named_operator_or_it_would_hide_the_standard_librarys() -> None:
    assert not (ROOT / "operator" / "__init__.py").exists()
    assert not (ROOT / "trainer" / "__init__.py").exists()
    assert not (ROOT / "kubectl" / "__init__.py").exists()


def test_both_packages_and_the_project_have_the_same_version() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert (perennial_operator.__version__, perennial_trainer.__version__) == (project, project)
