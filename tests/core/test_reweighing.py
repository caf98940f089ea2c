"""Models of the live version get other weights if a check shows that these are better."""

from __future__ import annotations

from typing import Any

import pytest

from perennial_operator.core import names
from perennial_operator.core.drift_reports import Report
from perennial_operator.core.manifests.check_job import check_manifest
from perennial_operator.core.manifests.train_job import train_manifest
from perennial_operator.core.rules.known_bad import reason_not_to_repeat, rejected_before
from perennial_operator.core.rules.trainings.blending import reason_without_blend
from perennial_operator.core.rules.validation_gate import gate_digest
from perennial_operator.core.stages.drift_assessment import assess_reports
from perennial_operator.core.stages.training import trigger_of
from perennial_operator.core.world import World
from tests.builders import NOON, a_deployment, a_report, a_version, a_world, merged, task_of
from tests.core.test_growth import END, TWICE
from tests.simulation.play import a_play
from tests.simulation.results import trained

BY_TIME = {"timeColumn": "at"}
FITTED = {"models": 1, "fits": 1, "message": "no blend: 12 holdout rows are new to bike-v1, fewer than 60"}
WEIGHED = {"models": 3, "fits": 0, "message": "3 models: 3 of bike-v1, 0 fitted by this training"}


def a_gain(value: float = 0.1, error: float = 0.04, outcome: str = "WithinThresholds", hour: int = 14) -> Report:
    """A report about the live version, by which other weights would save this share of its loss."""
    metrics = [{"name": "weights_regret", "value": value, "standardError": error}]
    status = {"outcome": outcome, "modelVersion": "bike-v1"}
    at = f"2026-11-23T{hour:02}:00:00Z"
    return a_report("report-1", spec={"metrics": metrics}, status=status, creationTimestamp=at)


def a_blended(*reports: Report, live: dict[str, Any] | None = None, made: str = END, **spec: Any) -> World:
    data = {"end": END, "historyRows": 100_000, **(live or {})}
    status = {"data": data, "contract": 4, "image": "t"}
    version = a_version(status=status, spec={"data": BY_TIME}, creationTimestamp=made)
    return a_world(deployment=a_deployment(spec={"data": BY_TIME, **spec}), versions=(version,), reports=reports)


@pytest.mark.parametrize(
    ("world", "wanted"),
    [
        pytest.param(a_blended(a_gain()), True, id="better by more than two standard errors"),
        pytest.param(a_blended(a_gain(outcome="Breach")), True, id="whatever the thresholds say"),
        pytest.param(a_blended(a_gain(0.1, 0.05)), False, id="by two"),
        pytest.param(a_blended(a_gain(outcome="BadData")), False, id="rows are bad"),
        pytest.param(a_blended(a_gain(hour=11)), False, id="a version was made after the check"),
        pytest.param(a_blended(a_gain(), made="2026-11-23T20:00:00Z"), True, id="made while the clock was ahead"),
        pytest.param(a_blended(a_gain(hour=20)), False, id="a check while the clock was ahead, which asks once"),
        pytest.param(a_blended(), False, id="no check"),
        pytest.param(a_blended(a_gain(), training={"blend": False}), False, id="no blend is wanted"),
        pytest.param(a_blended(a_gain(), training={"refit": False}), False, id="nor a refit, which a blend needs"),
        pytest.param(a_blended(a_gain(), drift={"challenger": {"enabled": False}}), False, id="nor a challenger"),
        pytest.param(a_blended(a_gain(), drift={"mode": "Report"}), False, id="a dry run"),
    ],
)
def test_weights_shown_to_be_better_are_asked_for(world: World, wanted: bool) -> None:
    trigger = trigger_of(world)
    assert (trigger.reason if trigger else None) == ("Reweighing" if wanted else None)


@pytest.mark.parametrize(
    ("reason", "status", "wanted"),
    [
        ("Reweighing", {"reason": "WorseThanLive"}, None),
        ("Drift", {"reason": "WorseThanLive"}, True),
        ("Reweighing", {"reason": "WorseThanLive", "blend": FITTED}, True),
        ("Drift", {"reason": "WorseThanLive", "blend": WEIGHED}, None),
        ("Reweighing", {"reason": "StorageUnreachable", "surroundings": "s"}, True),
        ("Drift", {"reason": "ThresholdNotMet"}, None),
    ],
    ids=[
        "weights",
        "a fit",
        "a fit in their place",
        "weights in its place",
        "stopped",
        "the next one is one fit anyway",
    ],
)
def test_rejected_weights_are_not_tried_again_before_a_fit(
    reason: str, status: dict[str, Any], wanted: bool | None
) -> None:
    world = a_blended(a_gain())
    failed = a_version(2, "Rejected", {"trigger": {"reason": reason}}, status, creationTimestamp="2026-11-23T12:30:00Z")
    world = a_world(deployment=world.deployment, versions=(*world.versions, failed), reports=world.reports)
    trigger = trigger_of(world)
    assert (trigger and trigger.reason == "Reweighing") == wanted


