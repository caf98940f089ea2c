"""The CustomResourceDefinitions as files."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from perennial_operator.crds.definitions import crd_definitions
from tests.stage import ROOT
from tests.yaml_text import load

DEFINITIONS = crd_definitions()


def version(file: str) -> dict[str, Any]:
    (only,) = DEFINITIONS[file]["spec"]["versions"]
    spec: dict[str, Any] = only
    return spec


def fields(schema: dict[str, Any], path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every field below, with its path; what is below a preserve-unknown has no schema."""
    for name, child in schema.get("properties", {}).items():
        yield f"{path}.{name}", child
        yield from fields(child, f"{path}.{name}")
    for inner in ("items", "additionalProperties"):
        if isinstance(schema.get(inner), dict):
            yield from fields(schema[inner], f"{path}[]")


def test_crd_files_match_the_values_of_the_core() -> None:
    """After a change that is meant: `make crds`."""
    folder = ROOT / "manifests" / "crds"
    assert {file.name: load(file.read_text()) for file in folder.glob("*.yaml")} == DEFINITIONS


@pytest.mark.parametrize("file", DEFINITIONS)
def test_every_field_is_described_for_kubectl_explain(file: str) -> None:
    schema = version(file)["schema"]["openAPIV3Schema"]
    assert schema["description"]
    # Kubernetes describes metadata itself, and forbids others to.
    silent = [
        path for path, field in fields(schema) if not field.get("description") and not path.startswith(".metadata")
    ]
    assert silent == []


@pytest.mark.parametrize("file", DEFINITIONS)
def test_every_description_is_a_sentence(file: str) -> None:
    odd = [
        (path, field["description"])
        for path, field in fields(version(file)["schema"]["openAPIV3Schema"])
        if "description" in field and not field["description"].endswith(".")
    ]
    assert odd == []


@pytest.mark.parametrize("file", DEFINITIONS)
def test_every_text_and_list_that_a_person_writes_is_bounded(file: str) -> None:
    """So that the API server can bound the cost of the rules, and etcd the size of an object."""
    spec = version(file)["schema"]["openAPIV3Schema"]["properties"]["spec"]
    unbounded = [
        path
        for path, field in fields(spec, "spec")
        if (field.get("type") == "array" and "maxItems" not in field)
        or (field.get("type") == "string" and not {"maxLength", "enum", "format"} & field.keys())
    ]
    assert unbounded == []


@pytest.mark.parametrize(
    ("file", "short", "columns"),
    [
        (
            "modeldeployments.yaml",
            "mdep",
            ["Live", "Candidate", "Phase", "Weight", "Drift", "Ready", "Age"],
        ),
        ("modelversions.yaml", "mver", ["Model", "Phase", "Trigger", "Metric", "Age"]),
        ("driftreports.yaml", "drep", ["Model", "Version", "Samples", "Outcome", "Age"]),
    ],
)
def test_kubectl_get_prints_the_columns_of_each_kind(file: str, short: str, columns: list[str]) -> None:
    printed = [c["name"] for c in version(file)["additionalPrinterColumns"] if not c.get("priority")]
    assert printed == columns
    assert DEFINITIONS[file]["spec"]["names"]["shortNames"] == [short]
    assert DEFINITIONS[file]["spec"]["names"]["categories"] == ["perennial"]


def test_a_deployment_can_be_scaled() -> None:
    assert version("modeldeployments.yaml")["subresources"] == {
        "status": {},
        "scale": {
            "specReplicasPath": ".spec.serving.replicas",
            "statusReplicasPath": ".status.replicas",
            "labelSelectorPath": ".status.selector",
        },
    }


@pytest.mark.parametrize("file", DEFINITIONS)
def test_lists_and_maps_with_rules_inside_have_a_limit(file: str) -> None:
    """Kubernetes estimates the cost of a rule by the greatest length, and refuses a definition beyond its budget."""
    limits = {"items": "maxItems", "additionalProperties": "maxProperties"}
    unlimited = [
        path
        for path, field in fields(version(file)["schema"]["openAPIV3Schema"])
        for inner, limit in limits.items()
        if isinstance(field.get(inner), dict) and has_rule(field[inner]) and limit not in field
    ]
    assert unlimited == []


def has_rule(schema: dict[str, Any]) -> bool:
    return "x-kubernetes-validations" in schema or any(
        "x-kubernetes-validations" in field for _, field in fields(schema)
    )
