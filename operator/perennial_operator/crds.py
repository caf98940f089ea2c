"""The CustomResourceDefinitions, made from the values of core/.

`python -m perennial_operator.crds DIRECTORY` writes them.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic.config import JsonDict

from perennial_operator.core.api.cel import CHECKED, rule
from perennial_operator.core.api.drift_report import DriftReportSpec, DriftReportStatus
from perennial_operator.core.api.meta import GROUP, VERSION
from perennial_operator.core.api.model_deployment import ModelDeploymentSpec, ModelDeploymentStatus
from perennial_operator.core.api.model_version import ModelVersionSpec, ModelVersionStatus
from perennial_operator.core.api.values import Value

KEPT = {
    "description", "default", "enum", "format", "items", "maxItems", "maxLength", "maxProperties", "maximum",
    "minItems", "minLength", "minProperties", "minimum", "exclusiveMaximum", "exclusiveMinimum",
    "properties", "required", "type", "additionalProperties",
}  # fmt: skip
UNOBSERVED = {"observedGeneration": -1}
JSONPATH_READY = '.status.conditions[?(@.type=="Ready")].status'
JSONPATH_ANALYSED = '.status.conditions[?(@.type=="Analysed")].message'
LONGEST_NAME = 40
"""Characters, so that the names made from it, such as that of a validation Job, stay within 63."""
DEPLOYMENT_RULES = (
    rule(
        f"self.metadata.name.matches('^[a-z]([-a-z0-9]{{0,{LONGEST_NAME - 2}}}[a-z0-9])?$')",
        f"give a name that starts with a letter, holds only a-z, 0-9 and -, and has at most {LONGEST_NAME} characters: "
        "versions, Jobs and the Service are named after it",
        at=".metadata.name",
    ),
    rule(
        "!has(self.spec.pin) || self.spec.pin.startsWith(self.metadata.name + '-v')",
        "name a version of this ModelDeployment; kubectl get modelversions shows them",
        told="self.spec.pin + ' is no version of this ModelDeployment; give one such as ' + self.metadata.name + '-v1'",
        at=".spec.pin",
    ),
    rule(
        "!has(oldSelf.status) || !has(oldSelf.status.liveVersion) || ("
        + " && ".join(
            f"has(self.spec.storage.{place}) == has(oldSelf.spec.storage.{place}) && "
            f"(!has(self.spec.storage.{place}) || self.spec.storage.{place} == oldSelf.spec.storage.{place})"
            for place in ("uri", "persistentVolumeClaim")
        )
        + ")",
        "storage cannot be moved once a version is live, since what is stored stays where it is; "
        "make another ModelDeployment",
        at=".spec.storage",
    ),
)
VERSION_RULES = (
    rule(
        "self.metadata.name.startsWith(self.spec.modelDeployment + '-v')",
        "a version is called <spec.modelDeployment>-v<spec.number>",
        at=".metadata.name",
    ),
)
TYPE_FIELDS: Mapping[str, Any] = {
    "apiVersion": {"type": "string", "description": f"{GROUP}/{VERSION}."},
    "kind": {"type": "string", "description": "What it is."},
}


def structural(node: Mapping[str, Any], defs: Mapping[str, Any]) -> dict[str, Any]:
    """The JSON Schema as Kubernetes takes it: no references, no unions, exclusive limits as flags."""
    node = resolved(node, defs)
    if node.get("x-kubernetes-int-or-string"):
        kept = ("description", "default", "maxLength")
        return {k: v for k, v in node.items() if k in kept or k.startswith("x-kubernetes-")}
    schema = {k: v for k, v in node.items() if k in KEPT or k.startswith("x-kubernetes-")}
    for limit in ("Minimum", "Maximum"):
        exclusive = schema.pop(f"exclusive{limit}", None)
        if exclusive is not None:
            schema |= {limit.lower(): exclusive, f"exclusive{limit}": True}
    if "default" in schema:
        schema["default"] = without_nothing(schema["default"])
        if schema["default"] is None:
            del schema["default"]
    if "properties" in schema:
        schema["properties"] = {name: structural(child, defs) for name, child in schema["properties"].items()}
    for inner in ("items", "additionalProperties"):
        if isinstance(schema.get(inner), Mapping):
            schema[inner] = structural(schema[inner], defs)
        elif schema.get(inner) is True:
            del schema[inner]
    return schema


def without_nothing(value: Any) -> Any:
    """The default without the fields that are None: Kubernetes has no word for a field that is there and is nothing."""
    if isinstance(value, Mapping):
        return {k: without_nothing(v) for k, v in value.items() if v is not None}
    return value


def resolved(node: Mapping[str, Any], defs: Mapping[str, Any]) -> Mapping[str, Any]:
    """The node itself: references followed, `X or nothing` taken as X; what stands beside them wins."""
    while "$ref" in node or ("anyOf" in node and not node.get("x-kubernetes-int-or-string")):
        if "$ref" in node:
            inner = defs[node["$ref"].rsplit("/", 1)[1]]
        else:
            inner = next(option for option in node["anyOf"] if option.get("type") != "null")
        node = {**inner, **{k: v for k, v in node.items() if k not in ("$ref", "anyOf")}}
    return node


def schema_of(value: type[Value]) -> dict[str, Any]:
    document = value.model_json_schema(by_alias=True, mode="validation")
    return structural(document, document.get("$defs", {}))


def column(name: str, path: str, kind: str = "string", **more: Any) -> dict[str, Any]:
    return {"name": name, "type": kind, "jsonPath": path, **more}


AGE = column("Age", ".metadata.creationTimestamp", "date")


def definition(
    kind: str,
    short: str,
    spec: type[Value],
    status: type[Value],
    columns: list[dict[str, Any]],
    rules: Sequence[JsonDict] = (),
    longest_name: int = 63,
    **version: Any,
) -> dict[str, Any]:
    """The definition of one kind."""
    plural = kind.lower() + "s"
    subresources = {"status": {}} | version.pop("subresources", {})
    schema = {
        "type": "object",
        "description": (spec.__doc__ or "").strip(),
        "required": ["spec"],
        "properties": {
            **TYPE_FIELDS,
            "metadata": {"type": "object", "properties": {"name": {"type": "string", "maxLength": longest_name}}},
            "spec": schema_of(spec),
            "status": _unobserved(schema_of(status)),
        },
    } | ({CHECKED: list(rules)} if rules else {})
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{GROUP}", "labels": {"app.kubernetes.io/part-of": "perennial"}},
        "spec": {
            "group": GROUP,
            "scope": "Namespaced",
            "names": {
                "kind": kind,
                "listKind": f"{kind}List",
                "plural": plural,
                "singular": kind.lower(),
                "shortNames": [short],
                "categories": ["perennial"],
            },
            "versions": [
                {
                    "name": VERSION,
                    "served": True,
                    "storage": True,
                    "additionalPrinterColumns": columns,
                    "subresources": subresources,
                    "schema": {"openAPIV3Schema": schema},
                    **version,
                }
            ],
        },
    }


def _unobserved(status: dict[str, Any]) -> dict[str, Any]:
    """The schema of a status that says of itself, until the operator has written it, that no generation has been seen.

    Without that whoever waits takes a ModelDeployment that nobody has looked at for one that is as it should be.
    """
    return {**status, "default": UNOBSERVED} if "observedGeneration" in status["properties"] else status


def definitions() -> dict[str, dict[str, Any]]:
    """File name → CustomResourceDefinition."""
    return {
        "modeldeployments.yaml": definition(
            "ModelDeployment",
            "mdep",
            ModelDeploymentSpec,
            ModelDeploymentStatus,
            [
                column("Live", ".status.liveVersion"),
                column("Candidate", ".status.candidateVersion"),
                column("Phase", ".status.phase"),
                column("Weight", ".status.weight", "integer"),
                column("Drift", ".status.drift.outcome"),
                column("Ready", JSONPATH_READY),
                AGE,
            ],
            rules=DEPLOYMENT_RULES,
            longest_name=LONGEST_NAME,
            subresources={
                "scale": {
                    "specReplicasPath": ".spec.serving.replicas",
                    "statusReplicasPath": ".status.replicas",
                    "labelSelectorPath": ".status.selector",
                }
            },
        ),
        "modelversions.yaml": definition(
            "ModelVersion",
            "mver",
            ModelVersionSpec,
            ModelVersionStatus,
            [
                column("Model", ".spec.modelDeployment"),
                column("Phase", ".status.phase"),
                column("Trigger", ".spec.trigger.reason"),
                column("Metric", ".status.metric"),
                column("Reason", ".status.reason", priority=1),
                column("Message", ".status.message", priority=1),
                column("Analysis", JSONPATH_ANALYSED, priority=1),
                AGE,
            ],
            rules=VERSION_RULES,
            selectableFields=[{"jsonPath": ".spec.modelDeployment"}, {"jsonPath": ".status.phase"}],
        ),
        "driftreports.yaml": definition(
            "DriftReport",
            "drep",
            DriftReportSpec,
            DriftReportStatus,
            [
                column("Model", ".spec.modelDeployment"),
                column("Version", ".status.modelVersion"),
                column("Samples", ".spec.samples", "integer"),
                column("Outcome", ".status.outcome"),
                column("Message", ".status.message", priority=1),
                AGE,
            ],
            selectableFields=[{"jsonPath": ".spec.modelDeployment"}, {"jsonPath": ".status.outcome"}],
        ),
    }


def main(directory: Path) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    for name, body in definitions().items():
        (directory / name).write_text(yaml.safe_dump(body, sort_keys=False, width=120), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
