"""What is written to the status of a drift report, and when nothing is."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from perennial_operator.core.actions import Announcement, Create
from perennial_operator.core.api.drift_report import Breach, NotMeasured, Outcome
from perennial_operator.core.api.model_version import Trigger
from perennial_operator.core.api.values import as_text
from perennial_operator.core.rules.report_verdict import Verdict
from perennial_operator.core.rules.trainings.admission import Deferral
from perennial_operator.core.stages.drift import next_step, outcome_updates, wakes_at
from perennial_operator.core.stages.drift_assessment import Assessment
from perennial_operator.core.world import World
from tests.builders import NOON, a_deployment, a_report, a_version, a_world

NOW = NOON.replace(hour=14)
WITHIN = Verdict(Outcome.WITHIN_THRESHOLDS, "within thresholds: psi 0.1", "bike-v1")
BREACH = Verdict(Outcome.BREACH, "psi is 0.3, above 0.2", "bike-v1")


def reported(status: Any = (), **metadata: Any) -> World:
    return a_world(versions=(a_version(),), reports=(a_report(status=dict(status), **metadata),))


def written(world: World, verdict: Verdict) -> dict[str, Any] | None:
    """The status that the report gets, without the time of the assessment; None if nothing is written."""
    actions = outcome_updates(world, Assessment({"report": verdict}))
    if not actions:
        return None
    (action,) = actions
    assert (action.kind, action.name, action.resource_version) == ("DriftReport", "report", "1")
    return {key: value for key, value in action.status.items() if key != "assessedAt"}


def test_status_of_a_report_has_all_of_its_verdict() -> None:
    verdict = replace(
        BREACH,
        breaches=(Breach(metric="psi", feature="feature1", value=0.3, limit=0.2),),
        candidate="bike-v2",
        not_measured=tuple(NotMeasured(metric="mse", reason=str(number)) for number in range(101)),
    )
    assert written(reported(), verdict) == {
        "outcome": "Breach",
        "message": "psi is 0.3, above 0.2",
        "modelVersion": "bike-v1",
        "breaches": [{"metric": "psi", "feature": "feature1", "value": 0.3, "limit": 0.2}],
        "notMeasured": [{"metric": "mse", "reason": str(number)} for number in range(100)],
        "candidate": "bike-v2",
    }
    bare = {"outcome": "WithinThresholds", "message": "within thresholds: psi 0.1", "modelVersion": "bike-v1"}
    assert written(reported(), WITHIN) == bare


@pytest.mark.parametrize(
    ("status", "verdict", "changes"),
    [
        ({}, WITHIN, True),
        ({"outcome": "Busy", "message": "busy"}, replace(WITHIN, outcome=Outcome.BUSY, message="busy"), False),
        ({"outcome": "Busy", "message": "busy"}, replace(WITHIN, outcome=Outcome.BUSY, message="still"), True),
        ({"outcome": "Busy", "message": "busy"}, replace(WITHIN, outcome=Outcome.QUEUED, message="busy"), True),
        ({"outcome": "Busy", "message": "busy "}, replace(WITHIN, outcome=Outcome.BUSY, message="busy\n"), False),
        ({"outcome": "Breach", "message": "1 of 2"}, BREACH, False),
        ({"outcome": "Breach"}, BREACH, True),
        ({"outcome": "Breach", "message": "1 of 2"}, WITHIN, True),
        ({"outcome": "Busy", "message": "busy"}, BREACH, True),
    ],
)
def test_status_is_written_if_outcome_or_message_changes(status: Any, verdict: Verdict, changes: bool) -> None:
    assert (written(reported(status), verdict) is not None) is changes


def test_reports_without_a_verdict_or_with_a_final_one_are_left() -> None:
    assert outcome_updates(reported(), Assessment({"another": WITHIN})) == ()
    final = reported({"outcome": "WithinThresholds", "message": "before"})
    assert outcome_updates(final, Assessment({"report": WITHIN})) == ()


@pytest.mark.parametrize(
    ("status", "assessed"),
    [
        ({}, as_text(NOW)),
        ({"outcome": "Busy", "message": "x", "assessedAt": "2026-11-23T13:30:00Z"}, "2026-11-23T13:30:00Z"),
        ({"outcome": "Busy", "message": "x"}, "2026-11-23T13:00:00Z"),
    ],
    ids=["the first time", "again", "by an older release"],
)
def test_time_of_the_first_assessment_stays(status: Any, assessed: str) -> None:
    (action,) = outcome_updates(reported(status), Assessment({"report": WITHIN}))
    assert action.status["assessedAt"].replace(".000000", "") == assessed


def test_only_bad_data_are_announced() -> None:
    bad = replace(WITHIN, outcome=Outcome.BAD_DATA, message="the recent data are bad")
    for verdict, event in ((WITHIN, None), (bad, Announcement("BadData", "report: the recent data are bad", True))):
        (action,) = outcome_updates(reported(), Assessment({"report": verdict}))
        assert action.announce == event


def test_stage_begins_a_candidate_only_for_a_trigger() -> None:
    world = reported()
    assert next_step(world, Assessment()) == ()
    begun = next_step(world, Assessment(trigger=Trigger(reason="Drift", message="psi is 0.3")))
    assert [each.manifest["metadata"]["name"] for each in begun if isinstance(each, Create)] == [
        "bike-v2",
        "bike-v2-train",
    ]


@pytest.mark.parametrize("check", [None, {"schedule": "0 * * * *", "data": {"uri": "s3://bikes/live"}}])
@pytest.mark.parametrize("until", [None, NOW.replace(minute=20)])
def test_operator_wakes_for_a_check_and_at_the_end_of_a_pause(check: Any, until: Any) -> None:
    world = replace(reported(), deployment=a_deployment(spec={"drift": {"check": check}}))
    deferral = Deferral(Outcome.COOLING_DOWN, "", until)
    checks = [NOON.replace(hour=13)] if check else []
    assert list(wakes_at(world, Assessment(deferral=deferral))) == [*checks, *([until] if until else [])]
    assert list(wakes_at(world, Assessment())) == checks
