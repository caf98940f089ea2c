"""The result that a pod reported, and the reason why it does not run."""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Mapping
from typing import Any

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
    """Whether a container of the pod was killed because it needed more memory than its limit."""
    return bool(_killed(pod))


def _waiting(pod: Body) -> str:
    for container in _containers(pod):
        waiting = (container.get("state") or {}).get("waiting") or {}
        if waiting.get("reason") not in STARTING:
            result = (termination_result(pod) or {}).get("message")
            cause = result or waiting.get("message") or (_terminated(container) or {}).get("reason")
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
    states = [(container.get("state") or {}).get("terminated") or {} for container in _containers(pod)]
    return "ran out of memory (OOMKilled)" if any(state.get("reason") == "OOMKilled" for state in states) else ""


def _containers(pod: Body) -> list[Mapping[str, Any]]:
    status = pod.get("status") or {}
    return [*(status.get("containerStatuses") or []), *(status.get("initContainerStatuses") or [])]


def _terminated(container: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """How the container last terminated, if it ever did."""
    state = container.get("state") or {}
    return state.get("terminated") or (container.get("lastState") or {}).get("terminated")
