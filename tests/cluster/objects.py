"""What can be read off any Kubernetes object, and the few parts that many of them share."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

Obj = dict[str, Any]


def namespace(obj: Obj) -> str:
    return str(obj["metadata"].get("namespace", ""))


def name(obj: Obj) -> str:
    return str(obj["metadata"]["name"])


def uid(obj: Obj) -> str:
    return str(obj["metadata"]["uid"])


def deleting(obj: Obj) -> bool:
    return bool(obj["metadata"].get("deletionTimestamp"))


def owners(obj: Obj) -> list[Obj]:
    return obj["metadata"].get("ownerReferences") or []


def controller(obj: Obj) -> Obj | None:
    """The one owner reference that says `controller: true`."""
    return next((owner for owner in owners(obj) if owner.get("controller")), None)


def controlled_by(owner: Obj) -> Obj:
    """The owner reference that the pods of a Job, or the ReplicaSets of a Deployment, carry."""
    return {
        "apiVersion": owner["apiVersion"],
        "kind": owner["kind"],
        "name": name(owner),
        "uid": uid(owner),
        "controller": True,
        "blockOwnerDeletion": True,
    }


def finalizers(obj: Obj) -> list[str]:
    return obj["metadata"].get("finalizers") or []


def stamp(moment: datetime) -> str:
    """As the API writes times: RFC 3339, UTC, whole seconds."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def moment(stamped: str) -> datetime:
    return datetime.fromisoformat(stamped)


def condition(obj: Obj, kind: str) -> Obj | None:
    return next((c for c in obj.get("status", {}).get("conditions") or [] if c["type"] == kind), None)


def is_true(obj: Obj, kind: str) -> bool:
    result = condition(obj, kind)
    return result is not None and result["status"] == "True"


def is_ready(pod: Obj) -> bool:
    return is_true(pod, "Ready")


def with_condition(conditions: Iterable[Obj], new: Mapping[str, Any], now: datetime) -> list[Obj]:
    """The conditions with `new` among them; lastTransitionTime moves only when the status does."""
    conditions = list(conditions)
    if any(new.items() <= current.items() for current in conditions):
        return conditions
    others = [c for c in conditions if c["type"] != new["type"]]
    old = next((c for c in conditions if c["type"] == new["type"]), None)
    since = old["lastTransitionTime"] if old and old["status"] == new["status"] else stamp(now)
    return [*others, {**new, "lastTransitionTime": since}]


def from_template(template: Obj, owner: Obj, labels: Mapping[str, str], finalizers: Iterable[str] = ()) -> Obj:
    """A pod that its owner's template describes; the API server completes its name."""
    meta = template.get("metadata", {})
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "generateName": f"{name(owner)}-",
            "namespace": namespace(owner),
            "labels": {**(meta.get("labels") or {}), **labels},
            "annotations": meta.get("annotations") or {},
            "ownerReferences": [controlled_by(owner)],
            "finalizers": list(finalizers),
        },
        "spec": template["spec"],
    }