@pytest.mark.parametrize(
    ("spec", "reason"),
    [
        ({}, ""),
        ({"training": {"blend": False}}, "spec.training.blend is false"),
        ({"training": {"refit": False}}, "spec.training.refit is false"),
        ({"model": {"framework": "keras"}}, "framework keras has none"),
        ({"data": {"timeColumn": None}}, "it needs data.timeColumn"),
        ({"data": {"window": "90d"}}, "data.window is 90d"),
        ({"data": {"groupColumn": "city"}}, "data.groupColumn is set"),
    ],
)
def test_version_that_is_no_blend_says_why(spec: dict[str, Any], reason: str) -> None:
    world = a_world(deployment=a_deployment(spec=merged({"data": BY_TIME}, spec)), versions=(a_version(),))
    assert reason_without_blend(world, world.spec, 2) == reason
    assert reason_without_blend(a_world(), world.spec, 2) == "no version was live"


STOPPED = {"reason": "StorageUnreachable", "surroundings": "s"}


@pytest.mark.parametrize(("gain", "reason"), [(0.1, "Reweighing"), (0.0, None)])
def test_stopped_weights_are_tried_again_while_they_are_better(gain: float, reason: str | None) -> None:
    """Whenever the report came, and whatever the clock said: the one that has asked for weights may be within limits."""
    world, status = a_blended(a_gain(gain)), STOPPED | {"endedAt": "2032-01-01T00:00:00Z"}
    asked = {"trigger": {"reason": "Reweighing"}}
    stopped = a_version(2, "Failed", asked, status, creationTimestamp="2026-11-23T14:00:00Z")
    trigger = trigger_of(
        a_world(deployment=world.deployment, versions=(*world.versions, stopped), reports=world.reports)
    )
    assert (trigger.reason if trigger else None) == reason


def test_a_stopped_fit_is_none_after_rejected_weights() -> None:
    """What was stopped says nothing of the models: a fit is tried before other weights again."""
    world, made = a_blended(a_gain(outcome="Breach")), "2026-11-23T12:30:00Z"
    weighed = a_version(2, "Rejected", {"trigger": {"reason": "Reweighing"}}, {"reason": "WorseThanLive"})
    stopped = a_version(3, "Failed", {"trigger": {"reason": "Drift"}}, STOPPED, creationTimestamp=made)
    world = a_world(deployment=world.deployment, versions=(*world.versions, weighed, stopped), reports=world.reports)
    trigger = trigger_of(world)
    assert trigger
    assert (trigger.reason, trigger.message) == (
        "Drift",
        "bike-v3 failed because of its surroundings (StorageUnreachable)",
    )


def test_a_stopped_fit_after_a_missed_limit_is_one_fit_again() -> None:
    missed = a_version(2, "Rejected", {"trigger": {"reason": "Drift"}}, {"reason": "ThresholdNotMet"})
    stopped = a_version(3, "Failed", {"trigger": {"reason": "Drift"}}, STOPPED)
    candidate, world = a_version(4, "Training", {"data": BY_TIME, "trigger": {"reason": "Drift"}}), a_blended()
    world = a_world(deployment=world.deployment, versions=(*world.versions, missed, stopped, candidate))
    assert "blend" not in task_of(train_manifest(world, candidate))


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
    ("reason", "trigger", "made", "blend"),
    [
        ("ThresholdNotMet", "Drift", None, None),
        ("WorseThanLive", "Drift", None, "fits"),
        ("ThresholdNotMet", "Reweighing", None, "fits"),
        ("ThresholdNotMet", "Reweighing", FITTED, None),
        ("ThresholdNotMet", "Drift", WEIGHED, "fits"),
    ],
    ids=["fits", "by comparison", "weights", "a fit in their place", "weights in its place"],
)
def test_after_a_missed_limit_the_next_is_one_fit(reason: str, trigger: str, made: Any, blend: str | None) -> None:
    failed = a_version(2, "Rejected", {"trigger": {"reason": trigger}}, {"reason": reason, "blend": made})
    candidate, world = a_version(3, "Training", {"data": BY_TIME, "trigger": {"reason": "Drift"}}), a_blended()
    world = a_world(deployment=world.deployment, versions=(*world.versions, failed, candidate))
    assert task_of(train_manifest(world, candidate)).get("blend") == blend


@pytest.mark.parametrize(
    ("trigger", "made", "known"),
    [("Drift", None, True), ("Reweighing", None, False), ("Drift", WEIGHED, False), ("Reweighing", FITTED, True)],
)
def test_rows_of_other_weights_are_not_known_to_a_fit(trigger: str, made: Any, known: bool) -> None:
    status = {"contract": 4, "image": "t", "blend": made}
    live = a_version(spec={"data": BY_TIME, "trigger": {"reason": trigger}}, status=status)
    candidate = a_version(2, "Training", spec={"data": BY_TIME, "trigger": {"reason": "Drift"}})
    world = a_world(deployment=a_blended().deployment, versions=(live, candidate))
    assert ("knownRows" in task_of(train_manifest(world, candidate))) == known


