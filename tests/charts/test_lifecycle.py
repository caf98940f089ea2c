"""Installed, upgraded, rolled back, uninstalled: by the real Helm, on API servers."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from helm_python import Config, HelmReleaseError

from tests.charts.chart import CASES, MONITORING, NAMESPACE, PATH, Body
from tests.e2e.models import a_model
from tests.kubectl import Kubectl
from tests.stage import ROOT
from tests.yaml_text import load, load_all

MODELS = "modeldeployments.perennial.dev"
EARLIER_COLUMN = {"name": "Earlier", "type": "string", "jsonPath": ".status.phase"}

Install = Callable[..., Body]


@pytest.fixture
def install(helm: Config) -> Install:
    def install(values: Mapping[str, Any] = {}, chart: Path = PATH, name: str = "perennial") -> Body:
        return helm.install(str(chart), name, dict(values), namespace=NAMESPACE, create_namespace=True)

    return install


@pytest.fixture
def earlier(tmp_path: Path) -> Path:
    """The chart as it might have been a version ago: another definition of ModelDeployments."""
    chart = tmp_path / "earlier" / "perennial"
    shutil.copytree(PATH, chart)
    meta = yaml.safe_load((chart / "Chart.yaml").read_text())
    (chart / "Chart.yaml").write_text(yaml.safe_dump(meta | {"version": "0.0.9"}))
    file = chart / "files" / "crds" / "modeldeployments.yaml"
    definition = load(file.read_text())
    definition["spec"]["versions"][0]["additionalPrinterColumns"] = [EARLIER_COLUMN]
    file.write_text(yaml.safe_dump(definition))
    return chart


def columns(kubectl: Kubectl) -> list[str]:
    definition = kubectl.get("CustomResourceDefinition", MODELS)
    assert definition
    return [column["name"] for column in definition["spec"]["versions"][0]["additionalPrinterColumns"]]


def definitions(kubectl: Kubectl) -> set[str]:
    return {definition["metadata"]["name"] for definition in kubectl.list("CustomResourceDefinition")}


def operator(kubectl: Kubectl) -> Body:
    deployment = kubectl.get("Deployment", "perennial")
    assert deployment
    return deployment


def a_model_that_is_there(kubectl: Kubectl) -> str:
    return str(kubectl.apply(a_model("bikes"))[0]["metadata"]["uid"])


def uid(kubectl: Kubectl) -> str:
    model = kubectl.get("ModelDeployment", "bikes")
    assert model
    return str(model["metadata"]["uid"])


def test_upgrade_and_rollback_change_crds_and_keep_models(
    kubectl: Kubectl, helm: Config, install: Install, earlier: Path
) -> None:
    assert install(chart=earlier)["status"] == "deployed"
    assert columns(kubectl) == ["Earlier"]
    model = a_model_that_is_there(kubectl)

    helm.upgrade(str(PATH), "perennial", {"replicas": 3})
    assert "Live" in columns(kubectl)
    assert operator(kubectl)["spec"]["replicas"] == 3

    helm.rollback("perennial")
    assert columns(kubectl) == ["Earlier"]
    assert operator(kubectl)["spec"]["replicas"] == 2
    releases = [(release["revision"], release["status"]) for release in helm.history("perennial")]
    assert releases == [(1, "superseded"), (2, "superseded"), (3, "deployed")]
    assert uid(kubectl) == model


def test_an_upgrade_to_the_same_changes_nothing(kubectl: Kubectl, helm: Config, install: Install) -> None:
    install()
    before = operator(kubectl)
    definition = kubectl.get("CustomResourceDefinition", MODELS)
    helm.upgrade(str(PATH), "perennial", {})
    assert operator(kubectl)["metadata"]["resourceVersion"] == before["metadata"]["resourceVersion"]
    again = kubectl.get("CustomResourceDefinition", MODELS)
    assert definition
    assert again
    assert again["metadata"]["generation"] == definition["metadata"]["generation"]


def test_uninstall_keeps_the_crds_and_models_only(kubectl: Kubectl, helm: Config, install: Install) -> None:
    before = definitions(kubectl)
    release = install(CASES["defaults"])
    model = a_model_that_is_there(kubectl)
    message = helm.uninstall("perennial")["info"]
    assert all(f"[CustomResourceDefinition] {name}" in message for name in definitions(kubectl) - before)
    for document in load_all(release["manifest"]):
        if document["kind"] in ("Deployment", "Service"):
            assert kubectl.get(document["kind"], document["metadata"]["name"]) is None
    assert not kubectl.list("Secret")
    assert uid(kubectl) == model

    install()
    assert uid(kubectl) == model


def test_definitions_stay_when_a_release_no_longer_brings_them(
    kubectl: Kubectl, helm: Config, install: Install
) -> None:
    install()
    model = a_model_that_is_there(kubectl)
    helm.upgrade(str(PATH), "perennial", {"crds": {"install": False}})
    assert uid(kubectl) == model


def test_crds_of_another_owner_are_left_to_it(kubectl: Kubectl, install: Install) -> None:
    kubectl.apply(ROOT / "manifests" / "crds")
    with pytest.raises(HelmReleaseError, match="exists and cannot be imported into the current release"):
        install(name="first")
    assert install({"crds": {"install": False}})["status"] == "deployed"


def test_namespaced_operator_has_rights_in_its_namespaces_only(kubectl: Kubectl, install: Install) -> None:
    for name in ("team-a", "team-b"):
        kubectl.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    install(CASES["namespaced"])
    roles = kubectl._call("GET", "/apis/rbac.authorization.k8s.io/v1/roles")["items"]
    ours = {(r["metadata"]["namespace"], r["metadata"]["name"]) for r in roles if r["metadata"]["labels"]}
    assert {("team-a", "perennial"), ("team-b", "perennial"), (NAMESPACE, "perennial-lease")} <= ours
    cluster_wide = kubectl._call("GET", "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings")["items"]
    assert not [binding for binding in cluster_wide if binding["metadata"]["name"].startswith("perennial")]


def test_a_namespace_that_is_not_there_is_named(install: Install) -> None:
    with pytest.raises(HelmReleaseError, match='namespaces "team-a" not found'):
        install(CASES["namespaced"])


def test_everything_on_is_taken_where_prometheus_operator_is(kubectl: Kubectl, install: Install) -> None:
    for kind in ("ServiceMonitor", "PrometheusRule"):
        kubectl.apply(a_definition_of(kind))
    assert install(CASES["everything on"])["status"] == "deployed"
    monitor = kubectl._call("GET", f"/apis/{MONITORING}/namespaces/{NAMESPACE}/servicemonitors/perennial")
    assert monitor["spec"]["endpoints"][0]["port"] == "metrics"


def test_where_prometheus_operator_is_not_nothing_is_installed(kubectl: Kubectl, install: Install) -> None:
    with pytest.raises(HelmReleaseError, match="unable to build kubernetes objects from release manifest"):
        install(CASES["everything on"])
    assert kubectl.get("Deployment", "perennial") is None


def a_definition_of(kind: str) -> Body:
    """A kind of Prometheus Operator's, whose fields test_monitoring checks."""
    plural, free = f"{kind.lower()}s", {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    version: dict[str, Any] = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": free}}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.monitoring.coreos.com"},
        "spec": {
            "group": "monitoring.coreos.com",
            "scope": "Namespaced",
            "names": {"kind": kind, "listKind": f"{kind}List", "plural": plural, "singular": kind.lower()},
            "versions": [version],
        },
    }
