"""Fields and manifests in the documents are those of the API."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from kubectl_perennial.admission.model_deployment import refusals
from tests.stage import ROOT

DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
FIELDS = set(re.findall(r"^\| `([\w.\[\]]+)` \|", (ROOT / "docs" / "api.md").read_text(), re.M))
MANIFESTS = [
    (document.name, manifest)
    for document in DOCUMENTS
    for block in re.findall(r"^```yaml\n(.*?)^```", document.read_text(), re.S | re.M)
    if "kind: ModelDeployment" in block
    for manifest in yaml.safe_load_all(block)
]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_named_fields_of_spec_exist(document: Path) -> None:
    named = re.findall(r"`spec\.([\w.\[\]]+?)(?:[:=] ?[^`]*)?`", document.read_text())
    assert set(named) - FIELDS == set()


@pytest.mark.parametrize(("document", "manifest"), MANIFESTS, ids=lambda value: value if isinstance(value, str) else "")
def test_an_api_server_takes_manifests_of_the_documents(document: str, manifest: dict[str, object]) -> None:
    assert refusals(manifest) == []