def test_growth_is_counted_since_the_newest_fit() -> None:
    """Other weights know newer rows, and the models do not; rows that are new to both have to prove a fit."""
    for weighed, fitted, wanted in ((13, END, "Growth"), (14, END, None), (13, "2026-11-23T13:00:00Z", None)):
        live = {"end": f"2026-11-23T{weighed}:00:00Z", "historyRows": 1000, "fittedUntil": fitted}
        trigger = trigger_of(a_blended(*TWICE, live=live))
        assert (trigger.reason if trigger else None) == wanted


@pytest.mark.parametrize(
    ("trigger", "made", "wanted"),
    [("Growth", WEIGHED, None), ("Reweighing", WEIGHED, "Growth"), ("Reweighing", FITTED, None)],
    ids=["a training that could fit nothing", "weights", "a fit in their place"],
)
def test_growth_asks_once_for_the_same_rows(trigger: str, made: Any, wanted: str | None) -> None:
    world = a_blended(*TWICE, live={"historyRows": 1000})
    data = world.versions[0].status.data
    assert data
    spec = {"data": BY_TIME, "trigger": {"reason": trigger}}
    status = {"data": data.to_api(), "contract": 4, "image": "t", "blend": made}
    live = a_version(2, "Live", spec, status, creationTimestamp="2026-11-23T12:30:00Z")
    trigger_now = trigger_of(
        a_world(deployment=world.deployment, versions=(*world.versions, live), reports=world.reports)
    )
    assert (trigger_now.reason if trigger_now else None) == wanted


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


@pytest.mark.parametrize(
    ("changes", "weights"),
    [({}, True), ({"training": {"blend": False}}, False), ({"training": {"refit": False}}, False)],
    ids=["blends are wanted", "no more", "nor a refit"],
)
def test_checks_compare_a_blend_with_a_fit_if_none_is_wanted(changes: dict[str, Any], weights: bool) -> None:
    check = {"check": {"schedule": "0 * * * *", "data": {"uri": "s3://bikes/live/*.parquet"}}}
    world = a_blended(drift=check, **changes)
    assert world.live
    assert task_of(check_manifest(world, world.live, NOON))["challenger"]["weights"] is weights


@pytest.mark.parametrize(
    ("made", "recorded"),
    [
        (WEIGHED, WEIGHED),
        (FITTED | {"message": "no blend: " + 1000 * "x"}, FITTED | {"message": ("no blend: " + 1000 * "x")[:300]}),
        (None, {"models": 1, "fits": 1, "message": "no blend: spec.training.blend is false"}),
    ],
    ids=["weights", "a long reason", "not asked for"],
)
def test_status_says_what_the_training_has_made(made: Any, recorded: dict[str, Any]) -> None:
    play = a_play(data=BY_TIME, training={"blend": False})
    play.until_live(1)
    play.annotate("ModelDeployment", "bike", names.RETRAIN, "now")
    play.settle()
    play.finish("bike-v2-train", merged(trained(2), {"contract": 4, "blend": made}))
    assert play.version(2)["blend"] == recorded


def test_fit_in_place_of_weights_may_be_a_known_bad_model() -> None:
    """It is the same model as a fit of the same rows that a person has rejected, whatever it was asked for."""
    bad = {"image": "t", "reason": "RejectedByPerson", "message": "it was bad"}
    other = a_version(2, "Rejected", {"trigger": {"reason": "Drift"}}, bad)
    for made, known in ((FITTED, True), (WEIGHED, False), (None, False)):
        version = a_version(3, "Training", {"trigger": {"reason": "Reweighing"}}, {"blend": made})
        assert other.status.data
        reason = reason_not_to_repeat(a_world(versions=(other, version)), version, other.status.data, "t")
        assert (reason is not None) == known


def test_rows_that_could_not_be_fitted_are_rejected_again() -> None:
    """Before the training only what it is for is known: the same rows would end in the same weights."""
    world = a_blended()
    status = {"image": "t", "contract": 4, "reason": "WorseThanLive", "blend": WEIGHED}
    status["gate"] = gate_digest(world.spec.validation, world.live)
    spec = {"data": BY_TIME, "trigger": {"reason": "Drift"}}
    failed, candidate = a_version(2, "Rejected", spec, status), a_version(3, "Training", spec, {"image": "t"})
    world = a_world(deployment=world.deployment, versions=(*world.versions, failed, candidate))
    assert [each.name for each in rejected_before(world, candidate, "t")] == ["bike-v2"]
