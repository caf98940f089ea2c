"""A training starts when models of newer rows have been shown to be better than the live version, check by check."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from perennial_operator.core.drift_reports import Report, in_order
from perennial_operator.core.manifests.check_job import check_manifest
from perennial_operator.core.rules.trainings.regret import summed_regret
from perennial_operator.core.stages.drift_assessment import assess_reports
from tests.builders import NOON, a_deployment, a_report, a_version, a_world, task_of

LIVE = a_version(liveSince="2026-11-23T12:00:00Z")


def reports(*regrets: float | None, error: float = 0.03, outcomes: tuple[str, ...] = ()) -> tuple[Report, ...]:
    """Reports about the live version, a minute apart; all but the last are judged."""
    made = []
    for number, regret in enumerate(regrets):
        metrics: list[dict[str, Any]] = [{"name": "psi", "feature": "feature1", "value": 0.1}]
        if regret is not None:
            metrics.append({"name": "regret", "value": regret, "standardError": error})
        outcome = (outcomes[number : number + 1] or ("WithinThresholds",))[0]
        status = {"outcome": outcome, "modelVersion": "bike-v1"} if number < len(regrets) - 1 else {}
        at = f"2026-11-23T13:{number:02}:00Z"
        window = {"start": at, "end": at}
        spec = {"metrics": metrics, "window": window, "modelVersion": "bike-v1"}
        made.append(a_report(f"report-{number}", spec=spec, status=status, creationTimestamp=at))
    return tuple(made)


def starts(world_reports: tuple[Report, ...], **drift: Any) -> bool:
    world = a_world(deployment=a_deployment(spec={"drift": drift}), versions=(LIVE,), reports=world_reports)
    return assess_reports(world).trigger is not None


@pytest.mark.parametrize(
    ("regrets", "wanted"),
    [
        pytest.param((0.5,), True, id="one great regret"),
        pytest.param((0.44,), False, id="a great one less its error and the allowance"),
        pytest.param((0.2, 0.2, 0.2), True, id="small ones that last"),
        pytest.param((0.2, 0.2), False, id="small ones that do not"),
        pytest.param((0.05,) * 50, False, id="what chance and the allowance explain"),
        pytest.param((-0.9, 0.3, 0.3), True, id="a good past hides nothing"),
        pytest.param((0.2, -0.5, 0.2, 0.2), False, id="a check in which the live version is better"),
        pytest.param((0.2, None, 0.2, 0.2), True, id="a check without a challenger"),
        pytest.param((0.2, 0.2, None), False, id="a report without a regret starts nothing"),
    ],
)
def test_regrets_that_add_up_start_a_training(regrets: tuple[float | None, ...], wanted: bool) -> None:
    assert starts(reports(*regrets)) is wanted


def test_regrets_before_a_training_do_not_count_again() -> None:
    assert starts(reports(0.3, 0.3, 0.3))
    assert not starts(reports(0.3, 0.3, 0.3, outcomes=("WithinThresholds", "Triggered")))
    assert not starts(reports(0.3, 0.3, 0.3, outcomes=("WithinThresholds", "WouldTrigger")))


def test_regrets_before_a_future_training_do_not_count_again() -> None:
    first, second, newest = reports(0.3, 0.3, 0.3, outcomes=("WithinThresholds", "Triggered"))
    years = timedelta(days=2000)
    at = {key: getattr(second, key) + years for key in ("created_at", "measured_at", "assessed_at")}
    assert not starts(in_order([first, replace(second, **at), newest]))


def test_regrets_after_a_report_do_not_count_for_it() -> None:
    first, later, report = reports(0.2, 0.2, 0.3)
    assert report.whole
    regret = summed_regret(a_world(reports=(first, report, later)), report.whole, "bike-v1")
    assert regret
    assert regret.checks == 2


@pytest.mark.parametrize("outcome", ["BadData", "Duplicate", "TooFewSamples"])
def test_regrets_of_unusable_reports_do_not_count(outcome: str) -> None:
    assert not starts(reports(0.3, 0.3, outcomes=(outcome,)))


def test_regrets_of_a_comparison_of_versions_do_not_count() -> None:
    first, second, third = reports(0.2, 0.2, 0.2)
    assert not starts((first, replace(second, against="bike-v0"), third))


def test_regrets_about_another_version_do_not_count() -> None:
    first, second, newest = reports(0.2, 0.2, 0.2)
    foreign = replace(second, about="bike-v9")
    assert not starts((first, foreign, newest))
    assert starts((foreign, first, second, newest)), "those after it do"


@pytest.mark.parametrize(
    ("challenger", "wanted"),
    [({}, True), ({"enabled": False}, False), ({"maxRegret": 0.8}, False), ({"maxRegret": 0.1}, True)],
)
def test_challenger_says_how_much_regret_is_too_much(challenger: dict[str, Any], wanted: bool) -> None:
    assert starts(reports(0.5), challenger=challenger) is wanted


def test_checks_are_counted_from_the_first_that_adds() -> None:
    world = a_world(deployment=a_deployment(), versions=(LIVE,), reports=reports(0.3, -0.9, 0.5))
    trigger = assess_reports(world).trigger
    assert trigger and "the regrets of 1 checks add up to 0.45" in trigger.message


def test_message_names_the_limit() -> None:
    world = a_world(deployment=a_deployment(), versions=(LIVE,), reports=reports(0.3, 0.3))
    trigger = assess_reports(world).trigger
    assert trigger
    assert trigger.message == (
        "a model of newer rows would save 30% of the loss of bike-v1 on these rows; the regrets of 2 checks add up to "
        "0.5, above drift.challenger.maxRegret 0.4"
    )


@pytest.mark.parametrize(
    ("data", "drift", "contract", "wanted"),
    [
        ({"timeColumn": "at"}, {}, 4, True),
        ({}, {}, 4, False),
        ({"timeColumn": "at"}, {"challenger": {"enabled": False}}, 4, False),
        ({"timeColumn": "at"}, {}, 3, False),
    ],
    ids=["with times", "no row is known to be older", "not wanted", "an older trainer"],
)
def test_checks_have_a_challenger(data: dict[str, str], drift: dict[str, Any], contract: int, wanted: bool) -> None:
    status = {"image": "trainer:old", "contract": contract, "parameters": {"alpha": 2}}
    live = a_version(spec={"data": data}, status=status)
    check = {"schedule": "0 * * * *", "data": {"uri": "s3://bikes/recent"}}
    world = a_world(deployment=a_deployment(spec={"data": data, "drift": {"check": check, **drift}}), versions=(live,))
    task = task_of(check_manifest(world, live, NOON))
    assert ("challenger" in task) is wanted
    if wanted:
        assert task["challenger"]["data"]["uri"] == "s3://bikes/rides/*.parquet"
        assert (task["challenger"]["parameters"], task["challenger"]["checks"]) == ({"alpha": 2}, 5)
