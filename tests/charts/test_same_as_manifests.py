"""Helm and kubectl install the same operator with the same rights."""

from __future__ import annotations

from typing import Any

import pytest

from perennial_operator import __version__
from tests.charts.chart import CASES, PATH, Body, chart, of_kind
from tests.kubectl import documents
from tests.stage import ROOT

MANIFESTS = ROOT / "manifests"
PEOPLE = ("view", "edit", "reporter")


def shipped(folder: str, kind: str) -> dict[str, Body]:
    """Name → object of the kind below manifests/."""
    bodies = [document for file in sorted((MANIFESTS / folder).glob("*.yaml")) for document in documents(file)]
    return {document["metadata"]["name"]: document for document in bodies if document.get("kind") == kind}


def unnamed(value: Any) -> Any:
    """The value with the labels and names that a release chooses made alike."""
    if isinstance(value, dict):
        return {
            key: "..." if key in ("matchLabels", "labels", "serviceAccountName") else unnamed(inner)
            for key, inner in value.items()
        }
    if isinstance(value, list):
        return sorted((unnamed(item) for item in value), key=str)
    return value


@pytest.mark.parametrize("part", ["crds", "admission"])
def test_the_definitions_are_copies(part: str) -> None:
    here, there = (
        {file.name: file.read_text() for file in sorted(folder.glob("*.yaml")) if file.name != "kustomization.yaml"}
        for folder in (PATH / "files" / part, MANIFESTS / part)
    )
    assert here == there, "run make crds"


@pytest.mark.parametrize("kind", ["Deployment", "PodDisruptionBudget"])
def test_the_operator_runs_alike(kind: str) -> None:
    theirs = shipped("operator", kind)["perennial-operator"]["spec"]
    ours = of_kind(kind)[0]["spec"]
    values = {"PERENNIAL_MAX_TRAININGS": "10", "PERENNIAL_TRAININGS_PER_DAY": "1000"}
    if kind == "Deployment":  # values here, defaults there
        variables = [{"name": name, "value": value} for name, value in values.items()]
        theirs["template"]["spec"]["containers"][0]["env"] += variables
    assert unnamed(ours) == unnamed(theirs)


def test_the_operator_has_the_same_rights() -> None:
    cluster, lease = shipped("rbac", "ClusterRole"), shipped("rbac", "Role")
    (ours,) = [each for each in of_kind("ClusterRole") if each["metadata"]["name"] == "perennial"]
    assert ours["rules"] == cluster["perennial-operator"]["rules"]
    assert of_kind("Role")[0]["rules"] == lease["perennial-operator-lease"]["rules"]
    roles = {role["metadata"]["name"]: role["rules"] for role in of_kind("Role", CASES["namespaced"])}
    assert roles["perennial"] == cluster["perennial-operator"]["rules"]


@pytest.mark.parametrize("who", PEOPLE)
def test_people_have_the_same_rights(who: str) -> None:
    theirs = shipped("rbac", "ClusterRole")[f"perennial-{who}"]
    ours = next(role for role in of_kind("ClusterRole") if role["metadata"]["name"] == f"perennial-{who}")
    assert ours["rules"] == theirs["rules"]
    aggregated = {key for key in theirs["metadata"]["labels"] if "aggregate-to" in key}
    assert aggregated <= ours["metadata"]["labels"].keys()


def test_roles_for_people_are_optional_and_cluster_wide_only() -> None:
    alone = {"crds": {"install": False}}  # without the right to approve, which comes with the kinds
    assert len(of_kind("ClusterRole", {"rbac": {"people": False}} | alone)) == 1
    assert not of_kind("ClusterRole", CASES["namespaced"] | alone)


def test_the_chart_has_the_operator_s_version() -> None:
    assert (chart().version, chart().metadata["appVersion"]) == (__version__, __version__)
