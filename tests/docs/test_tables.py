"""Tables of the documents are whole, and what they repeat of other files is true."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.charts.chart import CASES, of_kind
from tests.stage import ROOT

DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "charts").rglob("*.md")])
RUNBOOK = (ROOT / "docs" / "runbook.md").read_text()
SYMPTOMS = (ROOT / "docs" / "symptoms.md").read_text()


def tables(document: Path) -> Iterator[list[list[str]]]:
    """The rows of each table, each as its cells."""
    text = re.sub(r"^```.*?^```", "", document.read_text(), flags=re.DOTALL | re.MULTILINE)
    for block in re.findall(r"(?:^\|.*\n?)+", text, re.MULTILINE):
        yield [
            [cell.strip() for cell in re.split(r"(?<!\\)\|", line.strip())[1:-1]] for line in block.strip().splitlines()
        ]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_tables_have_a_head_and_rows_of_its_width(document: Path) -> None:
    for head, line, *rows in tables(document):
        assert all(re.fullmatch(":?-+:?", cell) for cell in line), head
        assert [row for row in rows if len(row) != len(head)] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_row_of_a_table_is_doubled(document: Path) -> None:
    for table in tables(document):
        rows = [tuple(row) for row in table]
        assert len(set(rows)) == len(rows)


def test_no_table_of_the_runbook_has_a_reason_twice() -> None:
    for table in tables(ROOT / "docs" / "runbook.md"):
        reasons = [reason for row in table[2:] for reason in re.findall(r"`(\w+)`", row[0])]
        assert sorted(reasons) == sorted(set(reasons))


def test_each_document_names_the_same_version_of_kubernetes() -> None:
    chart = yaml.safe_load((ROOT / "charts" / "perennial" / "Chart.yaml").read_text())
    (needed,) = re.findall(r">=(\d+\.\d+)\.0", chart["kubeVersion"])
    named = {
        (document.name, version)
        for document in DOCUMENTS
        for version in re.findall(r"Kubernetes (\d+\.\d+) (?:or|and) newer", document.read_text())
    }
    assert {version for _, version in named} == {needed}, named


def test_file_that_names_the_images_names_them() -> None:
    (file,) = re.findall(r"images' names are in `([^`]+)`", (ROOT / "docs" / "install.md").read_text())
    text = (ROOT / file).read_text()
    assert "image: perennial-operator:" in text
    assert "perennial-trainer:" in text


def test_every_alert_has_a_section_in_the_runbook() -> None:
    groups = of_kind("PrometheusRule", CASES["everything on"])[0]["spec"]["groups"]
    urls = {rule["alert"]: rule["annotations"]["runbook_url"] for group in groups for rule in group["rules"]}
    assert urls == {alert: f"docs/symptoms.md#{alert.lower()}" for alert in urls}
    assert sorted(re.findall(r"^### (\w+)$", SYMPTOMS, re.MULTILINE)) == sorted(urls)


def test_every_reason_of_a_symptom_is_in_the_runbook() -> None:
    (table,) = tables(ROOT / "docs" / "symptoms.md")
    reasons = {reason for row in table[2:] for reason in re.findall(r"`([A-Z]\w+)`", row[2])}
    assert len(reasons) > 30
    assert not {reason for reason in reasons if f"`{reason}`" not in RUNBOOK}
