"""What is said of a pod while its containers come and go."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from tests.cluster.objects import Obj, stamp, with_condition

CREATING: Obj = {"waiting": {"reason": "ContainerCreating"}}
ENDED = {"Succeeded": "PodCompleted", "Failed": "PodFailed"}
OWN = ("PodScheduled", "Initialized", "ContainersReady", "Ready")


@dataclass
class Container:
    """One container: `state` and `last` are as the API has them."""

    spec: Obj
    state: Obj = field(default_factory=lambda: CREATING)
    last: Obj = field(default_factory=dict)
    restarts: int = 0
    started: bool = False
    ready: bool = False

    @property
    def exit_code(self) -> int | None:
        code: int | None = self.state.get("terminated", {}).get("exitCode")
        return code

    def lose(self, now: datetime) -> None:
        """The container is over, and nobody saw how."""
        self.ready = self.started = False
        if self.exit_code is None:
            why = "The container could not be located when the pod was terminated"
            began = self.state.get("running", {}).get("startedAt", stamp(now))
            end = {"exitCode": 137, "reason": "ContainerStatusUnknown", "message": why}
            self.state = {"terminated": {**end, "startedAt": began, "finishedAt": stamp(now)}}


def pod_status(pod: Obj, containers: Sequence[Container], now: datetime, stopping: bool = False) -> Obj:
    """The status to write: phase, the conditions that are a node's to set (others are kept), the containers' states."""
    before = pod.get("status", {})
    phase = _phase(pod["spec"].get("restartPolicy", "Always"), containers, stopping)
    unready = [each.spec["name"] for each in containers if not each.ready or stopping]
    why = f"containers with unready status: [{' '.join(unready)}]"
    ready = {"status": "False", "reason": "ContainersNotReady", "message": why} if unready else {"status": "True"}
    if phase in ENDED:
        ready = {"status": "False", "reason": ENDED[phase]}
    conditions = before.get("conditions") or []
    for kind, verdict in zip(OWN, ({"status": "True"}, {"status": "True"}, ready, ready), strict=True):
        conditions = with_condition(conditions, {"type": kind, **verdict}, now)
    return {
        "phase": phase,
        "conditions": conditions,
        "hostIP": "127.0.0.1",
        "podIP": before["podIP"],
        "podIPs": [{"ip": before["podIP"]}],
        "startTime": before.get("startTime") or stamp(now),
        "containerStatuses": [_container(each) for each in containers],
    }


def _phase(policy: str, main: Sequence[Container], stopping: bool) -> str:
    over = [each for each in main if each.exit_code is not None]
    if len(over) == len(main) and (stopping or all(not restarts(policy, each.exit_code) for each in over)):
        return "Failed" if any(each.exit_code for each in over) else "Succeeded"
    begun = any("waiting" not in each.state or each.last for each in main)
    return "Running" if begun else "Pending"


def restarts(policy: str, exit_code: int | None) -> bool:
    return policy == "Always" or (policy == "OnFailure" and exit_code != 0)


def _container(each: Container) -> Obj:
    image = each.spec.get("image", "")
    return {
        "name": each.spec["name"],
        "image": image,
        "imageID": image,
        "ready": each.ready,
        "started": each.started,
        "restartCount": each.restarts,
        "state": each.state,
        "lastState": each.last,
    }
