"""Which ReplicaSets a Deployment needs, and how many pods each may have at this moment."""

from __future__ import annotations

import copy
import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from tests.cluster.controllers.deployment_status import count, size, status, until_late
from tests.cluster.controllers.step import Step
from tests.cluster.objects import Obj, controlled_by, deleting, name, namespace

HASH = "pod-template-hash"
REVISION = "deployment.kubernetes.io/revision"


def step(deployment: Obj, replica_sets: Sequence[Obj], now: datetime) -> Step:
    """The pass for one Deployment and the ReplicaSets that it controls."""
    if deleting(deployment):
        return Step()
    sets = sorted((result for result in replica_sets if not deleting(result)), key=_revision)
    current = next((result for result in sets if _template(result) == _template(deployment)), None)
    old = [result for result in sets if result is not current]
    message = status(deployment, current, old, _room(deployment["spec"])[1], now)
    if current is None:
        return Step(message, creates=(_replica_set(deployment, sets),))
    newest = str(max([_revision(current), *(_revision(result) + 1 for result in old)]))
    numbered = {"metadata": {"annotations": {REVISION: newest}}}
    patches: list[tuple[Obj, Obj]] = [
        (result, numbered) for result in (deployment, current) if _annotated(result) != newest
    ]
    wanted = sizes(deployment["spec"], current, old)
    patches += [
        (result, {"spec": {"replicas": wanted[name(result)]}})
        for result in sets
        if size(result) != wanted[name(result)]
    ]
    empty = [result for result in old if not size(result) and not count(result, "replicas")]
    forgotten = len(empty) - deployment["spec"].get("revisionHistoryLimit", 10)
    return Step(message, tuple(patches), tuple(empty[: max(0, forgotten)]), again=until_late(deployment, message, now))


def sizes(spec: Mapping[str, Any], current: Obj, old: Sequence[Obj]) -> dict[str, int]:
    """The number of pods of each ReplicaSet now, by name.

    Never more than replicas + maxSurge altogether, and none is taken away that would leave fewer than replicas -
    maxUnavailable available.
    """
    wanted = {name(result): size(result) for result in (current, *old)}
    desired = spec.get("replicas", 1)
    surge, unavailable = _room(spec)
    total = sum(wanted.values())
    wanted[name(current)] = min(desired, size(current) + max(0, desired + surge - total))
    least = desired - unavailable
    spare = total - least - max(0, size(current) - count(current, "availableReplicas"))
    serving = sum(count(result, "availableReplicas") for result in (current, *old)) - least
    for result in old:  # those that do not serve go first
        cut = max(0, min(size(result) - count(result, "availableReplicas"), spare))
        wanted[name(result)] -= cut
        spare -= cut
    spare = min(spare, serving)
    for result in old:
        cut = max(0, min(wanted[name(result)], spare))
        wanted[name(result)] -= cut
        spare -= cut
    return wanted


def _annotated(obj: Obj) -> str:
    return str((obj["metadata"].get("annotations") or {}).get(REVISION, "0"))


def _revision(replica_set: Obj) -> int:
    return int(_annotated(replica_set))


def _room(spec: Mapping[str, Any]) -> tuple[int, int]:
    """maxSurge (rounded up) and maxUnavailable (rounded down) in pods; both 0 would be a standstill."""
    rolling = (spec.get("strategy") or {}).get("rollingUpdate") or {}
    surge, unavailable = (rolling.get(field, "25%") for field in ("maxSurge", "maxUnavailable"))
    pods = spec.get("replicas", 1)
    more = math.ceil(pods * int(surge[:-1]) / 100) if isinstance(surge, str) else int(surge)
    fewer = math.floor(pods * int(unavailable[:-1]) / 100) if isinstance(unavailable, str) else int(unavailable)
    return more, fewer or (0 if more else 1)


def _template(owner: Obj) -> Obj:
    """The pod template without the label that tells ReplicaSets apart."""
    template: Obj = copy.deepcopy(owner["spec"]["template"])
    (template.setdefault("metadata", {}).get("labels") or {}).pop(HASH, None)
    return template


def _replica_set(deployment: Obj, sets: Sequence[Obj]) -> Obj:
    """A new ReplicaSet for the Deployment's template, still without pods."""
    template = _template(deployment)
    digest = hashlib.sha256(json.dumps(template, sort_keys=True).encode()).hexdigest()[:10]
    labels = {**(template["metadata"].get("labels") or {}), HASH: digest}
    selector = deployment["spec"]["selector"]
    return {
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "metadata": {
            "name": f"{name(deployment)}-{digest}",
            "namespace": namespace(deployment),
            "labels": labels,
            "annotations": {REVISION: str(1 + max(map(_revision, sets), default=0))},
            "ownerReferences": [controlled_by(deployment)],
        },
        "spec": {
            "replicas": 0,
            "selector": {**selector, "matchLabels": {**(selector.get("matchLabels") or {}), HASH: digest}},
            "template": {**template, "metadata": {**template["metadata"], "labels": labels}},
        },
    }
