"""From when the next training may start after failures, and what ends the pause sooner."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from perennial_operator.core import names
from perennial_operator.core.api.values import as_text
from perennial_operator.core.world import Fleet
from tests.simulation.play import Play, a_play
from tests.simulation.results import REFUSED, trained, validated
from tests.simulation.storage import DOWN

UNREACHABLE = DOWN | {"task": "train"}
HOURLY = {"schedule": "0 * * * *", "data": {"uri": "s3://bikes/live/*.parquet"}}


def a_live_play(**changes: Any) -> Play:
    play = a_play(**changes)
    play.until_live(1)
    play.wait(hours=2)
    return play


def drift(play: Play, name: str, psi: float = 0.3, hours: int | None = None, **spec: Any) -> None:
    """A report with a breach, about the hours up to now or without a window."""
    if hours:
        spec["window"] = {"start": as_text(play.now - timedelta(hours=hours)), "end": as_text(play.now)}
    play.report(name, psi, **spec)
    play.settle()


def rejected(play: Play, number: int) -> None:
    """The gate rejects the candidate."""
    play.finish(f"bike-v{number}-train", trained(number))
    play.finish(f"bike-v{number}-validate", validated(150.0, live=100.0, upper=0.6))


def hours_until(play: Play, number: int) -> float:
    """How long it takes until the candidate of this number begins, in passes when the operator wants one."""
    begin = play.now
    while f"bike-v{number}" not in play.phases():
        assert play.alarm and play.now < play.alarm, play.status
        play.wait(seconds=(play.alarm - play.now).total_seconds())
    return (play.now - begin) / timedelta(hours=1)


def test_pause_doubles_to_eight_cool_downs() -> None:
    play, pauses = a_play(), []
    play.settle()
    for number in range(1, 7):
        play.finish(f"bike-v{number}-train", REFUSED)
        pauses.append(hours_until(play, number + 1))
    assert pauses == [1, 2, 4, 8, 8, 8]
    assert play.condition("Stalled")["status"] == "False"


@pytest.mark.parametrize(
    ("drift", "pauses"),
    [
        ({"check": HOURLY | {"schedule": "0 */6 * * *"}}, [6, 12, 24, 48, 48]),
        ({"check": HOURLY | {"schedule": "0 0 * * *"}}, [24, 48, 96, 168, 168]),
        ({"check": HOURLY, "cooldown": "20d"}, [480, 480]),
    ],
    ids=["check every six hours", "check every day", "cool-down of twenty days"],
)
def test_pause_begins_with_the_longer_of_both(drift: dict[str, Any], pauses: list[float]) -> None:
    play = a_play(drift=drift)
    play.settle()
    for number, hours in enumerate(pauses, 1):
        play.finish(f"bike-v{number}-train", REFUSED)
        assert hours_until(play, number + 1) == hours


def test_pause_says_until_when_and_what_ends_it() -> None:
    play = a_play()
    play.settle()
    for number in (1, 2):
        play.finish(f"bike-v{number}-train", REFUSED)
        play.wait(hours=1)
    assert play.condition("Ready")["message"].endswith(
        "2 consecutive candidates failed or were rejected, the last bike-v2 at 13:00:00; "
        "no new candidate before 2026-11-23 15:00:00 UTC, "
        "unless reports cover 40 rows newer than 2026-11-23 13:00:00; "
        "to start one at once, run kubectl perennial retrain bike, or annotate the ModelDeployment with "
        "perennial.dev/retrain-requested-at=<time>, or change spec.model, spec.data or spec.training"
    )
    play.annotate("ModelDeployment", "bike", names.RETRAIN, "now")
    assert play.phases()["bike-v3"] == "Training"


def rejected_twice() -> Play:
    """Two candidates in a row were rejected, the second just now."""
    play = a_live_play(drift={"minSamples": 1})
    for number in (2, 3):
        drift(play, f"report-{number}", 0.3 + number / 100)
        rejected(play, number)
        play.wait(hours=1 if number == 2 else 0)
    return play


def test_new_rows_of_a_holdout_end_the_pause() -> None:
    play = rejected_twice()
    play.wait(minutes=62)
    drift(play, "rows of before too", 0.4, hours=2, samples=1000)
    drift(play, "too few", 0.41, hours=1, samples=199)
    drift(play, "the same hour", 0.42, hours=1, samples=150)
    assert play.condition("Retraining")["reason"] == "BackingOff"
    play.wait(minutes=1)
    drift(play, "one more", 0.43, window={"start": as_text(play.now), "end": as_text(play.now)}, samples=1)
    assert play.phases()["bike-v4"] == "Training"


@pytest.mark.parametrize("back", [timedelta(hours=5), timedelta(days=10)])
def test_clock_set_back_does_not_hide_new_drift(back: timedelta) -> None:
    play = a_live_play()
    drift(play, "by the wrong clock")
    rejected(play, 2)
    play.now -= back
    play.settle()
    play.wait(hours=1)
    drift(play, "by the right clock", 0.4)
    assert play.outcome("by the right clock")[0] == "Triggered"


def test_cool_down_stays_whatever_rows_come() -> None:
    play = a_live_play()
    drift(play, "october")
    rejected(play, 2)
    play.wait(minutes=50)
    drift(play, "november", 0.4, window={"start": as_text(play.now), "end": as_text(play.now)}, samples=1000)
    assert play.outcome("november")[0] == "CoolingDown"
    play.wait(minutes=10)
    assert play.outcome("november")[0] == "Triggered"


def test_another_recipe_ends_the_pause() -> None:
    play = rejected_twice()
    play.edit({"model": {"parameters": {"fit_intercept": False}}})
    assert play.phases()["bike-v4"] == "Training"


def test_surroundings_never_use_up_max_rejections() -> None:
    play = a_live_play(training={"maxRejections": 1})
    drift(play, "october")
    for number, hours in ((2, 1), (3, 2), (4, 4), (5, 8), (6, 8)):
        play.finish(f"bike-v{number}-train", UNREACHABLE)
        assert play.condition("Retraining")["reason"] in ("CoolingDown", "BackingOff")
        assert hours_until(play, number + 1) == hours
    assert play.condition("Retraining")["status"] == "True"
    play.until_live_again(7)


def test_surroundings_and_rejections_are_counted_apart() -> None:
    play = a_play(training={"maxRejections": 2})
    play.settle()
    for number, answer in ((1, REFUSED), (2, UNREACHABLE), (3, UNREACHABLE)):
        play.finish(f"bike-v{number}-train", answer)
        hours_until(play, number + 1)
    play.finish("bike-v4-train", REFUSED)
    assert play.status["phase"] == "Stalled"


def test_first_version_is_tried_until_the_store_answers() -> None:
    play = a_play(training={"maxRejections": 3})
    play.settle()
    for number in range(1, 6):
        play.finish(f"bike-v{number}-train", UNREACHABLE)
        assert play.condition("Stalled")["status"] == "False"
        hours_until(play, number + 1)
    play.until_live(6)


def test_drift_that_is_over_is_not_tried_again() -> None:
    play = a_live_play()
    drift(play, "october")
    play.finish("bike-v2-train", UNREACHABLE)
    play.wait(minutes=30)
    drift(play, "november", 0.1)
    play.wait(hours=99)
    assert list(play.phases()) == ["bike-v1", "bike-v2"]


def test_request_that_surroundings_stopped_is_tried_again() -> None:
    play = a_live_play()
    play.annotate("ModelDeployment", "bike", names.RETRAIN, "now")
    play.finish("bike-v2-train", UNREACHABLE)
    assert hours_until(play, 3) == 1
    assert play.bodies["ModelVersion", "bike-v3"]["spec"]["trigger"]["reason"] == "Request"


def test_repaired_store_ends_the_pause() -> None:
    play = a_live_play()
    drift(play, "october")
    for number in (2, 3):
        play.finish(f"bike-v{number}-train", UNREACHABLE)
        play.wait(hours=1)
    assert "bike-v4" not in play.phases()
    labels = names.labels("bike", "report") | {names.SCHEDULED: str(int(play.now.timestamp()))}
    play.report("check", 0.4)
    play.cluster.change("DriftReport", "check", {"labels": labels})
    play.settle()
    assert play.phases()["bike-v4"] == "Training"


@pytest.mark.parametrize(
    "repair", [{"storage": {"secretRef": {"name": "keys"}}}, {"serving": {"port": 9000}}], ids=["storage", "serving"]
)
def test_changed_surroundings_end_the_pause_at_once(repair: dict[str, Any]) -> None:
    play = a_play()
    play.settle()
    play.finish("bike-v1-train", UNREACHABLE)
    play.edit({"serving": {"replicas": 3}})
    assert list(play.phases()) == ["bike-v1"]
    play.edit(repair)
    assert play.phases()["bike-v2"] == "Training"


def test_failures_of_an_older_release_count_as_before() -> None:
    play = a_live_play(training={"maxRejections": 1})
    drift(play, "october")
    play.finish("bike-v2-train", UNREACHABLE)
    recorded = {key: value for key, value in play.version(2).items() if key != "surroundings"}
    play.cluster.change("ModelVersion", "bike-v2", status=recorded)
    play.wait(hours=99)
    drift(play, "november", 0.4)
    assert play.condition("Retraining")["reason"] == "Stalled"


def test_history_keeps_what_the_ledger_does_not_have() -> None:
    play = a_play(history={"versions": 1}, drift={"cooldown": "1m"})
    play.until_live(1)
    play.cluster.storage.down = True
    for number in (2, 3, 4):
        play.wait(hours=1)
        drift(play, f"report-{number}", 0.3 + number / 100)
        play.until_live_again(number)
    assert list(play.phases()) == ["bike-v1", "bike-v2", "bike-v3", "bike-v4"]
    play.cluster.storage.down = False
    play.wait(hours=1)
    assert list(play.phases()) == ["bike-v3", "bike-v4"]


@pytest.mark.parametrize("reason", ["ImagePullBackOff", "Unschedulable"])
def test_training_that_never_started_is_tried_again(reason: str) -> None:
    play = a_play(training={"maxRejections": 1})
    play.settle()
    play.cluster.job_waits("bike-v1-train", reason)
    play.settle()
    assert (play.version(1)["phase"], play.version(1)["reason"]) == ("Training", "NotStarted")
    message = play.condition("Ready")["message"]
    assert message.startswith("bike-v1: its pod does not start: pod bike-v1-train-pod ")
    assert message.endswith("; until it runs, it holds no place among the trainings of the fleet")
    play.cluster.job_ends("bike-v1-train", None, "DeadlineExceeded")
    play.settle()
    assert (play.version(1)["phase"], play.version(1)["reason"]) == ("Failed", "NotStarted")
    assert hours_until(play, 2) == 1
    play.until_live(2)


def test_training_that_starts_late_reports_so() -> None:
    play = a_play()
    play.settle()
    play.cluster.job_waits("bike-v1-train")
    play.settle()
    play.cluster.job_starts("bike-v1-train")
    play.settle()
    assert play.version(1)["message"] == "training because of Initial: ModelDeployment bike has no live version"
    play.until_live(1)


def test_validation_that_never_started_counts_for_nothing() -> None:
    play = a_live_play(training={"maxRejections": 1})
    drift(play, "october")
    play.finish("bike-v2-train", trained(2))
    play.cluster.job_waits("bike-v2-validate")
    play.settle()
    play.cluster.job_ends("bike-v2-validate", None, "DeadlineExceeded")
    play.settle()
    assert hours_until(play, 3) == 1
    play.until_live_again(3)


def test_budget_of_the_namespace_defers_even_a_request() -> None:
    play = a_play()
    play.policy = replace(play.policy, trainings_per_day=5)
    play.fleet = Fleet(begun=5, oldest_begun=play.now - timedelta(hours=20))
    play.annotate("ModelDeployment", "bike", names.RETRAIN, "now")
    assert play.condition("Ready")["reason"] == "BudgetSpent"
    assert play.condition("Ready")["message"] == (
        "5 trainings began in namespace default within a day, and the operator's PERENNIAL_TRAININGS_PER_DAY allows 5; "
        "the next begins at 2026-11-23 16:00:00 UTC, or when the administrator raises it"
    )
    assert play.alarm == play.now + timedelta(hours=4)
    play.fleet = Fleet(begun=4)
    play.settle()
    assert play.phases() == {"bike-v1": "Training"}


def test_namespace_with_too_many_blocked_trainings_gets_no_more() -> None:
    play = a_play()
    play.fleet = Fleet(blocked=10)
    play.settle()
    assert play.condition("Ready")["message"] == (
        "10 trainings of this namespace do not start; it starts when one of them does or ends"
    )
