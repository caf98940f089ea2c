"""Which objects of ours have lost their owner, as after `kubectl delete --cascade=orphan` or from a backup?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from perennial_operator.cluster.cache_entry import Body, part
from perennial_operator.core import names
from perennial_operator.core.world import Orphan

ADOPTED = ("Deployment", "Service", "InferenceService", "DriftReport")
"""Kinds that may get a new owner: the whole manifest is applied with it, or, for a report, anyone may write one."""


OWNERS = ("ModelDeployment", "ModelVersion")
"""Kinds of an owner with whose end Kubernetes deletes the object."""


def is_orphan(body: Body, deployment: str) -> bool:
    """Whether the object has the labels and the name that the operator gives to this model's, and no controller."""
    metadata = body["metadata"]
    if any(owner.get("controller") or owner["kind"] in OWNERS for owner in metadata.get("ownerReferences") or []):
        return False
    labels, name = part(metadata, "labels"), metadata["name"]
    role, version = labels.get(names.ROLE), labels.get(names.MODEL_VERSION)
    if not role or not names.labels(deployment, role, version).items() <= labels.items():
        return False
    match body["kind"]:
        case "Deployment":
            return role == "serving" and bool(name == version)
        case "Service" | "InferenceService":
            return role == "serving" and name in (deployment, names.candidate_service(deployment))
        case _:
            return bool(name.startswith(f"{deployment}-"))


def orphaned_version(body: Body) -> Orphan | None:
    """The ModelVersion, if no object owns it; it may be in any state."""
    if body["metadata"].get("ownerReferences"):
        return None
    number, status = part(body, "spec").get("number"), part(body, "status")
    return Orphan(
        name=body["metadata"]["name"],
        number=number if isinstance(number, int) else 0,
        model=_digest(part(status, "artifact"), "sha256"),
        holdout=_digest(part(status, "data"), "holdoutSha256"),
    )


def _digest(where: Mapping[str, Any], name: str) -> str:
    return str(where.get(name) or "")
