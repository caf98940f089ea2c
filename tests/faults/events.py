"""What happens in a schedule, in words, so that a run can show that its schedules contain it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from tests.simulation.cluster import Cluster


def events_of(cluster: Cluster, verb: str, body: Mapping[str, Any]) -> Iterator[str]:
    """The events that a write of the operator stands for, before it takes effect."""
    kind, status = body["kind"], body.get("status") or {}
    before = cluster.bodies.get((kind, body["metadata"]["name"]))
    earlier = (before or {}).get("status") or {}
    if verb == "create" and kind == "ModelVersion":
        yield f"trigger {body['spec']['trigger']['reason']}"
    elif verb == "create":
        yield f"create {kind}"
    elif verb == "apply" and before and not before["metadata"].get("ownerReferences"):
        yield f"adopt {kind}"
    elif verb == "status" and kind == "ModelVersion":
        if status["reason"] != earlier.get("reason"):
            yield f"version {status['phase']} {status['reason']}"
        if "watch" in status and "watch" not in earlier:
            yield "watch"
    elif verb == "status" and kind == "DriftReport" and "outcome" in status:
        yield f"report {status['outcome']}"
