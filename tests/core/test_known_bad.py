"""Which models are not tried again, and which rows are not trained on again?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from perennial_operator.core.api.model_version import ModelVersion
from perennial_operator.core.rules.known_bad import reason_not_to_repeat, rejected_before
from perennial_operator.core.rules.validation_gate import gate_digest
from perennial_operator.core.world import World
from tests.builders import a_deployment, a_version, a_world

IMAGE = "trainer:1"
LIVE = a_version(1, creationTimestamp="2026-11-20T12:00:00Z")
GATE = gate_digest(a_deployment().spec.validation, LIVE)
SLOW = {"reason": "TooSlow"}
WORSE = {"reason": "WorseThanLive", "gate": GATE}
OTHER_RECIPE = {"model": {"target": "other"}}
WEIGHTS = {"trigger": {"reason": "Reweighing"}}


def worlds(phase: str, status: dict[str, Any], spec: Mapping[str, Any] = {}) -> tuple[World, ModelVersion]:
    """Version 2 ended like this, and version 3 trains on the same rows."""
    other = a_version(2, phase, spec, {"image": IMAGE, "message": "it was bad", **status})
    version = a_version(3, "Training")
    return a_world(versions=(LIVE, other, version)), version


@pytest.mark.parametrize(
    ("phase", "status", "spec", "known"),
    [
        ("RolledBack", SLOW, {}, True),
        ("RolledBack", {"reason": "TooManyErrors"}, {}, True),
        ("Rejected", {"reason": "RejectedByPerson"}, {}, True),
        ("Rejected", WORSE, {}, False),
        ("RolledBack", {"reason": "NoData"}, {}, False),
        ("Superseded", SLOW, {}, False),
        ("RolledBack", SLOW | {"image": "trainer:2"}, {}, False),
        ("RolledBack", SLOW | {"data": {"sha256": "9" * 64}}, {}, False),
        ("RolledBack", SLOW | {"data": None}, {}, False),
        ("RolledBack", SLOW, OTHER_RECIPE, False),
        ("RolledBack", SLOW, WEIGHTS, False),
    ],
)
def test_the_same_model_is_not_tried_again(phase: str, status: Any, spec: Any, known: bool) -> None:
    world, version = worlds(phase, status, spec)
    assert LIVE.status.data
    reason = reason_not_to_repeat(world, version, LIVE.status.data, IMAGE)
    assert reason == (
        f"it is the same model as bike-v2, of the same rows, recipe and image, which was {phase} (it was bad); to try "
        "it again, annotate the ModelDeployment with perennial.dev/retrain-requested-at=<time>"
        if known
        else None
    )


@pytest.mark.parametrize("trigger", [{"reason": "Request"}, {"reason": "Adopted", "request": "now"}])
def test_a_person_may_try_the_same_model_again(trigger: dict[str, str]) -> None:
    world, _ = worlds("RolledBack", SLOW)
    asked = a_version(3, "Training", {"trigger": trigger})
    assert LIVE.status.data
    assert reason_not_to_repeat(world, asked, LIVE.status.data, IMAGE) is None


@pytest.mark.parametrize(
    ("phase", "status", "spec", "known"),
    [
        ("RolledBack", SLOW, {}, True),
        ("RolledBack", SLOW, OTHER_RECIPE, False),
        ("Rejected", {"reason": "RejectedByPerson"}, {}, True),
        ("Rejected", WORSE, {}, True),
        ("RolledBack", WORSE, {}, True),
        ("Superseded", WORSE, {}, False),
        ("Rejected", WORSE | {"gate": "of another spec"}, {}, False),
        ("Rejected", {"reason": "KnownBad", "gate": GATE}, {}, False),
        ("RolledBack", {"reason": "NotReady", "gate": GATE}, {}, False),
        ("Rejected", WORSE | {"image": "trainer:2"}, {}, False),
        ("Rejected", WORSE, OTHER_RECIPE, False),
        ("Rejected", WORSE, WEIGHTS, False),
    ],
)
def test_rows_are_known_by_verdict_gate_image_and_recipe(phase: str, status: Any, spec: Any, known: bool) -> None:
    world, version = worlds(phase, status, spec)
    assert [each.name for each in rejected_before(world, version, IMAGE)] == (["bike-v2"] if known else [])


def test_gate_is_another_beside_another_version_or_spec() -> None:
    validation = a_deployment().spec.validation
    other = a_deployment(spec={"validation": {"thresholds": [{"metric": "mse", "max": 9}]}}).spec.validation
    again = a_version(1, status={"artifact": {"sha256": "8" * 64}})
    gates = {GATE, gate_digest(validation, None), gate_digest(other, LIVE), gate_digest(validation, again)}
    assert len(gates) == 4
    assert gate_digest(validation, a_version(1)) == GATE
    assert {len(each) for each in gates} == {16}
