"""What is said of a Deployment: how many pods, whether enough of them serve, and how its roll-out gets on."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from datetime import datetime, timedelta

from tests.cluster.objects import Obj, condition, moment, name, stamp, with_condition

PROGRESS = ("updatedReplicas", "readyReplicas", "availableReplicas")


def size(replica_set: Obj) -> int:
    return int(replica_set["spec"].get("replicas", 1))


def count(replica_set: Obj, field: str) -> int:
    return int((replica_set.get("status") or {}).get(field, 0))


def status(deployment: Obj, current: Obj | None, old: Sequence[Obj], unavailable: int, now: datetime) -> Obj:
    """The status to write; up to `unavailable` pods may be missing before it is not Available any more."""
    sets = [*old, *([current] if current else [])]
    sums = {
        field: sum(count(result, field) for result in sets)
        for field in ("replicas", "readyReplicas", "availableReplicas")
    }
    desired = deployment["spec"].get("replicas", 1)
    new = copy.deepcopy(deployment.get("status") or {}) | sums
    new |= {
        "observedGeneration": deployment["metadata"].get("generation", 1),
        "updatedReplicas": count(current, "replicas") if current else 0,
        "unavailableReplicas": max(0, max(desired, sum(map(size, sets))) - sums["availableReplicas"]),
    }
    enough = sums["availableReplicas"] >= desired - unavailable
    forward = any(new[field] > count(deployment, field) for field in PROGRESS)
    good, reason = _progress(deployment, current, new, forward, now)
    served = f"Deployment {'has' if enough else 'does not have'} minimum availability."
    which = f'ReplicaSet "{name(current)}"' if current else "A new ReplicaSet"
    for kind, holds, why, message, afresh in (
        ("Available", enough, f"MinimumReplicas{'A' if enough else 'Una'}vailable", served, False),
        ("Progressing", good, reason, f"{which}: {reason}", forward and reason == "ReplicaSetUpdated"),
    ):
        stored = condition(deployment, kind)
        same = stored is not None and (stored["status"], stored["reason"]) == (str(holds), why) and not afresh
        updated = stored["lastUpdateTime"] if stored and same else stamp(now)
        reported = {"type": kind, "status": str(holds), "reason": why, "message": message, "lastUpdateTime": updated}
        new["conditions"] = with_condition(new.get("conditions") or [], reported, now)
    return new


def _progress(deployment: Obj, current: Obj | None, new: Obj, forward: bool, now: datetime) -> tuple[bool, str]:
    """Status and reason of the condition Progressing."""
    stored = condition(deployment, "Progressing")
    if current is None:
        return True, "NewReplicaSetCreated"
    desired = deployment["spec"].get("replicas", 1)
    if all(new[field] == desired for field in ("updatedReplicas", "replicas", "availableReplicas")):
        return True, "NewReplicaSetAvailable"
    if stored and stored["reason"] == "NewReplicaSetAvailable" and new["replicas"] == new["updatedReplicas"]:
        return True, stored["reason"]  # a pod that dies after the roll-out does not open it again
    if stored is None or forward or stored["reason"] == "NewReplicaSetAvailable":
        return True, "ReplicaSetUpdated"
    if (until_late(deployment, deployment["status"], now) or 0) < 0:
        return False, "ProgressDeadlineExceeded"
    return stored["status"] == "True", stored["reason"]


def until_late(deployment: Obj, reported: Obj, now: datetime) -> float | None:
    """Seconds until a roll-out under way has taken too long; None where none is under way."""
    stored = condition({"status": reported}, "Progressing")
    if stored is None or stored["reason"] in ("NewReplicaSetAvailable", "ProgressDeadlineExceeded"):
        return None
    limit = timedelta(seconds=deployment["spec"].get("progressDeadlineSeconds", 600))
    return (moment(stored["lastUpdateTime"]) + limit - now).total_seconds()
