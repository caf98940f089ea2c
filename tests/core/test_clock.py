"""A clock that was wrong and has been put right: nothing waits for years, and who was promoted last serves."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from perennial_operator.core import names
from tests.simulation.play import Play, a_play
from tests.simulation.results import REFUSED, checked

YEARS = timedelta(days=2000)
CHECK = {"schedule": "0 * * * *", "data": {"uri": "s3://bikes/live/*.parquet"}}


def in_the_future(play: Play, happens: Callable[[Play], None], ahead: timedelta = YEARS) -> None:
    """It happens while the clock is ahead; then that is put right, and the operator looks."""
    play.now += ahead
    play.settle()
    happens(play)
    play.now -= ahead
    play.settle()


def a_live_play(**changes: object) -> Play:
    play = a_play(rollout={"steps": [{"weight": 50, "hold": "5m"}]}, **changes)
    play.until_live(1)
    play.wait(hours=2)
    return play


@pytest.mark.parametrize("back", [timedelta(seconds=1), timedelta(hours=1), YEARS])
def test_last_promoted_version_serves_whatever_the_clock_said(back: timedelta) -> None:
    play = a_live_play(drift={"cooldown": "1m"})
    play.report("october")
    play.now -= back
    play.until_live_again(2)
    assert play.phases() == {"bike-v1": "Superseded", "bike-v2": "Live"}


def test_a_pin_within_the_second_of_a_promotion_is_obeyed() -> None:
    play = a_live_play()
    play.report("october")
    play.until_live_again(2)
    play.edit({"pin": "bike-v1"})
    play.pods_ready()
    assert play.status["liveVersion"] == "bike-v1"


def test_a_step_that_began_in_the_future_begins_now() -> None:
    play = a_live_play(drift={"cooldown": "1m"})
    play.report("october")
    in_the_future(play, lambda play: play.until_rolling(2, candidate=80.0, live=120.0))
    play.pods_ready()
    play.wait(minutes=5)
    play.pods_ready()
    assert play.status["liveVersion"] == "bike-v2"


def test_a_hold_that_began_in_the_future_begins_now() -> None:
    play = a_live_play(drift={"cooldown": "1m"})
    play.report("october")

    def roll_out(play: Play) -> None:
        play.until_rolling(2, candidate=80.0, live=120.0)
        play.pods_ready()

    in_the_future(play, roll_out)
    play.wait(minutes=5)
    play.pods_ready()
    assert play.status["liveVersion"] == "bike-v2"


@pytest.mark.parametrize("ahead", [timedelta(minutes=50), YEARS])
def test_end_ahead_defers_at_most_one_cool_down(ahead: timedelta) -> None:
    play = a_live_play(drift={"cooldown": "1h"})
    play.annotate("ModelDeployment", "bike", names.RETRAIN, "1")
    in_the_future(play, lambda play: play.finish("bike-v2-train", REFUSED), ahead)
    play.wait(hours=1)
    play.report("october")
    play.settle()
    assert play.outcome("october")[0] == "Triggered"


def test_promotion_after_a_clock_was_set_back_has_its_cool_down() -> None:
    play = a_live_play(drift={"cooldown": "6h"})
    play.annotate("ModelDeployment", "bike", names.RETRAIN, "1")
    in_the_future(play, lambda play: play.until_live_again(2))
    play.report("october")
    play.until_live_again(3)
    play.report("november", 0.4)
    play.settle()
    assert play.outcome("november")[0] == "CoolingDown"
    play.wait(hours=6)
    assert play.outcome("november")[0] == "Triggered"


@pytest.mark.parametrize("ahead", [timedelta(minutes=50), YEARS])
def test_good_report_ends_the_retry_of_a_future_training(ahead: timedelta) -> None:
    play = a_live_play(drift={"cooldown": "1d"})
    play.wait(hours=24)

    def is_stopped(play: Play) -> None:
        play.report("drifted")
        play.settle()
        play.finish("bike-v2-train", REFUSED | {"reason": "StorageUnreachable"})

    in_the_future(play, is_stopped, ahead)
    play.report("good again", 0.1)
    play.settle()
    play.wait(hours=24 * 3)
    assert play.outcome("good again")[0] == "WithinThresholds"
    assert list(play.phases()) == ["bike-v1", "bike-v2"]


def test_outcomes_are_in_order_and_equal_numbers_count_again() -> None:
    play = a_live_play()

    def measured(name: str) -> str:
        play.report(name, 0.1)
        play.settle()
        status = play.bodies["DriftReport", name]["status"]
        assert status["outcome"] == "WithinThresholds"
        return str(status["assessedAt"])

    seen = [measured("before")]
    in_the_future(play, lambda play: seen.append(measured("ahead")))
    seen.append(measured("after"))
    assert seen == sorted(seen)


def test_checks_of_the_future_are_made_when_their_time_comes() -> None:
    play = a_play(drift={"check": CHECK})
    play.until_live(1)

    def check(play: Play) -> None:
        (running,) = (name for name in play.jobs if "-check-" in name)
        play.finish(running, checked())

    in_the_future(play, check)
    play.wait(hours=1)
    assert "bike-check-202611231300" in play.jobs


def test_a_schedule_that_fired_in_the_future_fires_again() -> None:
    play = a_live_play(training={"schedule": "30 * * * *"}, drift={"cooldown": "1m"})
    in_the_future(play, lambda play: play.until_live_again(2))
    play.wait(hours=1)
    assert "bike-v3-train" in play.jobs


@pytest.mark.parametrize("changes", [{"training": {"schedule": "0 * * * *"}}, {"drift": {"check": CHECK}}])
def test_a_model_made_in_the_future_is_trained_and_checked(changes: dict[str, object]) -> None:
    play = a_live_play()
    play.now -= YEARS
    play.edit(changes)
    assert any(
        names.scheduled_at(job.labels) > names.NEVER or job.name == "bike-v2-train" for job in play.jobs.values()
    )
