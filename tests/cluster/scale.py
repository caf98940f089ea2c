"""An object's scale subresource: how many replicas it shall have and has (autoscaling/v1 Scale)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.cluster.kinds import Kind
from tests.cluster.store import Object
from tests.cluster.tables import field


def of(kind: Kind, item: Object) -> Object:
    paths = kind.scale or {}
    metadata = item["metadata"]
    kept = ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")
    status: Object = {"replicas": field(item, paths["statusReplicasPath"]) or 0}
    selector = _selector(item, paths.get("labelSelectorPath"))
    return {
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": {key: metadata[key] for key in kept if key in metadata},
        "spec": {"replicas": field(item, paths["specReplicasPath"]) or 0},
        "status": status | ({"selector": selector} if selector else {}),
    }


def _selector(item: Object, path: str | None) -> str:
    """A selector as text: as the object says it, or, for the built-in kinds, made from its labels."""
    if path:
        return field(item, path) or ""
    labels = (item["spec"].get("selector") or {}).get("matchLabels") or {}
    return ",".join(f"{key}={value}" for key, value in labels.items())


def through(kind: Kind, change: Callable[[Object], Any]) -> Callable[[Object], Object]:
    """A change of the Scale as a change of the object."""

    def changed(item: Object) -> Object:
        scaled = change(of(kind, item))
        version = scaled["metadata"].get("resourceVersion", item["metadata"]["resourceVersion"])
        item = {**item, "metadata": {**item["metadata"], "resourceVersion": version}}
        steps = (kind.scale or {})["specReplicasPath"].lstrip(".").split(".")
        return _with(item, steps, (scaled.get("spec") or {}).get("replicas", 0))

    return changed


def _with(item: Object, steps: list[str], value: Any) -> Object:
    first, *rest = steps
    return {**item, first: _with(item.get(first) or {}, rest, value) if rest else value}
