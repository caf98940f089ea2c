"""Which objects go because what they belonged to has gone."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from tests.cluster.controllers.step import Step
from tests.cluster.objects import Obj, deleting, finalizers, owners

FOREGROUND = "foregroundDeletion"
ORPHAN = "orphan"


def step(obj: Obj, dependents: Iterable[Obj], absent: Collection[str]) -> Step:
    """The pass for one object: `dependents` name it as an owner, `absent` are uids of its own owners that are gone."""
    if deleting(obj):
        return _before_the_end(obj, list(dependents))
    named = owners(obj)
    if named and all(owner["uid"] in absent for owner in named):
        return Step(deletes=(obj,))
    return Step(patches=tuple(_without(obj, absent) if any(owner["uid"] in absent for owner in named) else ()))


def _before_the_end(obj: Obj, dependents: list[Obj]) -> Step:
    """What `kubectl delete --cascade=foreground` and `--cascade=orphan` wait for."""
    uid = {obj["metadata"]["uid"]}
    if ORPHAN in finalizers(obj):
        freed = tuple(patch for dependent in dependents for patch in _without(dependent, uid))
        return Step(patches=freed or _done(obj, ORPHAN))
    if FOREGROUND in finalizers(obj):
        shared = [dependent for dependent in dependents if any(owner["uid"] not in uid for owner in owners(dependent))]
        freed = tuple(patch for dependent in shared for patch in _without(dependent, uid))
        own = [dependent for dependent in dependents if dependent not in shared]
        blocked = any(owner.get("blockOwnerDeletion") for each in own for owner in owners(each))
        deletes = tuple(each for each in own if not deleting(each))
        return Step(patches=freed if freed or blocked else _done(obj, FOREGROUND), deletes=deletes)
    return Step()


def _without(obj: Obj, uids: Collection[str]) -> tuple[tuple[Obj, Obj], ...]:
    kept = [owner for owner in owners(obj) if owner["uid"] not in uids]
    return ((obj, {"metadata": {"ownerReferences": kept}}),)


def _done(obj: Obj, finalizer: str) -> tuple[tuple[Obj, Obj], ...]:
    return ((obj, {"metadata": {"finalizers": [each for each in finalizers(obj) if each != finalizer]}}),)
