"""A world, a version, a report: complete and valid, each with keyword overrides."""

from __future__ import annotations

import base64
import copy
import json
import zlib
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from perennial_operator.core.api.model_deployment import ModelDeployment
from perennial_operator.core.api.model_version import ModelVersion
from perennial_operator.core.api.parsing import parse
from perennial_operator.core.api.values import as_text
from perennial_operator.core.drift_reports import Report, report_of
from perennial_operator.core.world import World

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)

SPEC: Mapping[str, Any] = {
    "model": {
        "estimator": "sklearn.linear_model.LinearRegression",
        "features": {"numeric": ["feature1", "feature2"]},
        "target": "target",
    },
    "data": {"training": {"uri": "s3://bikes/rides/*.parquet"}},
    "drift": {"thresholds": [{"metric": "psi", "max": 0.2}], "cooldown": "1h"},
    "serving": {"replicas": 2},
    "storage": {"uri": "s3://models/perennial"},
}


def merged(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """`base` with `changes` laid over it, mapping by mapping; None takes a field away."""
    result = copy.deepcopy(dict(base))
    for key, value in changes.items():
        if value is None:
            result.pop(key, None)
        elif isinstance(value, Mapping) and isinstance(result.get(key), Mapping):
            result[key] = merged(result[key], value)
        else:
            result[key] = copy.deepcopy(value)
    return result


def a_body(
    kind: str, name: str, spec: Mapping[str, Any], status: Mapping[str, Any] = {}, **metadata: Any
) -> dict[str, Any]:
    """An object as the API server would hand it out."""
    return {
        "apiVersion": "perennial.dev/v1alpha1",
        "kind": kind,
        "metadata": {
            "name": name,
            "namespace": "default",
            "uid": f"uid-{name}",
            "generation": 1,
            "resourceVersion": "1",
            "creationTimestamp": as_text(NOON),
            **metadata,
        },
        "spec": dict(spec),
        "status": dict(status),
    }


def a_deployment(
    name: str = "bike", spec: Mapping[str, Any] = {}, status: Mapping[str, Any] = {}, **metadata: Any
) -> ModelDeployment:
    return parse(ModelDeployment, a_body("ModelDeployment", name, merged(SPEC, spec), status, **metadata))


def a_version(
    number: int = 1,
    phase: str | None = "Live",
    spec: Mapping[str, Any] = {},
    status: Mapping[str, Any] = {},
    **metadata: Any,
) -> ModelVersion:
    """A version of `bike` that was trained; live since its creation where it is live."""
    base = {
        "modelDeployment": "bike",
        "number": number,
        "trigger": {"reason": "Initial"},
        "model": SPEC["model"],
        "data": SPEC["data"],
        "training": {},
    }
    created = metadata.get("creationTimestamp", as_text(NOON))
    state: dict[str, Any] = {"phase": phase} if phase else {}
    if phase not in (None, "Training", "Failed"):
        state |= {
            "artifact": {
                "uri": f"s3://models/perennial/default/bike/bike-v{number}/model.joblib",
                "sha256": f"{number:064x}",
                "bytes": 10,
            },
            "data": {
                "rows": 800,
                "holdoutRows": 200,
                "sha256": "0" * 64,
                "holdoutUri": "s3://h",
                "holdoutSha256": "1" * 64,
            },
        }
    if phase in ("Live", "Superseded"):
        state |= {
            "liveSince": created,
            "metrics": {"candidate": {"mse": 100.0, "r2": 0.9}, "standardErrors": {"mse": 5.0}},
        }
    if phase in ("Superseded", "Rejected", "Failed", "RolledBack"):
        state["endedAt"] = created
    return parse(
        ModelVersion,
        a_body("ModelVersion", f"bike-v{number}", merged(base, spec), merged(state, status), **metadata),
    )


def a_report(
    name: str = "report",
    psi: float = 0.3,
    spec: Mapping[str, Any] = {},
    status: Mapping[str, Any] = {},
    **metadata: Any,
) -> Report:
    """A report about the live version of `bike`, written an hour after noon."""
    base = {
        "modelDeployment": "bike",
        "samples": 1000,
        "metrics": [{"name": "psi", "feature": "feature1", "value": psi, "chance": 0.001}],
    }
    metadata.setdefault("creationTimestamp", "2026-11-23T13:00:00Z")
    return report_of(a_body("DriftReport", name, merged(base, spec), status, **metadata))


def a_route(
    weights: tuple[int, int] = (100, 0), name: str = "bike", accepted: bool = True, **metadata: Any
) -> dict[str, Any]:
    """An HTTPRoute with one rule for `bike`, as Git holds it and a Gateway has accepted it."""
    live, candidate = weights
    backends = [
        {"name": "bike", "port": 8080, "weight": live},
        {"name": "bike-candidate", "port": 8080, "weight": candidate},
    ]
    condition = {"type": "Accepted", "status": str(accepted), "message": "" if accepted else "no listener matches"}
    return {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "HTTPRoute",
        "metadata": {"name": name, "namespace": "default", "resourceVersion": "1", **metadata},
        "spec": {"hostnames": ["bike.example"], "rules": [{"backendRefs": backends}]},
        "status": {"parents": [{"conditions": [condition]}]},
    }


def a_world(**fields: Any) -> World:
    """Two hours after noon; nothing exists but the ModelDeployment."""
    fields.setdefault("now", datetime(2026, 11, 23, 14, tzinfo=UTC))
    fields.setdefault("deployment", a_deployment())
    return World(**fields)


def task_of(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """The task that the manifest's pod carries."""
    (container,) = manifest["spec"]["template"]["spec"]["containers"]
    (text,) = [variable["value"] for variable in container["env"] if variable["name"] == "PERENNIAL_TASK"]
    task: dict[str, Any] = json.loads(text)
    return json.loads(zlib.decompress(base64.b85decode(task["zlib"]))) if task.keys() == {"zlib"} else task
