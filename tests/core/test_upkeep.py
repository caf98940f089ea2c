"""Once a day a Job keeps the model's folder small; whatever becomes of it, nothing else waits for it."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from perennial_operator.core.actions import Create, Delete
from perennial_operator.core.api.conditions import find
from perennial_operator.core.api.model_deployment import ModelDeploymentStatus
from perennial_operator.core.stages.drift_assessment import assess_reports
from perennial_operator.core.stages.upkeep import next_step, next_upkeep, wakes_at
from perennial_operator.core.status.deployment_status import describe
from perennial_operator.core.status.events import news
from perennial_operator.core.status.measures import model_gauges
from perennial_operator.core.world import World
from tests.builders import NOON, a_deployment, a_version, a_world, task_of
from tests.simulation.play import Play, a_play
from tests.simulation.storage import DOWN

CAPTURE = {"retain": "30d", "secretRef": {"name": "capture-keys"}}
JOB = "bike-upkeep"


def capturing(**changes: Any) -> Play:
    play = a_play(serving={"capture": CAPTURE}, **changes)
    play.until_live(1)
    return play


def job(play: Play) -> dict[str, Any]:
    """The last one that was made."""
    made = [each.manifest for each in play.done if isinstance(each, Create)]
    return dict([each for each in made if each["metadata"]["name"] == JOB][-1])


def condition(play: Play) -> tuple[str, str, str] | None:
    current = find(ModelDeploymentStatus.model_validate(play.status).conditions, "KeptUp")
    return (current.status, current.reason, current.message) if current else None


def test_upkeep_runs_once_a_day_and_says_what_it_freed() -> None:
    play = capturing()
    assert condition(play) is None
    for days in range(1, 4):
        play.wait(hours=24)
        assert play.made[JOB] == days
    assert JOB not in play.jobs
    assert condition(play) == ("True", "Done", "deleted 3 files")
    assert play.status["upkeep"]["lastTime"] == play.status["upkeep"]["lastAttemptTime"]
    task = task_of(job(play))
    assert (task["retain"], task["owner"]["folder"]) == ("30d", task["storage"])


def test_job_is_deleted_soon_after_its_result_is_recorded() -> None:
    play = capturing()
    play.cluster.storage.slow = True
    play.wait(hours=24)
    play.cluster.storage.slow = False
    done = {"task": "upkeep", "outcome": "Succeeded", "message": "done", "deletedFiles": 0, "freedBytes": 0}
    play.ends(JOB, done | {"compactedFiles": 0, "forgottenRows": 0})
    before = play.world()
    recorded = replace(before, deployment=before.deployment.model_copy(update={"status": described(before)}))
    assert next(iter(wakes_at(before, assess_reports(before)))) == before.now + timedelta(seconds=1)
    assert next_step(recorded, assess_reports(recorded)) == (Delete("Job", JOB),)


def test_an_operator_that_was_away_makes_up_for_one() -> None:
    play = capturing()
    play.wait(hours=24)
    play.now += timedelta(days=3)
    play.settle()
    assert play.made[JOB] == 2


@pytest.mark.parametrize(
    "changes",
    [{"serving": {"capture": None}}, {"suspend": True}],
    ids=["nothing is captured", "nothing new is started"],
)
def test_no_upkeep_where_there_is_nothing_to_do(changes: dict[str, Any]) -> None:
    play = capturing()
    play.edit(changes)
    play.wait(days=3)
    assert JOB not in play.made


def test_no_upkeep_before_a_version_is_live() -> None:
    play = a_play(serving={"capture": CAPTURE})
    play.settle()
    play.wait(days=3)
    assert JOB not in play.made


def test_upkeeps_of_a_fleet_are_spread_over_the_day() -> None:
    def due(name: str, namespace: str = "default") -> int:
        deployment = a_deployment(name, {"serving": {"capture": CAPTURE}}, namespace=namespace)
        at = next_upkeep(a_world(deployment=deployment, versions=(a_version(1),)))
        assert at is not None and NOON < at <= NOON + timedelta(days=1)
        return at.hour

    hours = Counter(due(f"model-{number}") for number in range(1000))
    assert len(hours) == 24 and max(hours.values()) < 80
    assert len({due("bike", f"team-{number}") for number in range(10)}) > 3


def failing() -> Play:
    play = capturing()
    play.cluster.storage.down = True
    play.wait(hours=24)
    return play


def test_failed_upkeep_is_said_once_and_tried_again_later() -> None:
    play = failing()
    made = play.made[JOB]
    assert 5 < made < 10  # within a day, and with longer and longer pauses
    assert condition(play) == ("False", "StorageUnreachable", DOWN["message"])
    assert JOB in play.jobs  # with its log
    play.wait(days=5)
    assert play.made[JOB] - made <= 6
    play.cluster.storage.down = False
    play.wait(days=1)
    assert condition(play) == ("True", "Done", "deleted 3 files")
    assert (play.status["upkeep"].get("failures"), JOB in play.jobs) == (0, False)


def test_failure_is_an_event_once() -> None:
    play = capturing()
    play.cluster.storage.slow = True
    play.wait(hours=24)
    before = play.world()
    play.ends(JOB, DOWN)
    events = [news(each, described(play.world())) for each in (before.deployment.status, described(play.world()))]
    assert [each and (each.reason, each.warning) for each in events] == [("StorageUnreachable", True), None]


def described(world: World) -> ModelDeploymentStatus:
    return describe(world, assess_reports(world))


def test_failing_upkeep_blocks_nothing_else() -> None:
    play = failing()
    play.cluster.storage.down = False
    play.cluster.storage.slow = True
    assert play.holding()["Ready"] == "True"
    play.report("drift")
    play.until_live_again(2)
    assert play.phases()["bike-v2"] == "Live"


def test_a_job_that_hangs_is_the_only_one() -> None:
    play = capturing()
    play.cluster.storage.slow = True
    play.wait(days=3)
    assert play.made[JOB] == 1


def test_another_owner_of_the_folder_is_a_condition() -> None:
    play = capturing()
    play.cluster.storage.slow = True
    play.wait(hours=24)
    play.finish(JOB, {"task": "upkeep", "outcome": "Refused", "reason": "OwnedElsewhere", "message": "not ours"})
    assert play.holding()["Owned"] == "False"


def test_clock_that_was_set_back_delays_no_upkeep() -> None:
    status = {"upkeep": {"lastAttemptTime": "2030-01-01T00:00:00Z", "failures": 3, "message": "none"}}
    deployment = a_deployment(spec={"serving": {"capture": CAPTURE}}, status=status)
    world = a_world(deployment=deployment, versions=(a_version(1),))
    assert next_upkeep(world) == world.now


def test_age_of_the_last_upkeep_is_measured() -> None:
    play = capturing()
    live = model_gauges(play.world())
    assert live.last_upkeep == live.live_since
    play.wait(hours=24)
    done = model_gauges(play.world()).last_upkeep
    assert done and done > (live.live_since or done)
    play.edit({"serving": {"capture": None}})
    assert model_gauges(play.world()).last_upkeep is None
