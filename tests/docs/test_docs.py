"""The documents say what the code does."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

import pytest

from perennial_operator.core.api.analysis import FAILURES, MEASURING, NO_DATA, PASSED
from tests.stage import ROOT

DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])


def test_the_api_reference_is_made_from_the_crds() -> None:
    page = runpy.run_path(str(ROOT / "docs" / "reference.py"))["page"]()
    assert (ROOT / "docs" / "api.md").read_text() == page, "run make crds"


def test_the_diagram_of_phases_is_made_from_the_table() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text()
    assert runpy.run_path(str(ROOT / "docs" / "phases.py"))["written"](page) == page, "run python docs/phases.py"


def test_the_table_of_metrics_is_made_from_the_metric_table() -> None:
    page = (ROOT / "docs" / "metrics.md").read_text()
    assert runpy.run_path(str(ROOT / "docs" / "metrics.py"))["written"](page) == page, "run python docs/metrics.py"


def test_page_of_estimators_is_made_from_the_allow_list() -> None:
    page = (ROOT / "docs" / "estimators.md").read_text()
    assert runpy.run_path(str(ROOT / "docs" / "estimators.py"))["written"](page) == page, (
        "run python docs/estimators.py"
    )


def test_the_picture_of_bins_is_made_from_the_profile() -> None:
    picture = (ROOT / "docs" / "bins.svg").read_text()
    assert runpy.run_path(str(ROOT / "docs" / "bins.py"))["picture"]() == picture, "run python docs/bins.py"


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_to_files(document: Path) -> None:
    links = [link for link in re.findall(r"\]\(([^)#]+)[^)]*\)", document.read_text()) if "://" not in link]
    missing = [link for link in links if not (document.parent / link).exists()]
    assert not missing


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_named_modules_exist(document: Path) -> None:
    modules = set(re.findall(r"`([\w/]+/\w+\.py)`", document.read_text())) - {"operator/__init__.py"}
    files = [
        f"/{path}"
        for folder in ("operator", "trainer", "kubectl", "tests", "docs")
        for path in (ROOT / folder).rglob("*.py")
    ]
    assert not [module for module in modules if not any(file.endswith(f"/{module}") for file in files)]


def test_every_reason_of_the_trainer_is_in_the_runbook() -> None:
    code = "".join(path.read_text() for path in (ROOT / "trainer").rglob("*.py"))
    reasons = set(re.findall(r'(?:RejectedTask|FailedTask)\(\s*"([A-Z]\w+)"', code))
    assert len(reasons) > 30
    assert not {reason for reason in reasons if f"`{reason}`" not in (ROOT / "docs" / "runbook.md").read_text()}


def test_every_reason_for_a_person_is_in_the_runbook() -> None:
    core = ROOT / "operator" / "perennial_operator" / "core"
    code = "".join(
        (core / name).read_text()
        for name in (
            "rules/validation_gate.py",
            "rules/job_results.py",
            "status/readiness.py",
            "status/deployment_status.py",
            "traffic/http_route.py",
            "traffic/kserve.py",
            "traffic/gateway_api.py",
            "rollout/current_step.py",
        )
    )
    reasons = set(
        re.findall(
            r'(?:Gate\(False, |Blocker\(\s*|reason=|(?:Statement\("\w+"|RoutingStatus\(), (?:False|True|None), )"([A-Z]\w+)"',
            code,
        )
    )
    harmless = {"NotStalled", "Serving", "Routed", "Idle", "NotNeeded", "Done"}  # nothing is wrong
    assert len(reasons) > 10
    assert not {r for r in reasons - harmless if f"`{r}`" not in (ROOT / "docs" / "runbook.md").read_text()}


def test_every_reason_of_an_analysis_is_in_the_runbook() -> None:
    runbook = (ROOT / "docs" / "runbook.md").read_text()
    reasons = {*FAILURES, PASSED, MEASURING, NO_DATA, "KnownBad"}
    assert not {reason for reason in reasons if f"`{reason}`" not in runbook}
