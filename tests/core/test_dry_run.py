"""A dry run, `spec.drift.mode: Report`: drift is judged as ever and starts no training."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from perennial_operator.core import names
from perennial_operator.core.decide import decide_step
from perennial_operator.core.stages.drift_assessment import assess_reports
from perennial_operator.core.world import Fleet
from tests.builders import a_deployment, a_report, a_version, a_world, merged
from tests.simulation.play import Play, a_play
from tests.simulation.results import REFUSED

LIVE = a_version(1, creationTimestamp="2026-11-20T12:00:00Z")
REPORT = {"mode": "Report"}
WOULD = (
    "psi of feature1 is 0.3, above 0.2; it would have started the training of bike-v2, but spec.drift.mode is Report; "
    "with Train, the next such report starts one"
)
FAILED = {"endedAt": "2026-11-23T13:30:00Z"}
REJECTED = a_version(2, "Rejected", {"training": {"maxRejections": 1}})


def dry_run(**changes: Any) -> Play:
    """A live version, two hours ago, under `spec.drift.mode: Report`."""
    play = a_play(**merged({"drift": REPORT}, changes))
    play.until_live(1)
    play.wait(hours=2)
    return play


def measured(play: Play, name: str, psi: float = 0.3) -> str | None:
    """The outcome of a new report, an hour later."""
    play.wait(hours=1)
    play.report(name, psi)
    play.settle()
    return play.outcome(name)[0]


@pytest.mark.parametrize(
    ("spec", "world", "outcome"),
    [
        ({}, {}, "WouldTrigger"),
        ({"drift": {"consecutive": 2}}, {}, "Breach"),
        ({"drift": {"thresholds": [{"metric": "psi", "max": 0.5}]}}, {}, "WithinThresholds"),
        ({"suspend": True}, {}, "Suspended"),
        ({"pin": "bike-v1"}, {}, "Pinned"),
        ({}, {"versions": (LIVE, a_version(2, "Training"))}, "Busy"),
        ({}, {"versions": (LIVE, a_version(2, "Failed", status=FAILED))}, "CoolingDown"),
        ({"training": {"maxRejections": 1}}, {"versions": (LIVE, REJECTED)}, "Stalled"),
        ({}, {"fleet": Fleet(trainings=10)}, "Queued"),
        ({}, {"fleet": Fleet(begun=1000)}, "BudgetSpent"),
    ],
)
def test_what_stops_a_training_stops_it_in_a_dry_run_too(
    spec: dict[str, Any], world: dict[str, Any], outcome: str
) -> None:
    it = a_world(
        deployment=a_deployment(spec=merged({"drift": REPORT}, spec)),
        **{"versions": (LIVE,), "reports": (a_report(),)} | world,
    )
    verdict = assess_reports(it).verdicts["report"]
    assert verdict.outcome == outcome
    assert ("spec.drift.mode is Report" in verdict.message) == (outcome not in ("Breach", "WithinThresholds"))
    assert "ModelVersion" not in [getattr(each, "manifest", {}).get("kind") for each in decide_step(it).actions]


def test_each_report_would_trigger_once_and_trains_nothing() -> None:
    play = dry_run()
    assert [measured(play, f"report-{n}") for n in range(3)] == ["WouldTrigger"] * 3
    assert list(play.phases()) == ["bike-v1"]
    assert play.outcome("report-2") == ("WouldTrigger", WOULD)
    assert play.bodies["DriftReport", "report-2"]["status"]["breaches"][0]["limit"] == 0.2
    retraining = play.condition("Retraining")
    assert (retraining["status"], retraining["reason"]) == ("False", "WouldTrigger")
    assert retraining["message"] == f"report-2: {WOULD}"
    assert play.status["drift"]["outcome"] == "WouldTrigger"
    assert measured(play, "calm", 0.1) == "WithinThresholds"
    assert play.condition("Retraining")["reason"] == "RolledOut"


def test_one_set_of_consecutive_breaches_would_trigger_once() -> None:
    play = dry_run(drift={"consecutive": 2})
    assert [measured(play, f"report-{n}") for n in range(5)] == [*["Breach", "WouldTrigger"] * 2, "Breach"]


def test_a_failure_while_the_clock_was_ahead_hides_no_report() -> None:
    play = dry_run()
    play.annotate("ModelDeployment", "bike", names.RETRAIN, "now")
    play.finish("bike-v2-train", REFUSED)
    play.now -= timedelta(hours=5)
    play.settle()
    assert measured(play, "october") == "WouldTrigger"
    assert play.condition("Retraining")["reason"] == "WouldTrigger"


def test_after_a_dry_run_the_next_report_starts_the_training() -> None:
    play = dry_run()
    measured(play, "before")
    play.edit({"drift": {"mode": "Train"}})
    play.wait(hours=5)
    assert list(play.phases()) == ["bike-v1"]
    assert play.condition("Retraining")["reason"] == "RolledOut"
    assert play.outcome("before") == ("WouldTrigger", WOULD)
    assert measured(play, "after") == "Triggered"
    assert list(play.phases()) == ["bike-v1", "bike-v2"]


def test_a_deferred_report_would_trigger_when_the_cool_down_ends() -> None:
    play = dry_run()
    play.annotate("ModelDeployment", "bike", names.RETRAIN, "1")
    play.until_rolling(2, candidate=150.0, live=100.0, upper=0.6)
    play.report("october")
    play.settle()
    assert play.outcome("october")[0] == "CoolingDown"
    assert play.condition("Retraining")["reason"] == play.version(2)["reason"]
    play.wait(hours=2)
    assert play.outcome("october")[0] == "WouldTrigger"
    assert list(play.phases()) == ["bike-v1", "bike-v2"]


def test_a_dry_run_takes_no_place_in_the_queue() -> None:
    play = dry_run()
    play.fleet = Fleet(trainings=10)
    assert measured(play, "october") == "Queued"
    assert "queuedSince" not in play.status


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"model": {"parameters": {"fit_intercept": False}}}, "SpecChange"),
        ({"training": {"schedule": "0 * * * *"}}, "Schedule"),
        ({}, "Request"),
    ],
)
def test_other_triggers_train_in_a_dry_run(change: dict[str, Any], reason: str) -> None:
    play = dry_run()
    measured(play, "october")
    play.edit(change)
    if reason == "Request":
        play.annotate("ModelDeployment", "bike", names.RETRAIN, "1")
    play.wait(hours=1)
    assert play.phases()["bike-v2"] == "Training"
    assert play.bodies["ModelVersion", "bike-v2"]["spec"]["trigger"]["reason"] == reason


def test_a_training_because_of_drift_goes_on_and_is_not_retried() -> None:
    play = dry_run(drift={"mode": "Train"})
    assert measured(play, "october") == "Triggered"
    play.edit({"drift": REPORT})
    assert play.phases()["bike-v2"] == "Training"
    play.finish("bike-v2-train", {"outcome": "Failed", "reason": "StorageUnreachable", "message": "no answer"})
    play.wait(hours=30)
    assert play.phases() == {"bike-v1": "Live", "bike-v2": "Failed"}
    assert play.condition("Retraining")["reason"] == "StorageUnreachable"


def test_a_failure_after_a_dry_report_is_what_the_condition_says() -> None:
    play = dry_run()
    measured(play, "october")
    play.annotate("ModelDeployment", "bike", names.RETRAIN, "1")
    play.until_rolling(2, candidate=150.0, live=100.0, upper=0.6)
    assert play.condition("Retraining")["reason"] == play.version(2)["reason"]
