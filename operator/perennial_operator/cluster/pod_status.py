"""What did a pod say last, and what keeps it from running?"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from perennial_operator.cluster.cache_entry import Body

STARTING = (None, "ContainerCreating", "PodInitializing")


def answer(pod: Body, code: int | None = None) -> Mapping[str, Any] | None:
    """The JSON object that a container of the pod left as its last word; with `code`, only if it ended with that."""
    for container in _containers(pod):
        ended = _ended(container)
        if ended and (code is None or ended.get("exitCode") == code):
            try:
                said = json.loads(ended.get("message") or "")
            except (ValueError, RecursionError):
                continue
            if isinstance(said, dict):
                return said
    return None


def trouble(pod: Body) -> str:
    """Why the pod is not running, in a sentence, or nothing; a pod that is being removed has no trouble left."""
    status = pod.get("status") or {}
    if pod["metadata"].get("deletionTimestamp"):
        return ""
    found = _waiting(pod) or _unscheduled(status) or _evicted(status) or _killed(pod)
    return f"pod {pod['metadata']['name']} {found}" if found else ""


def _waiting(pod: Body) -> str:
    for container in _containers(pod):
        waiting = (container.get("state") or {}).get("waiting") or {}
        if waiting.get("reason") not in STARTING:
            said = (answer(pod) or {}).get("message")
            because = said or waiting.get("message") or (_ended(container) or {}).get("reason")
            return f"is waiting ({waiting['reason']}{f': {because}' if because else ''})"
    return ""


def _unscheduled(status: Mapping[str, Any]) -> str:
    for condition in status.get("conditions") or []:
        if condition.get("type") == "PodScheduled" and condition.get("status") == "False" and condition.get("message"):
            return f"cannot be scheduled: {condition['message']}"
    return ""


def _evicted(status: Mapping[str, Any]) -> str:
    """What the kubelet said that ended the pod as a whole."""
    if status.get("phase") != "Failed" or not status.get("reason"):
        return ""
    return f"was ended ({status['reason']}{': ' + status['message'] if status.get('message') else ''})"


def _killed(pod: Body) -> str:
    ends = [(container.get("state") or {}).get("terminated") or {} for container in _containers(pod)]
    return "ran out of memory (OOMKilled)" if any(end.get("reason") == "OOMKilled" for end in ends) else ""


def _containers(pod: Body) -> list[Mapping[str, Any]]:
    status = pod.get("status") or {}
    return [*(status.get("containerStatuses") or []), *(status.get("initContainerStatuses") or [])]


def _ended(container: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """How the container last ended, if it ever did."""
    state = container.get("state") or {}
    return state.get("terminated") or (container.get("lastState") or {}).get("terminated")
