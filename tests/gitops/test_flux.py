"""The files for Flux, and the Applications for Argo CD, say what their tools understand and what the chart knows."""

from __future__ import annotations

from typing import Any

import pytest
from cloudcoil.models.fluxcd.helm.v2 import HelmRelease
from cloudcoil.models.fluxcd.kustomize.v1 import Kustomization
from cloudcoil.models.fluxcd.source.v1 import GitRepository

from tests.charts.chart import chart
from tests.kubectl import documents
from tests.stage import ROOT

GITOPS = ROOT / "gitops"
MODELS = {"HelmRelease": HelmRelease, "Kustomization": Kustomization, "GitRepository": GitRepository}
OBJECTS = {
    f"{document['kind']} {document['metadata']['name']}": document
    for file in sorted(GITOPS.glob("flux/*/*.yaml"))
    for document in documents(file)
}


def of_flux(name: str) -> dict[str, Any]:
    spec: dict[str, Any] = OBJECTS[name]["spec"]
    return spec


@pytest.mark.parametrize("name", [name for name in OBJECTS if name.split()[0] in MODELS])
def test_flux_knows_every_field(name: str) -> None:
    """Its models drop what they do not know."""
    document = OBJECTS[name]
    model: Any = MODELS[document["kind"]]
    assert model.model_validate(document).model_dump(mode="json", by_alias=True, exclude_unset=True) == document


def test_models_wait_for_the_operator_and_flux_for_the_models() -> None:
    assert of_flux("Kustomization models")["dependsOn"] == [{"name": "perennial"}]
    for name in ("perennial", "models"):
        assert of_flux(f"Kustomization {name}")["wait"] is True
    assert of_flux("HelmRelease perennial")["test"] == {"enable": True}


def test_paths_lead_to_what_is_there() -> None:
    assert (GITOPS / "flux" / of_flux("Kustomization perennial")["path"]).is_dir()
    release = of_flux("HelmRelease perennial")["chart"]["spec"]
    assert (ROOT / release["chart"] / "Chart.yaml").is_file()
    assert f"!/{release['chart']}" in of_flux("GitRepository perennial")["ignore"].split()


def values() -> dict[str, dict[str, Any]]:
    applications = {app["metadata"]["name"]: app["spec"] for app in documents(GITOPS / "argocd" / "perennial.yaml")}
    return {
        "Flux": of_flux("HelmRelease perennial")["values"],
        "Argo CD": applications["perennial"]["source"]["helm"]["valuesObject"],
    }


@pytest.mark.parametrize("tool", ["Flux", "Argo CD"])
def test_the_chart_takes_their_values(tool: str) -> None:
    chart().validate_schema(values()[tool])
    assert values()["Flux"] == values()["Argo CD"]
