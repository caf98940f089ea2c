"""When a PersistentVolumeClaim is bound: at once, for a claim is a directory here."""

from __future__ import annotations

from tests.cluster.controllers.step import Step
from tests.cluster.objects import Obj, deleting


def step(claim: Obj) -> Step:
    """The pass for one claim."""
    if deleting(claim):
        return Step()
    spec = claim["spec"]
    requests = spec.get("resources", {}).get("requests", {})
    bound = {"phase": "Bound", "accessModes": spec.get("accessModes", []), "capacity": requests}
    return Step({**(claim.get("status") or {}), **bound})
