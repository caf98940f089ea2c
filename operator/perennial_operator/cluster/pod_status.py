"""The result that a pod reported, and the reason why it does not run."""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Mapping
from typing import Any

from perennial_operator.core.manifests.pods import TRAINER
from perennial_operator.core.names import ROLE

Body = Mapping[str, Any]

LONGEST_RESULT = 1 << 20  # bytes; 4,096 compressed ones may be a thousand times as many
STARTING = (None, "ContainerCreating", "PodInitializing")


def termination_result(pod: Body, exit_code: int | None = None) -> Mapping[str, Any] | None:
    """The JSON object in a container's termination message; with `exit_code`, only of one that ended with it."""
    for container in _containers(pod):
        terminated = _terminated(container)
        if terminated and (exit_code is None or terminated.get("exitCode") == exit_code):
            try:
                result = json.loads(terminated.get("message") or "")
                if isinstance(result, dict) and result.keys() == {"zlib"}:
                    result = json.loads(_decompressed(str(result["zlib"])))
            except (ValueError, RecursionError, zlib.error):
                continue
            if isinstance(result, dict):
                return result
    return None


def _decompressed(text: str) -> bytes:
    """The content of a result that was too long as it was; a ValueError if it is longer than any result may be."""
    decompressor = zlib.decompressobj()
    content = decompressor.decompress(base64.b85decode(text), LONGEST_RESULT)
    if not decompressor.eof:
        raise ValueError(f"a result has at most {LONGEST_RESULT} bytes")
    return content


def pod_problem(pod: Body) -> str:
    """Why the pod does not run, as a sentence; an empty text if it runs or is being deleted."""
    status = pod.get("status") or {}
    if pod["metadata"].get("deletionTimestamp"):
        return ""
    problem = _waiting(pod) or _unscheduled(status) or _evicted(status) or _killed(pod)
    return f"pod {pod['metadata']['name']} {problem}" if problem else ""


def cannot_start(pod: Body) -> bool:
    """Whether the pod never ran, and waits for something other than the kubelet: a node, an image, a Secret."""
    status = pod.get("status") or {}
    if pod["metadata"].get("deletionTimestamp") or status.get("phase") not in (None, "Pending"):
        return False
    return bool(_waiting(pod) or _unscheduled(status))


def is_out_of_memory(pod: Body) -> bool:
    """Whether the pod's trainer was killed for want of memory."""
    return TRAINER in map(_name, _killed_containers(pod))


def exit_code_beside_others(pod: Body) -> int | None:
    """With which code the trainer has ended, if another container, such as a mesh's proxy, keeps the pod running."""
    if pod["metadata"].get("deletionTimestamp"):
        return None
    states = {_name(each): each.get("state") or {} for each in (pod.get("status") or {}).get("containerStatuses") or []}
    ended = (states.get(TRAINER) or {}).get("terminated")
    return int(ended.get("exitCode", 1)) if ended and any("running" in state for state in states.values()) else None


def _waiting(pod: Body) -> str:
    for container in _containers(pod):
        waiting = (container.get("state") or {}).get("waiting") or {}
        if waiting.get("reason") not in STARTING:
            result = (termination_result(pod) or {}).get("message")
            last = (_terminated(container) or {}).get("reason")
            cause = _killed(pod) or result or waiting.get("message") or last
            return f"is waiting ({waiting['reason']}{f': {cause}' if cause else ''})"
    return ""


def _unscheduled(status: Mapping[str, Any]) -> str:
    for condition in status.get("conditions") or []:
        if condition.get("type") == "PodScheduled" and condition.get("status") == "False" and condition.get("message"):
            return f"cannot be scheduled: {condition['message']}"
    return ""


def _evicted(status: Mapping[str, Any]) -> str:
    """The reason why the kubelet stopped the pod as a whole."""
    if status.get("phase") != "Failed" or not status.get("reason"):
        return ""
    return f"was stopped ({status['reason']}{': ' + status['message'] if status.get('message') else ''})"


def _killed(pod: Body) -> str:
    """Which container was killed for want of memory, and what gives it more."""
    killed = next(map(_name, _killed_containers(pod)), None)
    if killed is None:
        return ""
    serves = (pod["metadata"].get("labels") or {}).get(ROLE) == "serving"
    field = f"spec.{'serving' if serves else 'training'}.pod.resources.limits.memory"
    who, fix = ("", field) if killed == TRAINER else (f" in container {killed}", "its memory limit")
    return f"ran out of memory{who} (OOMKilled); raise {fix}"


def _killed_containers(pod: Body) -> list[Mapping[str, Any]]:
    """The containers whose last end was for want of memory."""
    return [each for each in _containers(pod) if (_terminated(each) or {}).get("reason") == "OOMKilled"]


def _name(container: Mapping[str, Any]) -> str:
    return str(container.get("name", TRAINER))


def _containers(pod: Body) -> list[Mapping[str, Any]]:
    status = pod.get("status") or {}
    return [*(status.get("containerStatuses") or []), *(status.get("initContainerStatuses") or [])]


def _terminated(container: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """How the container last terminated, if it ever did."""
    state = container.get("state") or {}
    return state.get("terminated") or (container.get("lastState") or {}).get("terminated")
