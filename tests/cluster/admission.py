"""What the server fills in for the built-in kinds where a plain default does not do: names, addresses, selectors."""

from __future__ import annotations

import base64
import copy
import ipaddress
from typing import Any

from kubectl_perennial.admission.schema import Schema, normalize
from tests.cluster.kinds import Kind
from tests.cluster.store import Object

_ZEROS: dict[str, Any] = {"string": "", "integer": 0, "boolean": False}
_TEMPLATES = {"deployments", "replicasets", "jobs"}


def filled_in(kind: Kind, new: Object, old: Object | None) -> Object:
    """The object as the server stores it; what it filled in before stays."""
    if kind.custom:
        return new
    new = copy.deepcopy(new)
    if (pod := _pod_spec(kind, new)) is not None:
        _fill_in_pod(pod)
    match kind.name:
        case "Secret":
            _encode(new)
        case "Service":
            _address(new, old)
        case "Job":
            _job(new, old)
        case "Deployment":
            strategy = new["spec"]["strategy"]
            if strategy.get("type") == "RollingUpdate":
                strategy["rollingUpdate"] = {"maxSurge": "25%", "maxUnavailable": "25%"} | strategy.get(
                    "rollingUpdate", {}
                )
        case "Namespace":
            new["metadata"].setdefault("labels", {})["kubernetes.io/metadata.name"] = new["metadata"]["name"]
        case "CustomResourceDefinition":
            names = new["spec"]["names"]
            names.setdefault("singular", names["kind"].lower())
            names.setdefault("listKind", f"{names['kind']}List")
    if kind.status:
        first = {"phase": "Active"} if kind.name == "Namespace" else {}
        known = kind.schema["properties"]["status"]
        status, _ = normalize(new.get("status") or (first if old is None else {}), known)
        new["status"] = _with_zeros(status, known)
    return new


def _with_zeros(value: Any, schema: Schema) -> Any:
    """A status as Go writes it: a required field that nobody has set is there with its zero value."""
    if isinstance(value, list):
        return [_with_zeros(item, schema.get("items") or {}) for item in value]
    if not isinstance(value, dict):
        return value
    known = schema.get("properties", {})
    zeros = {
        field: _ZEROS[known[field]["type"]]
        for field in schema.get("required", ())
        if known[field].get("type") in _ZEROS
    }
    return zeros | {key: _with_zeros(item, known.get(key, {})) for key, item in value.items()}


def _pod_spec(kind: Kind, item: Object) -> dict[str, Any] | None:
    spec: Any = item.get("spec") or {}
    if kind.plural in _TEMPLATES:
        spec = spec.get("template", {}).get("spec")
    return spec if kind.plural in {*_TEMPLATES, "pods"} else None


def _fill_in_pod(pod: dict[str, Any]) -> None:
    for volume in pod.get("volumes", ()):
        if volume.keys() == {"name"}:
            volume["emptyDir"] = {}
    for container in pod.get("containers", ()):
        tag = container.get("image", "").rpartition("/")[2].partition(":")[2]
        container.setdefault("imagePullPolicy", "Always" if tag in ("", "latest") else "IfNotPresent")


def _encode(secret: Object) -> None:
    for key, text in secret.pop("stringData", {}).items():
        secret.setdefault("data", {})[key] = base64.b64encode(text.encode()).decode()


def _address(service: Object, old: Object | None) -> None:
    spec = service["spec"]
    for port in spec.get("ports") or ():
        port.setdefault("targetPort", port["port"])
    if spec["type"] == "ExternalName":
        return
    if old is not None:
        spec.setdefault("clusterIP", old["spec"].get("clusterIP"))
    number = int(service["metadata"]["uid"][:4], 16)
    spec.setdefault("clusterIP", str(ipaddress.IPv4Address("10.96.0.0") + number))
    spec.setdefault("clusterIPs", [spec["clusterIP"]])
    spec |= {"ipFamilies": ["IPv4"], "ipFamilyPolicy": "SingleStack"}


def _job(job: Object, old: Object | None) -> None:
    spec, name, uid = job["spec"], job["metadata"]["name"], job["metadata"]["uid"]
    if "completions" not in spec and "parallelism" not in spec:
        spec["completions"] = 1
    spec.setdefault("parallelism", 1)
    if old is not None or spec["manualSelector"]:
        return
    legacy = {"controller-uid": uid, "job-name": name}
    labels = legacy | {f"batch.kubernetes.io/{key}": value for key, value in legacy.items()}
    template = spec["template"].setdefault("metadata", {})
    template["labels"] = template.get("labels", {}) | labels
    job["metadata"].setdefault("labels", template["labels"])
    spec["selector"] = {"matchLabels": {"batch.kubernetes.io/controller-uid": uid}}
