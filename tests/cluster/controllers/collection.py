"""Which objects go because what they belonged to has gone: every deletion cascades in the background."""

from __future__ import annotations

from collections.abc import Collection

from tests.cluster.controllers.step import Step
from tests.cluster.objects import Obj, deleting, owners


def step(obj: Obj, absent: Collection[str]) -> Step:
    """The pass for one object: `absent` are uids of its owners that are gone."""
    named = owners(obj)
    kept = [owner for owner in named if owner["uid"] not in absent]
    if deleting(obj) or kept == named:
        return Step()
    if not kept:
        return Step(deletes=(obj,))
    return Step(patches=((obj, {"metadata": {"ownerReferences": kept}}),))
