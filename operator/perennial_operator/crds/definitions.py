"""The three CustomResourceDefinitions, made from the values of core/api."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic.config import JsonDict

from perennial_operator.core.api.cel import CHECKED, rule
from perennial_operator.core.api.drift_report import DriftReportSpec, DriftReportStatus
from perennial_operator.core.api.meta import GROUP, VERSION
from perennial_operator.core.api.model_deployment import ModelDeploymentSpec, ModelDeploymentStatus
from perennial_operator.core.api.model_version import ModelVersionSpec, ModelVersionStatus
from perennial_operator.core.api.values import Value
from perennial_operator.crds.structural_schema import to_structural_schema

UNOBSERVED = {"observedGeneration": -1}
LONGEST_NAME = 40
"""Characters, so that the names made from it, such as that of a validation Job, stay within 63."""
DEPLOYMENT_RULES = (
    rule(
        f"self.metadata.name.matches('^[a-z]([-a-z0-9]{{0,{LONGEST_NAME - 2}}}[a-z0-9])?$')",
        f"give a name that starts with a letter, has only a-z, 0-9 and -, and at most {LONGEST_NAME} characters: "
        "versions, Jobs and the Service are named after it",
        field_path=".metadata.name",
    ),
    rule(
        "!has(self.spec.pin) || self.spec.pin.startsWith(self.metadata.name + '-v')",
        "name a version of this ModelDeployment; kubectl get modelversions shows them",
        message_expression="self.spec.pin + ' is not a version of this ModelDeployment; "
        "give one such as ' + self.metadata.name + '-v1'",
        field_path=".spec.pin",
    ),
    rule(
        "!has(oldSelf.status) || !has(oldSelf.status.liveVersion) || ("
        + " && ".join(
            f"has(self.spec.storage.{place}) == has(oldSelf.spec.storage.{place}) && "
            f"(!has(self.spec.storage.{place}) || self.spec.storage.{place} == oldSelf.spec.storage.{place})"
            for place in ("uri", "persistentVolumeClaim")
        )
        + ")",
        "storage is immutable once a version is live, because stored versions are not moved; "
        "create another ModelDeployment",
        field_path=".spec.storage",
    ),
)
VERSION_RULES = (
    rule(
        "self.metadata.name.startsWith(self.spec.modelDeployment + '-v')",
        "the name must be <spec.modelDeployment>-v<spec.number>",
        field_path=".metadata.name",
    ),
)
TYPE_FIELDS: Mapping[str, Any] = {
    "apiVersion": {"type": "string", "description": f"{GROUP}/{VERSION}."},
    "kind": {"type": "string", "description": "Kind of the object."},
}


def column(name: str, path: str, kind: str = "string", **more: Any) -> dict[str, Any]:
    return {"name": name, "type": kind, "jsonPath": path, **more}


AGE = column("Age", ".metadata.creationTimestamp", "date")


@dataclass(frozen=True, slots=True)
class Kind:
    """What differs between the three definitions."""

    name: str
    short_name: str
    spec: type[Value]
    status: type[Value]
    columns: Sequence[Mapping[str, Any]]
    rules: Sequence[JsonDict] = ()
    longest_name: int = 63
    scale: Mapping[str, str] | None = None
    selectable_fields: Sequence[str] = ()

    @property
    def plural(self) -> str:
        return self.name.lower() + "s"


MODEL_DEPLOYMENT = Kind(
    "ModelDeployment",
    "mdep",
    ModelDeploymentSpec,
    ModelDeploymentStatus,
    columns=[
        column("Live", ".status.liveVersion"),
        column("Candidate", ".status.candidateVersion"),
        column("Phase", ".status.phase"),
        column("Weight", ".status.weight", "integer"),
        column("Drift", ".status.drift.outcome"),
        column("Ready", '.status.conditions[?(@.type=="Ready")].status'),
        AGE,
    ],
    rules=DEPLOYMENT_RULES,
    longest_name=LONGEST_NAME,
    scale={
        "specReplicasPath": ".spec.serving.replicas",
        "statusReplicasPath": ".status.replicas",
        "labelSelectorPath": ".status.selector",
    },
)
MODEL_VERSION = Kind(
    "ModelVersion",
    "mver",
    ModelVersionSpec,
    ModelVersionStatus,
    columns=[
        column("Model", ".spec.modelDeployment"),
        column("Phase", ".status.phase"),
        column("Trigger", ".spec.trigger.reason"),
        column("Metric", ".status.metric"),
        column("Reason", ".status.reason", priority=1),
        column("Message", ".status.message", priority=1),
        column("Refit", ".status.refit.serves", "boolean", priority=1),
        column("Analysis", '.status.conditions[?(@.type=="Analysed")].message', priority=1),
        AGE,
    ],
    rules=VERSION_RULES,
    selectable_fields=[".spec.modelDeployment", ".status.phase"],
)
DRIFT_REPORT = Kind(
    "DriftReport",
    "drep",
    DriftReportSpec,
    DriftReportStatus,
    columns=[
        column("Model", ".spec.modelDeployment"),
        column("Version", ".status.modelVersion"),
        column("Samples", ".spec.samples", "integer"),
        column("Outcome", ".status.outcome"),
        column("Message", ".status.message", priority=1),
        AGE,
    ],
    selectable_fields=[".spec.modelDeployment", ".status.outcome"],
)


def crd_definitions() -> dict[str, dict[str, Any]]:
    """File name → CustomResourceDefinition."""
    return {f"{kind.plural}.yaml": definition(kind) for kind in (MODEL_DEPLOYMENT, MODEL_VERSION, DRIFT_REPORT)}


def written_schemas() -> dict[str, dict[str, Any]]:
    """Kind → the schema of what the operator writes of it: records whole, of a ModelDeployment only the status."""
    kinds = (MODEL_DEPLOYMENT, MODEL_VERSION, DRIFT_REPORT)
    schemas = {kind.name: {"status": to_structural_schema(kind.status)} for kind in kinds}
    for kind in (MODEL_VERSION, DRIFT_REPORT):
        schemas[kind.name]["spec"] = to_structural_schema(kind.spec)
    return {name: {"properties": properties} for name, properties in schemas.items()}


def definition(kind: Kind) -> dict[str, Any]:
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{kind.plural}.{GROUP}", "labels": {"app.kubernetes.io/part-of": "perennial"}},
        "spec": {
            "group": GROUP,
            "scope": "Namespaced",
            "names": {
                "kind": kind.name,
                "listKind": f"{kind.name}List",
                "plural": kind.plural,
                "singular": kind.name.lower(),
                "shortNames": [kind.short_name],
                "categories": ["perennial"],
            },
            "versions": [_version(kind)],
        },
    }


def _version(kind: Kind) -> dict[str, Any]:
    """The only served and stored version of the kind."""
    selectable = [{"jsonPath": path} for path in kind.selectable_fields]
    return {
        "name": VERSION,
        "served": True,
        "storage": True,
        "additionalPrinterColumns": list(kind.columns),
        "subresources": {"status": {}} | ({"scale": dict(kind.scale)} if kind.scale else {}),
        "schema": {"openAPIV3Schema": _schema(kind)},
        **({"selectableFields": selectable} if selectable else {}),
    }


def _schema(kind: Kind) -> dict[str, Any]:
    return {
        "type": "object",
        "description": (kind.spec.__doc__ or "").strip(),
        "required": ["spec"],
        "properties": {
            **TYPE_FIELDS,
            "metadata": {"type": "object", "properties": {"name": {"type": "string", "maxLength": kind.longest_name}}},
            "spec": to_structural_schema(kind.spec),
            "status": _unobserved(to_structural_schema(kind.status)),
        },
    } | ({CHECKED: list(kind.rules)} if kind.rules else {})


def _unobserved(status: dict[str, Any]) -> dict[str, Any]:
    """The status schema; until the operator writes the status, observedGeneration is -1.

    Without that, a tool that waits takes a ModelDeployment that was never reconciled for a current one.
    """
    return {**status, "default": UNOBSERVED} if "observedGeneration" in status["properties"] else status
