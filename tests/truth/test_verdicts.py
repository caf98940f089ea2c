"""The operator's verdict on a report says what the report shows, and what it does not."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest

from perennial_operator.core import names
from perennial_operator.core.actions import Create
from perennial_operator.core.api.drift_report import Outcome
from perennial_operator.core.api.values import as_text
from perennial_operator.core.rules.report_verdict import judge
from perennial_operator.core.status.measures import model_gauges
from tests.builders import a_deployment, a_report, a_version, a_world, merged
from tests.simulation.play import Play, a_play
from tests.simulation.results import checked

MSE_AND_PSI = [{"metric": "mse", "max": 120}, {"metric": "psi", "max": 0.2}]
NO_TARGET = [{"metric": "mse", "reason": "no row of the window has a target"}]
CHECK = {"schedule": "*/15 * * * *", "data": {"uri": "s3://bikes/live/*.parquet"}}
LIVE = a_version(1, creationTimestamp="2026-11-20T12:00:00Z")


def psi(value: float, chance: float | None = None, feature: str = "feature1") -> dict[str, Any]:
    with_chance = {} if chance is None else {"chance": chance}
    return {"name": "psi", "feature": feature, "value": value, **with_chance}


def checking(**drift: Any) -> Play:
    """Version 1 went live at noon, and its recent data are checked every quarter of an hour."""
    play = a_play(drift=merged({"check": CHECK, "cooldown": "1m"}, drift))
    play.until_live(1)
    return play


def check(play: Play, **answer: Any) -> str:
    """The next check ends with this result; the name of its report."""
    play.wait(minutes=15)
    (job,) = [each for each in play.jobs if "-check-" in each]
    play.finish(job, checked() | answer)
    return job


def store(play: Play, kind: str, name: str, status: dict[str, Any]) -> None:
    """The object has this status, as another release has written it."""
    play.cluster.put(play.bodies[kind, name] | {"status": status})


def task_of_check(play: Play) -> dict[str, Any]:
    play.wait(minutes=15)
    manifests = [action.manifest for action in play.done if isinstance(action, Create)]
    job = next(each for each in manifests if "-check-" in each["metadata"]["name"])
    (text,) = [
        e["value"] for e in job["spec"]["template"]["spec"]["containers"][0]["env"] if e["name"] == "PERENNIAL_TASK"
    ]
    task: dict[str, Any] = json.loads(text)
    return task


# ---- what is asked for (kind 3)


def test_check_task_carries_thresholds_and_limits_of_quality() -> None:
    thresholds = [
        {"metric": "psi", "max": 0.2, "features": ["feature2"]},
        {"metric": "r2", "min": 0.5},
        {"metric": "mse", "maxIncrease": 0.05, "sigmas": 3},
    ]
    play = checking(thresholds=thresholds, quality={"maxNew": 0.5})
    assert task_of_check(play)["thresholds"] == [
        {"metric": "psi", "max": 0.2, "features": ["feature2"]},
        {"metric": "r2", "min": 0.5},
        {"metric": "mse", "increase": {"baseline": 80, "standardError": 4, "share": 0.05, "sigmas": 3}},
        {"metric": "missing_increase", "max": 0.2},
        {"metric": "new_share", "max": 0.5},
    ]


@pytest.mark.parametrize(("contract", "carried"), [(None, False), (1, False), (2, True)])
def test_image_of_an_older_contract_gets_no_unknown_field(contract: int | None, carried: bool) -> None:
    """A version that an older release trained is checked by its own image, which rejects unknown fields."""
    play = checking()
    store(play, "ModelVersion", "bike-v1", play.version(1) | {"image": "trainer:0", "contract": contract})
    task = task_of_check(play)
    assert ("thresholds" in task) is carried


def test_threshold_without_a_value_is_reported_everywhere() -> None:
    play = checking(thresholds=MSE_AND_PSI)
    report = check(play, metrics=[psi(0.1)], notMeasured=NO_TARGET)
    message = "mse was not measured: no row of the window has a target; within thresholds: psi of feature1 0.1"
    assert play.outcome(report) == ("NotMeasured", message)
    assert play.bodies["DriftReport", report]["spec"]["notMeasured"] == NO_TARGET
    assert play.bodies["DriftReport", report]["status"]["notMeasured"] == NO_TARGET
    condition = play.condition("Checked")
    assert (condition["status"], condition["reason"], condition["message"]) == ("False", "NotMeasured", message)
    assert play.status["drift"]["outcome"] == "NotMeasured"
    assert model_gauges(play.world()).not_measured == {"mse": True, "psi": False}
    assert list(play.phases()) == ["bike-v1"]
    check(play, metrics=[psi(0.11), {"name": "mse", "value": 100.0}])
    assert play.condition("Checked")["reason"] == "Done"
    assert model_gauges(play.world()).not_measured == {"mse": False, "psi": False}


def test_breach_decides_whatever_else_was_not_measured() -> None:
    play = checking(thresholds=MSE_AND_PSI)
    report = check(play, metrics=[psi(0.3, 0.001)], notMeasured=NO_TARGET)
    assert play.outcome(report) == (
        "Triggered",
        "psi of feature1 is 0.3, above 0.2; mse was not measured: no row of the window has a target; training bike-v2",
    )
    assert model_gauges(play.world()).not_measured == {"mse": True, "psi": False}


def test_report_that_lacks_a_threshold_by_itself_is_not_within() -> None:
    """A trainer of an older release does not say what is missing."""
    play = checking(thresholds=MSE_AND_PSI)
    report = check(play, metrics=[psi(0.1)])
    assert play.outcome(report)[0] == "NotMeasured"
    assert play.outcome(report)[1].startswith("mse was not measured: the report has no value of mse")


TWO_FEATURES = [{"metric": "psi", "max": 0.2, "features": ["feature1", "feature2"]}]


def test_report_of_another_tool_lacks_a_feature_of_a_threshold() -> None:
    play = a_play(drift={"thresholds": TWO_FEATURES})
    play.until_live(1)
    play.wait(hours=2)
    play.report("october", 0.1)
    play.settle()
    message = "psi was not measured: the report has no value of psi of feature2; within thresholds: psi of feature1 0.1"
    assert play.outcome("october") == ("NotMeasured", message)


def test_own_report_says_which_named_features_it_lacks() -> None:
    """It has only the deciding value of each threshold."""
    play = checking(thresholds=TWO_FEATURES)
    assert play.outcome(check(play, metrics=[psi(0.1)]))[0] == "WithinThresholds"
    lacking = [{"metric": "psi", "reason": "it is not defined for these rows of feature2"}]
    outcome, message = play.outcome(check(play, metrics=[psi(0.11)], notMeasured=lacking))
    assert (outcome, message.partition(";")[0]) == ("NotMeasured", f"psi was not measured: {lacking[0]['reason']}")


def test_window_that_ends_later_today_hides_no_later_report() -> None:
    """Kind 4: up to a day is allowed for clocks and time zones."""
    play = a_play()
    play.until_live(1)
    play.wait(hours=2)
    end = play.now + timedelta(hours=23)
    play.report("ahead", 0.1, window={"start": "2026-11-23T12:00:00Z", "end": as_text(end)})
    play.settle()
    play.wait(hours=1)
    play.report("later", 0.4, window={"start": "2026-11-23T12:00:00Z", "end": as_text(play.now)})
    play.settle()
    assert [play.outcome(name)[0] for name in ("ahead", "later")] == ["WithinThresholds", "Triggered"]


def test_only_late_labels_leave_a_report_not_measured() -> None:
    play = checking(thresholds=MSE_AND_PSI[:1])
    report = check(play, metrics=[psi(0.1)], notMeasured=NO_TARGET)
    assert play.outcome(report) == ("NotMeasured", "mse was not measured: no row of the window has a target")


@pytest.mark.parametrize(
    ("between", "trainings"),
    [
        ({"metrics": [], "notMeasured": NO_TARGET}, 1),  # nothing is known of mse: neither extends nor breaks
        ({"metrics": [psi(0.1)], "notMeasured": NO_TARGET}, 1),
        ({"metrics": [psi(0.1), {"name": "mse", "value": 100.0}]}, 0),
    ],
    ids=["not measured", "other metric within", "within"],
)
def test_not_measured_neither_extends_nor_breaks_consecutive(between: dict[str, Any], trainings: int) -> None:
    play = checking(thresholds=MSE_AND_PSI, consecutive=2)
    check(play, metrics=[{"name": "mse", "value": 130.0}, psi(0.1)])
    check(play, **between)
    assert list(play.phases()) == ["bike-v1"]
    check(play, metrics=[{"name": "mse", "value": 131.0}, psi(0.1)])
    assert len(play.phases()) == 1 + trainings


def test_what_was_measured_within_ends_a_row_of_breaches() -> None:
    """With labels that are always late every quiet check is NotMeasured; psi was measured all the same."""
    play = checking(thresholds=MSE_AND_PSI, consecutive=2)
    for value in (0.3, 0.1, 0.31):
        check(play, metrics=[psi(value, 0.001)], notMeasured=NO_TARGET)
    assert list(play.phases()) == ["bike-v1"]
    check(play, metrics=[psi(0.32, 0.001)], notMeasured=NO_TARGET)
    assert list(play.phases()) == ["bike-v1", "bike-v2"]


# ---- times in the future (kind 4)


def test_future_window_is_invalid_and_hides_no_later_report() -> None:
    play = a_play(drift={"cooldown": "1m"})
    play.until_live(1)
    play.wait(hours=1)
    play.report("future", psi=0.1, window={"start": "2026-11-23T12:00:00Z", "end": "2027-11-23T12:00:00Z"})
    play.settle()
    outcome, message = play.outcome("future")
    assert outcome == "Invalid"
    assert message.startswith("its window ends at 2027-11-23 12:00:00, in the future: it is 2026-11-23 13:")
    play.report("later", psi=0.4)
    play.settle()
    assert play.outcome("later")[0] == "Triggered"
    assert play.status["drift"]["report"] == "later"
    assert [each.value for each in model_gauges(play.world()).watched] == [0.4]


def test_stored_report_of_the_future_is_not_the_newest() -> None:
    """One that an older release has accepted."""
    window = {"start": "2026-11-23T12:00:00Z", "end": "2027-11-23T12:00:00Z"}
    future = a_report("future", 0.1, {"window": window}, {"outcome": "WithinThresholds", "modelVersion": "bike-v1"})
    assert future.measured_at == future.created_at


@pytest.mark.parametrize(("hours", "outcome"), [(23, "Triggered"), (25, "Invalid")])
def test_clocks_and_time_zones_may_differ_by_a_day(hours: int, outcome: str) -> None:
    play = a_play(drift={"cooldown": "1m"})
    play.until_live(1)
    play.wait(hours=1)
    end = play.now.replace(day=24, hour=(play.now.hour + hours) % 24 if hours < 24 else play.now.hour + 1)
    play.report("october", window={"start": "2026-11-23T12:00:00Z", "end": f"{end:%Y-%m-%dT%H:%M:%SZ}"})
    play.settle()
    assert play.outcome("october")[0] == outcome


def test_training_row_of_the_year_9999_makes_no_report_stale() -> None:
    play = a_play(drift={"cooldown": "1m"})
    play.until_live(1)
    store(play, "ModelVersion", "bike-v1", merged(play.version(1), {"data": {"end": "9999-12-31T00:00:00Z"}}))
    play.wait(hours=2)
    play.report("october", window={"start": "2026-11-23T12:00:00Z", "end": "2026-11-23T13:30:00Z"})
    play.settle()
    assert play.outcome("october")[0] == "Triggered"


# ---- chance (kind 9)


def test_value_within_chance_is_no_breach_and_says_so() -> None:
    play = checking()
    report = check(play, metrics=[psi(0.31, 0.0051)])
    assert play.outcome(report) == (
        "WithinThresholds",
        "within thresholds: psi of feature1 0.31; "
        "beyond the limit, but within chance: psi of feature1 is 0.31, above 0.2 (chance 0.0051)",
    )
    report = check(play, metrics=[psi(0.32, 0.005)])
    assert play.outcome(report) == ("Triggered", "psi of feature1 is 0.32, above 0.2; training bike-v2")


def test_report_without_chance_is_judged_by_its_limit_alone() -> None:
    play = a_play(drift={"cooldown": "1m"})
    play.until_live(1)
    play.wait(hours=1)
    play.report("evidently", metrics=[psi(0.3)])
    play.settle()
    assert play.outcome("evidently") == (
        "Triggered",
        "psi of feature1 is 0.3, above 0.2; judged by the limit alone: the report has no chance; training bike-v2",
    )


def test_quality_metric_needs_no_chance() -> None:
    report = a_report(spec={"metrics": [{"name": "mse", "value": 130.0}]})
    assert report.whole
    world = a_world(
        deployment=a_deployment(spec={"drift": {"thresholds": MSE_AND_PSI[:1]}}), versions=(LIVE,), reports=(report,)
    )
    verdict = judge(report.whole, world)
    assert (verdict.outcome, verdict.message) == (Outcome.BREACH, "mse is 130, above 120")


# ---- a limit on what has not changed (kind 14)


def test_limit_on_missing_values_of_healthy_data_is_kept() -> None:
    play = checking(thresholds=[{"metric": "missing_share", "max": 0.1}, {"metric": "new_share", "max": 0.1}])
    values = [{"name": name, "feature": "feature1", "value": 0.0} for name in ("missing_share", "new_share")]
    report = check(play, metrics=values)
    message = "within thresholds: missing_share of feature1 0, new_share of feature1 0"
    assert play.outcome(report) == ("WithinThresholds", message)


# ---- bad data (kind 17)


def missing(share: float, value: float = 7.3) -> dict[str, Any]:
    feature = {"feature": "feature1"}
    return {"metrics": [psi(value, 0.0001), {"name": "missing_increase", **feature, "value": share}]}


def test_missing_values_are_bad_data_and_no_drift() -> None:
    play = checking()
    report = check(play, **missing(0.6))
    outcome, message = play.outcome(report)
    assert (outcome, message) == (
        "BadData",
        "the recent data are bad, which is not drift: feature1 is missing in 60% more of the rows than in training, "
        "and spec.drift.quality.maxMissing is 0.2",
    )
    assert play.condition("Checked")["reason"] == "BadData"
    assert [(each.reason, each.warning) for each in play.announced()][-1] == ("BadData", True)
    assert model_gauges(play.world()).bad_data_reports == 1
    assert list(play.phases()) == ["bike-v1"]


def test_persistent_bad_data_train_nothing_and_name_the_limit() -> None:
    play = checking()
    for number in range(4):
        report = check(play, **missing(0.6 + number / 100))
        named = play.outcome(report)[1].endswith("or, if they are right, raise spec.drift.quality.maxMissing")
        assert named is (number >= 2)
    assert model_gauges(play.world()).bad_data_reports == 4
    play.wait(hours=2)
    assert list(play.phases()) == ["bike-v1"]
    check(play, metrics=[psi(0.1)])
    assert play.condition("Checked")["status"] == "True"
    assert model_gauges(play.world()).bad_data_reports == 0
    assert play.outcome(check(play, metrics=[psi(0.4, 0.001)]))[0] == "Triggered"


@pytest.mark.parametrize(
    "window", [{}, {"window": {"start": "2026-11-20T00:00:00Z", "end": "2026-11-23T18:00:00Z"}}], ids=["none", "same"]
)
def test_unchanged_bad_data_count_in_each_check(window: dict[str, Any]) -> None:
    """Each check has another time, so it is a further measurement, and the second alert comes."""
    play = checking()
    outcomes = [play.outcome(check(play, **missing(0.6), **window)) for _ in range(4)]
    assert [outcome for outcome, _ in outcomes] == ["BadData"] * 4
    assert outcomes[-1][1].endswith("or, if they are right, raise spec.drift.quality.maxMissing")
    assert model_gauges(play.world()).bad_data_reports == 4
    assert list(play.phases()) == ["bike-v1"]


def test_bad_data_neither_extend_nor_break_consecutive() -> None:
    play = checking(consecutive=2)
    check(play, metrics=[psi(0.3, 0.001)])
    check(play, **missing(0.6))
    assert list(play.phases()) == ["bike-v1"]
    check(play, metrics=[psi(0.31, 0.001)])
    assert list(play.phases()) == ["bike-v1", "bike-v2"]


def test_limits_of_quality_can_be_changed() -> None:
    play = checking(quality={"maxMissing": 1, "maxNew": 0.5})
    new = {"name": "new_share", "feature": "feature2", "value": 0.9, "chance": 0.0001}
    report = check(play, metrics=[psi(0.1), new])
    assert play.outcome(report)[1].endswith(
        "values that are new since training: feature2 in 90% of the rows, and spec.drift.quality.maxNew is 0.5"
    )
    assert play.outcome(check(play, **missing(0.6)))[0] == "Triggered"


@pytest.mark.parametrize(("age", "outcome"), [(None, "Stale"), ("1h", "BadData"), ("3h", "Stale")])
def test_feed_that_has_stopped_is_bad_data(age: str | None, outcome: str) -> None:
    play = checking(check={"schedule": "0 14 * * *"}, quality={"maxAge": age} if age else {})
    play.wait(hours=1, minutes=45)
    window = {"start": "2026-11-23T10:00:00Z", "end": "2026-11-23T12:00:00Z"}
    assert play.outcome(check(play, window=window))[0] == outcome


def test_no_row_at_all_is_bad_data_where_an_age_is_limited() -> None:
    assert play_without_rows(quality={}) == "TooFewSamples"
    assert play_without_rows(quality={"maxAge": "1h"}) == "BadData"


def play_without_rows(**drift: Any) -> str | None:
    play = checking(**drift)
    return play.outcome(check(play, samples=0, metrics=[]))[0]


# ---- objects as an older release has stored them


def test_upgrade_changes_no_recorded_verdict_and_trains_nothing() -> None:
    """No quality, no chance, nothing about what was not measured; and a version without a contract."""
    stored = (
        ("within", 0.1, {"outcome": "WithinThresholds", "message": "within thresholds: psi of feature1 0.1"}),
        (
            "breach",
            0.3,
            {"outcome": "Breach", "message": "psi of feature1 is 0.3, above 0.2; 1 of 2 consecutive breaches"},
        ),
    )
    play = a_play(drift={"thresholds": MSE_AND_PSI, "consecutive": 2})
    play.until_live(1)
    store(play, "ModelVersion", "bike-v1", merged(play.version(1), {"contract": None}))
    for name, value, status in stored:
        play.wait(hours=1)
        play.report(name, metrics=[psi(value)])
        store(play, "DriftReport", name, {**status, "modelVersion": "bike-v1"})
    before = {name: play.bodies["DriftReport", name]["status"] for name, _, _ in stored}
    play.wait(days=2)
    assert {name: play.bodies["DriftReport", name]["status"] for name, _, _ in stored} == before
    assert list(play.phases()) == ["bike-v1"]
    assert names.train_job("bike-v2") not in play.made
