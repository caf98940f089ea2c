"""How a Job's pods are counted, each once.

As in the real controller: a finished pod is first listed in `uncountedTerminatedPods`, then loses its finalizer, then
is counted, so that no deletion and no crash in between loses or doubles it.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Sequence

from tests.cluster.objects import Obj, deleting, finalizers, uid

TRACKING = "batch.kubernetes.io/job-tracking"
OUTCOMES = ("succeeded", "failed")


def phase(pod: Obj) -> str:
    return str(pod.get("status", {}).get("phase", "Pending"))


def outcome(pod: Obj, job: Obj) -> str | None:
    """`succeeded`, `failed` or neither; a pod being deleted has failed, unless the Job waits for its end."""
    if phase(pod) == "Succeeded":
        return "succeeded"
    waited_for = job["spec"].get("podReplacementPolicy") == "Failed" or job["spec"].get("podFailurePolicy")
    over = deleting(pod) and not (waited_for and pod["spec"].get("nodeName"))
    return "failed" if phase(pod) == "Failed" or over else None


def counted(job: Obj, tracked: Sequence[Obj]) -> Obj:
    """The status in which every pod that has an outcome is listed or counted."""
    status: Obj = copy.deepcopy(job.get("status") or {})
    current = {uid(pod) for pod in tracked}
    before = status.get("uncountedTerminatedPods") or {}
    known = {each for listed in before.values() for each in listed}
    after = status["uncountedTerminatedPods"] = {}
    for kind in OUTCOMES:
        listed = before.get(kind) or []
        status[kind] = status.get(kind, 0) + sum(each not in current for each in listed)
        ended = [uid(pod) for pod in tracked if outcome(pod, job) == kind and uid(pod) not in known]
        after[kind] = [each for each in listed if each in current] + ended
    return status


def total(status: Obj, kind: str) -> int:
    """Those included that are listed but not yet counted."""
    return int(status.get(kind, 0)) + len((status.get("uncountedTerminatedPods") or {}).get(kind) or [])


def uncounted(status: Obj) -> set[str]:
    return {each for uids in status["uncountedTerminatedPods"].values() for each in uids}


def released(pods: Iterable[Obj]) -> tuple[tuple[Obj, Obj], ...]:
    """The patches after which nobody waits for these pods to be counted."""
    return tuple(
        (pod, {"metadata": {"finalizers": [each for each in finalizers(pod) if each != TRACKING]}})
        for pod in pods
        if TRACKING in finalizers(pod)
    )
