"""A person's request that the rows of a key are deleted starts an upkeep at once, and another an hour later."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from perennial_operator.core import names
from perennial_operator.core.actions import Create
from perennial_operator.core.stages.storage.forget_requests import ForgetRequest
from perennial_operator.core.status.measures import model_gauges
from tests.builders import task_of
from tests.core.test_upkeep import CAPTURE, JOB, condition, job
from tests.simulation.play import Play, a_play
from tests.simulation.storage import DOWN

KEY, OTHER = "a1" * 32, "b2" * 32


def live(**capture: Any) -> Play:
    play = a_play(serving={"capture": CAPTURE | capture})
    play.until_live(1)
    return play


def ask(play: Play, key: str = KEY, after: timedelta = timedelta(0)) -> None:
    request = ForgetRequest.of(key, play.now + after)
    play.annotate("ModelDeployment", "bike", request.annotation, request.value)


def asked_of_jobs(play: Play) -> list[list[str]]:
    """The keys that each Job was asked to forget."""
    made = [each.manifest for each in play.done if isinstance(each, Create)]
    return [task_of(each).get("forget", {}).get("keys", []) for each in made if each["metadata"]["name"] == JOB]


def test_request_starts_an_upkeep_now_and_in_an_hour() -> None:
    play = live()
    play.wait(hours=2)
    assert asked_of_jobs(play) == [[]]  # that of the day
    ask(play)
    play.wait(minutes=30)
    ask(play, OTHER)
    assert asked_of_jobs(play)[1:] == [[KEY], [KEY, OTHER]]
    play.wait(minutes=30)
    assert asked_of_jobs(play)[3:] == [[KEY, OTHER]]
    play.wait(minutes=30)
    assert asked_of_jobs(play)[4:] == [[OTHER]]
    play.wait(days=2)
    assert asked_of_jobs(play)[5:] == [[], []]


def test_key_may_be_forgotten_again_later() -> None:
    play = live()
    ask(play)
    play.wait(days=1)
    made = play.made[JOB]
    ask(play)
    assert (play.made[JOB], asked_of_jobs(play)[-1]) == (made + 1, [KEY])


def test_what_was_captured_before_is_forgotten_too() -> None:
    play = live()
    play.edit({"serving": {"capture": None}})
    ask(play)
    play.wait(days=3)
    assert asked_of_jobs(play) == [[KEY], [KEY]]
    assert model_gauges(play.world()).last_upkeep is None  # none is due each day


def test_failed_request_is_tried_again_with_pauses() -> None:
    play = live()
    play.cluster.storage.down = True
    ask(play)
    assert condition(play) == ("False", "StorageUnreachable", DOWN["message"])
    play.wait(hours=12)
    assert 3 < play.made[JOB] < 10
    play.cluster.storage.down = False
    play.wait(days=1)
    assert asked_of_jobs(play)[-1] == [] and condition(play) == ("True", "Done", "deleted 3 files")


def test_new_request_does_not_wait_for_the_pause_of_a_failure() -> None:
    play = live()
    play.cluster.storage.down = True
    play.wait(days=2)
    play.cluster.storage.down = False
    ask(play)
    assert asked_of_jobs(play)[-1] == [KEY]


@pytest.mark.parametrize("changes", [{"suspend": True}, None], ids=["suspended", "a Job runs"])
def test_request_waits(changes: dict[str, Any] | None) -> None:
    play = live()
    if changes:
        play.edit(changes)
    else:
        play.cluster.storage.slow = True
        play.wait(days=1)
    made = play.made[JOB]
    ask(play)
    assert play.made[JOB] == made
    if changes:
        play.edit({"suspend": False})
    else:
        play.cluster.storage.slow = False
        play.ends(JOB, DOWN)
        play.settle()
    assert asked_of_jobs(play)[-1] == [KEY]


def test_clock_of_a_person_that_is_ahead_is_waited_for() -> None:
    play = live()
    ask(play, after=timedelta(minutes=3))
    assert play.made[JOB] == 0
    play.wait(minutes=3)
    assert asked_of_jobs(play) == [[KEY]]


@pytest.mark.parametrize(("clear", "flag"), [(False, None), (True, True)])
def test_job_gets_hmacs_and_the_secret_by_reference(clear: bool, flag: bool | None) -> None:
    play = live(keyInClear=clear)
    ask(play)
    assert task_of(job(play))["forget"].get("keyInClear") is flag
    (variable,) = [
        each for each in job(play)["spec"]["template"]["spec"]["containers"][0]["env"] if "KEY" in each["name"]
    ]
    source = {"name": "capture-keys", "key": "PERENNIAL_CAPTURE_KEY", "optional": True}
    assert variable == {"name": "PERENNIAL_CAPTURE_KEY", "valueFrom": {"secretKeyRef": source}}


@pytest.mark.parametrize(
    "value", ["", "ride-7", KEY, f"{KEY} now", f"{KEY} 2026-13-01T00:00:00Z", f"{KEY[:-1]} 2026-11-23T12:00:00Z"]
)
def test_annotation_that_names_no_key_is_a_condition(value: str) -> None:
    play = live()
    play.annotate("ModelDeployment", "bike", f"{names.FORGET}x", value)
    current = condition(play)
    assert current and current[:2] == ("False", "InvalidRequest") and "ride-7" not in current[2]
    play.wait(days=1)
    assert asked_of_jobs(play) == [[]]


def test_time_at_the_end_of_the_calendar_stops_nothing() -> None:
    play = live()
    play.annotate("ModelDeployment", "bike", f"{names.FORGET}x", f"{KEY} 9999-12-31T23:59:59Z")
    play.wait(days=1)
    assert play.made[JOB] == 1
