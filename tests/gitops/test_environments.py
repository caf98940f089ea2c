"""The environments of docs/environments.md: what each of them applies."""

from __future__ import annotations

import re
import shutil
import subprocess
from typing import Any

import pytest
import yaml
from cloudcoil.models.fluxcd.kustomize.v1 import Kustomization
from cloudcoil.models.fluxcd.source.v1 import GitRepository

from kubectl_perennial.admission.model_deployment import refusals
from tests.stage import ROOT

PAGE = (ROOT / "docs" / "environments.md").read_text()


def built(environment: str) -> dict[str, Any]:
    """The one object of the overlay."""
    done = subprocess.run(
        ["kubectl", "kustomize", ROOT / "gitops" / "environments" / environment], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    (model,) = yaml.safe_load_all(done.stdout)
    return dict(model)


@pytest.mark.skipif(shutil.which("kubectl") is None, reason="kustomizations are read by kubectl: put it into PATH")
def test_environments_share_the_recipe_and_have_a_storage_each() -> None:
    staging, production = built("staging"), built("production")
    for name, model in (("staging", staging), ("production", production)):
        assert model["metadata"]["namespace"] == name
        assert refusals(model) == []
    parts = ("model", "data", "drift", "validation")
    assert [staging["spec"][part] for part in parts] == [production["spec"][part] for part in parts]
    assert staging["spec"]["storage"]["uri"] != production["spec"]["storage"]["uri"]
    assert production["spec"]["rollout"]["approval"] == "manual"


def test_flux_knows_every_field_of_the_page() -> None:
    (block,) = re.findall(r"```yaml\n(.*?)```", PAGE, re.S)
    repository, kustomization = yaml.safe_load_all(block)
    for document, kind in ((repository, GitRepository), (kustomization, Kustomization)):
        model: Any = kind
        assert model.model_validate(document).model_dump(mode="json", by_alias=True, exclude_unset=True) == document
    assert (ROOT / kustomization["spec"]["path"] / "kustomization.yaml").is_file()
