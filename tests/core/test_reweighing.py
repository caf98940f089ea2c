"""Models of the live version get other weights if a check shows that these are better."""

from __future__ import annotations

from typing import Any

import pytest

from perennial_operator.core.drift_reports import Report
from perennial_operator.core.manifests.train_job import train_manifest
from perennial_operator.core.stages.drift_assessment import assess_reports
from perennial_operator.core.stages.training import trigger_of
from perennial_operator.core.world import World
from tests.builders import a_deployment, a_report, a_version, a_world, task_of
from tests.core.test_growth import END, TWICE

BY_TIME = {"timeColumn": "at"}


def a_gain(value: float = 0.1, error: float = 0.04, outcome: str = "WithinThresholds", hour: int = 14) -> Report:
    """A report about the live version, by which other weights would save this share of its loss."""
    metrics = [{"name": "weights_regret", "value": value, "standardError": error}]
    status = {"outcome": outcome, "modelVersion": "bike-v1"}
    at = f"2026-11-23T{hour:02}:00:00Z"
    return a_report("report-1", spec={"metrics": metrics}, status=status, creationTimestamp=at)


def a_blended(*reports: Report, live: dict[str, Any] | None = None, **spec: Any) -> World:
    data = {"end": END, "historyRows": 100_000, **(live or {})}
    version = a_version(status={"data": data, "contract": 4, "image": "t"}, spec={"data": BY_TIME})
    return a_world(deployment=a_deployment(spec={"data": BY_TIME, **spec}), versions=(version,), reports=reports)


@pytest.mark.parametrize(
    ("world", "wanted"),
    [
        pytest.param(a_blended(a_gain()), True, id="better by more than two standard errors"),
        pytest.param(a_blended(a_gain(outcome="Breach")), True, id="whatever the thresholds say"),
        pytest.param(a_blended(a_gain(0.1, 0.05)), False, id="by two"),
        pytest.param(a_blended(a_gain(outcome="BadData")), False, id="rows are bad"),
        pytest.param(a_blended(a_gain(hour=11)), False, id="a version was made after the check"),
        pytest.param(a_blended(), False, id="no check"),
        pytest.param(a_blended(a_gain(), training={"blend": False}), False, id="no blend is wanted"),
        pytest.param(a_blended(a_gain(), drift={"challenger": {"enabled": False}}), False, id="nor a challenger"),
        pytest.param(a_blended(a_gain(), drift={"mode": "Report"}), False, id="a dry run"),
    ],
)
def test_weights_shown_to_be_better_are_asked_for(world: World, wanted: bool) -> None:
    trigger = trigger_of(world)
    assert (trigger.reason if trigger else None) == ("Reweighing" if wanted else None)


@pytest.mark.parametrize(("reason", "phase", "wanted"), [("Reweighing", "Rejected", None), ("Drift", "Rejected", True)])
def test_rejected_weights_are_not_tried_again_before_a_fit(reason: str, phase: str, wanted: bool | None) -> None:
    world = a_blended(a_gain())
    failed = a_version(2, phase, {"trigger": {"reason": reason}}, creationTimestamp="2026-11-23T12:30:00Z")
    world = a_world(deployment=world.deployment, versions=(*world.versions, failed), reports=world.reports)
    trigger = trigger_of(world)
    assert (trigger and trigger.reason == "Reweighing") == wanted


def test_message_names_the_gain_and_the_report() -> None:
    trigger = trigger_of(a_blended(a_gain()))
    assert trigger
    assert trigger.message == "with other weights the models of bike-v1 would save 10% of its loss, by report-1"


@pytest.mark.parametrize(
    ("reason", "changes", "blend"),
    [
        ("Growth", {}, "fits"),
        ("Reweighing", {}, "weights"),
        ("Growth", {"training": {"blend": False}}, None),
        ("Growth", {"training": {"refit": False}}, None),
        ("Growth", {"data": {**BY_TIME, "window": "90d"}}, None),
        ("Growth", {"data": {**BY_TIME, "groupColumn": "station"}}, None),
    ],
    ids=["fits", "weights", "unwanted", "without refit", "of a fixed window", "of groups"],
)
def test_task_says_whether_models_are_blended(reason: str, changes: dict[str, Any], blend: str | None) -> None:
    spec = {"data": BY_TIME, "trigger": {"reason": reason}, **changes}
    candidate, world = a_version(2, "Training", spec=spec), a_blended()
    world = a_world(deployment=world.deployment, versions=(*world.versions, candidate))
    assert task_of(train_manifest(world, candidate)).get("blend") == blend


@pytest.mark.parametrize(
    ("reason", "trigger", "blend"),
    [
        ("ThresholdNotMet", "Drift", None),
        ("WorseThanLive", "Drift", "fits"),
        ("ThresholdNotMet", "Reweighing", "fits"),
    ],
    ids=["fits", "by comparison", "weights"],
)
def test_after_a_missed_limit_the_next_is_one_fit(reason: str, trigger: str, blend: str | None) -> None:
    failed = a_version(2, "Rejected", {"trigger": {"reason": trigger}}, {"reason": reason})
    candidate, world = a_version(3, "Training", {"data": BY_TIME, "trigger": {"reason": "Drift"}}), a_blended()
    world = a_world(deployment=world.deployment, versions=(*world.versions, failed, candidate))
    assert task_of(train_manifest(world, candidate)).get("blend") == blend


@pytest.mark.parametrize(("trigger", "known"), [("Drift", True), ("Reweighing", False)])
def test_rows_of_other_weights_are_not_known_to_a_fit(trigger: str, known: bool) -> None:
    live = a_version(spec={"data": BY_TIME, "trigger": {"reason": trigger}}, status={"contract": 4, "image": "t"})
    candidate = a_version(2, "Training", spec={"data": BY_TIME, "trigger": {"reason": "Drift"}})
    world = a_world(deployment=a_blended().deployment, versions=(live, candidate))
    assert ("knownRows" in task_of(train_manifest(world, candidate))) == known


def test_growth_is_counted_since_the_newest_fit() -> None:
    """Other weights know newer rows, and the models do not."""
    later = {"end": "2026-11-23T14:00:00Z", "historyRows": 1000}
    for fitted, wanted in ((END, "Growth"), (later["end"], None)):
        trigger = trigger_of(a_blended(*TWICE, live={**later, "fittedUntil": fitted}))
        assert (trigger.reason if trigger else None) == wanted


@pytest.mark.parametrize(("value", "reason"), [(0.1, "Reweighing"), (0.01, "Drift")], ids=["shown", "not shown"])
def test_after_an_alarm_weights_come_before_a_fit(value: float, reason: str) -> None:
    metrics = [
        {"name": "weights_regret", "value": value, "standardError": 0.04},
        {"name": "psi", "feature": "feature1", "value": 0.9, "chance": 0.001},
    ]
    world = a_blended(a_report("report-1", spec={"metrics": metrics, "modelVersion": "bike-v1"}))
    trigger = assess_reports(world).trigger
    assert trigger
    assert (trigger.reason, trigger.drift_report) == (reason, "report-1")
