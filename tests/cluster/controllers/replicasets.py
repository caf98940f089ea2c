"""Which pods a ReplicaSet lacks or has too many of."""

from __future__ import annotations

import copy
from collections.abc import Sequence

from tests.cluster.controllers.step import Step
from tests.cluster.objects import Obj, deleting, from_template, is_true, moment


def step(replica_set: Obj, pods: Sequence[Obj]) -> Step:
    """The pass for one ReplicaSet and the pods that it controls."""
    if deleting(replica_set):
        return Step()
    spec = replica_set["spec"]
    ended = ("Succeeded", "Failed")
    living = [pod for pod in pods if not deleting(pod) and pod.get("status", {}).get("phase") not in ended]
    missing = spec.get("replicas", 1) - len(living)
    ready = sum(is_true(pod, "Ready") for pod in living)
    status = copy.deepcopy(replica_set.get("status") or {}) | {
        "replicas": len(living),
        "fullyLabeledReplicas": len(living),
        "readyReplicas": ready,
        "availableReplicas": ready,
        "observedGeneration": replica_set["metadata"].get("generation", 1),
    }
    return Step(
        status,
        deletes=tuple(sorted(living, key=_worth)[:-missing] if missing < 0 else ()),
        creates=(from_template(spec["template"], replica_set, {}),) * missing,
    )


def _worth(pod: Obj) -> tuple[bool, bool, bool, int, float]:
    """The least worth keeping comes first: unbound, then not running, not ready, often restarted, young."""
    status = pod.get("status", {})
    restarts = sum(c["restartCount"] for c in status.get("containerStatuses") or [])
    return (
        bool(pod["spec"].get("nodeName")),
        status.get("phase") == "Running",
        is_true(pod, "Ready"),
        -restarts,
        -moment(pod["metadata"]["creationTimestamp"]).timestamp(),
    )
