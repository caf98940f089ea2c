"""When a PersistentVolumeClaim is bound, and when it may go."""

from __future__ import annotations

from collections.abc import Iterable

from tests.cluster.controllers.step import Step
from tests.cluster.objects import Obj, deleting, finalizers, name

PROTECTION = "kubernetes.io/pvc-protection"
LOOK_AGAIN = 0.5


def step(claim: Obj, pods: Iterable[Obj]) -> Step:
    """The pass for one claim and the pods of its namespace: bound at once, for a claim is a directory here."""
    if deleting(claim):
        kept = [each for each in finalizers(claim) if each != PROTECTION]
        if kept == finalizers(claim):
            return Step()
        if name(claim) in {used for pod in pods for used in used_by(pod)}:
            return Step(again=LOOK_AGAIN)
        return Step(patches=((claim, {"metadata": {"finalizers": kept}}),))
    spec = claim["spec"]
    bound = {
        "phase": "Bound",
        "accessModes": spec.get("accessModes", []),
        "capacity": spec.get("resources", {}).get("requests", {}),
    }
    return Step({**(claim.get("status") or {}), **bound})


def used_by(pod: Obj) -> list[str]:
    """The names of the claims that a pod's volumes mean."""
    volumes = pod["spec"].get("volumes") or []
    return [volume["persistentVolumeClaim"]["claimName"] for volume in volumes if volume.get("persistentVolumeClaim")]
