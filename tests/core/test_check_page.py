"""The task of a check has what its page shows of the limits and of earlier checks, and no more than that."""

from __future__ import annotations

from typing import Any

import pytest

from perennial_operator.core.manifests.check_job import check_manifest
from perennial_operator.core.names import SCHEDULED
from perennial_operator.core.world import Policy
from tests.builders import NOON, a_deployment, a_report, a_version, a_world, task_of

THRESHOLDS = [
    {"metric": "psi", "max": 0.2, "features": ["feature1"]},
    {"metric": "mse", "maxIncrease": 0.05, "sigmas": 3},
]
DRIFT = {"check": {"schedule": "0 * * * *", "data": {"uri": "s3://live/*"}, "window": "24h"}, "thresholds": THRESHOLDS}
MEASURED = {"metrics": {"candidate": {"mse": 100.0}, "standardErrors": {"mse": 4.0}}}
LIVE = a_version(1, status=MEASURED | {"image": "trainer:1", "contract": 4})


def a_check_report(hour: int, psi: float, about: str = "bike-v1", **metadata: Any) -> Any:
    metrics = [
        {"name": "psi", "feature": "feature1", "value": psi},
        {"name": "psi", "feature": "feature2", "value": 0.9},
        {"name": "mse", "value": 100 + hour, "standardError": 1.0},
    ]
    labels = {SCHEDULED: str(int(NOON.timestamp()) + 3600 * hour)}
    created = f"2026-11-{23 + (12 + hour) // 24}T{(12 + hour) % 24:02d}:00:30Z"
    spec = {"metrics": metrics, "modelVersion": about}
    return a_report(f"r{hour}", spec=spec, status={"outcome": "WithinThresholds"}, creationTimestamp=created, **({"labels": labels} | metadata))  # fmt: skip


def task(*reports: Any, live: Any = LIVE, image: str = "trainer:2") -> dict[str, Any]:
    deployment = a_deployment(spec={"drift": DRIFT})
    world = a_world(deployment=deployment, versions=(live,), reports=reports, policy=Policy(trainer_image=image))
    return task_of(check_manifest(world, live, NOON))


def test_growth_of_a_loss_comes_with_its_baseline() -> None:
    _, mse, *_ = task()["thresholds"]
    assert mse == {"metric": "mse", "increase": {"baseline": 100, "standardError": 4, "share": 0.05, "sigmas": 3}}


def test_earlier_checks_have_a_value_for_each_threshold() -> None:
    asked = task(a_check_report(0, 0.1), a_check_report(1, 0.15))
    assert [each["time"] for each in asked["previous"]] == ["2026-11-23T12:00:00Z", "2026-11-23T13:00:00Z"]
    values = asked["previous"][1]["values"]
    assert values[:2] == [0.15, 101] and len(values) == len(asked["thresholds"])
    assert asked["minSamples"] == 200


@pytest.mark.parametrize(
    ("report", "reason"),
    [
        (a_check_report(0, 0.1, about="bike-v0"), "about another version"),
        (a_check_report(0, 0.1, labels={}), "not of a check"),
    ],
)
def test_other_reports_are_not_earlier_checks(report: Any, reason: str) -> None:
    assert "previous" not in task(report), reason


def test_only_the_last_twenty_checks_are_in_the_task() -> None:
    previous = task(*(a_check_report(hour, hour / 100) for hour in range(25)))["previous"]
    assert [each["values"][0] for each in previous] == [hour / 100 for hour in range(5, 25)]


def test_image_of_contract_3_gets_nothing_for_the_page() -> None:
    live = a_version(1, status=MEASURED | {"image": "trainer:1", "contract": 3})
    asked = task(a_check_report(0, 0.1), live=live)
    assert not {"previous", "minSamples"} & set(asked)
    assert not any("increase" in each for each in asked["thresholds"])
