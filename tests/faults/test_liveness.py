"""No model is stuck: three days after the last fault a better version is live, if good data are there.

With default settings, replicas above 0, nothing suspended or pinned, and nothing that waits for a person. `make test`
plays few schedules, `make test-deep` 10,000; only events, the operator's own alarms and new reports cause passes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from datetime import timedelta
from random import Random
from typing import Any

import pytest

from tests.builders import merged
from tests.faults.life import FAULTS, Life
from tests.faults.profiles import DEEP, SCHEDULES, each_seed

DAYS = timedelta(days=3)
CHECKS: list[dict[str, Any]] = [
    {"drift": {"check": {"schedule": each, "data": {"uri": "s3://bikes/live/*.parquet"}}}}
    for each in ("0 * * * *", "0 */6 * * *", "0 3 * * *")
]
BLENDED = merged(CHECKS[0], {"data": {"timeColumn": "at"}})
ANALYSIS: dict[str, Any] = {"rollout": {"steps": [{"weight": 50}], "analysis": {"interval": "15m"}}}
JUDGED: dict[str, Any] = merged(
    ANALYSIS,
    {
        "data": {
            "timeColumn": "at",
            "training": {"captured": True},
            "labels": {"uri": "s3://bikes/labels/*.csv", "key": "ride", "mature": "5m"},
        },
        "serving": {"capture": {"secretRef": {"name": "capture-keys"}}},
    },
)
"""Versions are checked by the rows that they answered."""
SPECS: list[dict[str, Any]] = [
    {},
    *CHECKS,
    BLENDED,
    {"rollout": {"steps": [{"weight": 50, "hold": "5m"}]}},
    ANALYSIS,
    merged(ANALYSIS, CHECKS[1]),
    JUDGED,
]
HOURS = (1, 5, 20)


def play_schedule(spec: dict[str, Any], faults: Sequence[tuple[str, int]]) -> Life:
    """AssertionError if no better version is live three days after the last fault."""
    life = Life(spec)
    for fault, hours in faults:
        life.begin(fault)
        life.goes_on(timedelta(hours=hours))
        life.end()
    live, since = life.live, life.cluster.now
    life.goes_on(DAYS, until=lambda: life.live > live)
    assert life.live > live, (spec, faults, since, life.status)
    return life


def a_schedule(seed: int, number: int) -> tuple[dict[str, Any], list[tuple[str, int]]]:
    """A spec, and up to five faults with their hours, each as likely as any other."""
    random = Random(f"{seed}/{number}")
    return random.choice(SPECS), [(random.choice(FAULTS), random.choice(HOURS)) for _ in range(random.randint(1, 5))]


@each_seed
@pytest.mark.timeout(0)
def test_no_model_is_stuck(seed: int, counted: Callable[[Counter[str]], None]) -> None:
    happened: Counter[str] = Counter()
    for number in range(SCHEDULES if DEEP else SCHEDULES // 20 - 1):
        life = play_schedule(*a_schedule(seed, number))
        happened.update(life.happened + life.operator.client.faults)
        happened["schedules without a stuck model"] += 1
    counted(happened)


@pytest.mark.timeout(0)
def test_no_blend_is_stuck_after_weights_that_fail() -> None:
    """Weights come first after an alarm; a store that is away, and a gate that rejects them, end in a better version."""
    life = play_schedule(BLENDED, [("conflicts", 5), ("store away", 5), ("worse", 5)])
    asked = [body["spec"]["trigger"]["reason"] for body in life.cluster.made if body["kind"] == "ModelVersion"]
    assert {"Drift", "Reweighing"} < set(asked)


@pytest.mark.timeout(0)
def test_versions_worse_where_they_serve_are_followed() -> None:
    """Those go back, and a better one follows. Each check is one Job and one report, whatever fails meanwhile."""
    life = play_schedule(JUDGED, [("worse where it serves", 10), ("conflicts", 5), ("operator dies", 5)])
    assert life.happened["version RolledBack QualityBreach"]
    checks = [body for body in life.cluster.made if "-check-" in body["metadata"]["name"]]
    assert set(Counter((body["kind"], body["metadata"]["name"]) for body in checks).values()) == {1}
