"""A World has only owned objects, not those that only carry our labels."""

from __future__ import annotations

from typing import Any

import pytest

from perennial_operator.cluster.cache import Cache
from perennial_operator.cluster.cache_entry import Key
from perennial_operator.core import names
from perennial_operator.core.world import Policy
from perennial_operator.reconcile.world_builder import build_world
from tests.builders import NOON, SPEC, a_body

KEY = Key("default", "bike")


def an_object(kind: str, owner: str) -> dict[str, Any]:
    labels = names.labels("bike", "serving" if kind == "Deployment" else "training", "bike-v1")
    references = [{"kind": "ModelDeployment", "name": "bike", "uid": owner}] if owner else []
    return a_body(kind, "bike-v1", {}, labels=labels, ownerReferences=references)


@pytest.mark.parametrize(("owner", "jobs", "serving"), [("uid-bike", 1, 1), ("other", 0, 0), ("", 0, 1)])
def test_object_with_only_our_labels_is_ignored(owner: str, jobs: int, serving: int) -> None:
    """But for a Deployment of a version's name that has lost its owner: its pods serve, and it is adopted."""
    cache = Cache()
    for body in (a_body("ModelDeployment", "bike", SPEC), an_object("Job", owner), an_object("Deployment", owner)):
        cache.put(body)
    world = build_world(cache, KEY, NOON, Policy(trainer_image="trainer:1"))
    assert world
    assert (len(world.jobs), len(world.serving)) == (jobs, serving)
