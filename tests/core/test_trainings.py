"""When a training starts for another reason than drift, and when it does not."""

from __future__ import annotations

from typing import Any

import pytest

from perennial_operator.core import names
from perennial_operator.core.actions import Create
from perennial_operator.core.world import Fleet
from tests.builders import task_of
from tests.simulation.play import Play, a_play
from tests.simulation.results import REFUSED, TRAINED, trained, validated


def fail(play: Play, number: int) -> None:
    play.settle()
    play.finish(f"bike-v{number}-train", REFUSED)


def ask(play: Play, when: str) -> None:
    play.annotate("ModelDeployment", "bike", names.RETRAIN, when)


def reasons(play: Play) -> list[str]:
    return [body["spec"]["trigger"]["reason"] for body in play.all("ModelVersion")]


def test_failed_first_training_is_retried_until_the_limit() -> None:
    play = a_play(training={"maxRejections": 3})
    for number, hours in ((1, 1), (2, 2), (3, 4)):
        fail(play, number)
        play.wait(hours=hours, minutes=-1)
        assert len(play.phases()) == number
        play.wait(minutes=1)
    play.wait(hours=99)
    assert play.phases() == {"bike-v1": "Failed", "bike-v2": "Failed", "bike-v3": "Failed"}
    assert play.status["phase"] == "Stalled"
    assert play.holding() == {
        "Available": "False",
        "Ready": "False",
        "Reconciling": "False",
        "Stalled": "True",
        "Retraining": "False",
    }
    assert play.condition("Stalled")["reason"] == "TooManyRejections"
    assert play.condition("Stalled")["message"] == (
        "3 consecutive candidates failed or were rejected, the last bike-v3 (12 rows are fewer than minRows 200); "
        "fix the cause and annotate the ModelDeployment with perennial.dev/retrain-requested-at=<time>, "
        "or change spec.model, spec.data or spec.training"
    )


def test_ready_condition_repeats_training_failure() -> None:
    play = a_play()
    fail(play, 1)
    assert play.condition("Ready")["reason"] == "TooFewRows"
    assert play.condition("Ready")["message"].startswith("bike-v1: 12 rows are fewer than minRows 200; bike-v1 ended")


def stalled() -> Play:
    play = a_play(training={"maxRejections": 2})
    for number in (1, 2):
        fail(play, number)
        play.wait(hours=2)
    assert play.status["phase"] == "Stalled"
    return play


def test_a_request_goes_on_after_a_stall_and_success_clears_it() -> None:
    play = stalled()
    ask(play, "2026-11-24")
    assert reasons(play) == ["Initial", "Initial", "Request"]
    play.until_live(3)
    play.wait(hours=1)
    play.report("october")
    play.settle()
    assert play.outcome("october")[0] == "Triggered"


def test_failed_request_keeps_the_stall_and_is_handled_once() -> None:
    play = stalled()
    ask(play, "2026-11-24")
    fail(play, 3)
    play.wait(hours=9)
    assert len(play.phases()) == 3
    assert play.status["phase"] == "Stalled"
    ask(play, "2026-11-25")
    assert len(play.phases()) == 4
    assert play.status["lastHandledRetrainRequest"] == "2026-11-25"


@pytest.mark.parametrize(
    "edit",
    [
        {"data": {"minRows": 10}},
        {"data": {"training": {"uri": "s3://bikes/more/*.parquet"}}},
        {"model": {"parameters": {"fit_intercept": False}}},
        {"training": {"pod": {"resources": {"limits": {"memory": "2Gi"}}}}},
        {"training": {"maxRejections": 9}},
    ],
    ids=["minRows", "uri", "parameters", "memory", "maxRejections"],
)
def test_edit_that_fixes_the_cause_continues_at_once(edit: dict[str, Any]) -> None:
    play = stalled()
    play.edit(edit)
    assert play.phases()["bike-v3"] == "Training"
    assert play.status["phase"] == "Training"


def test_history_never_forgets_the_failures_that_are_counted() -> None:
    play = a_play(history={"versions": 1}, training={"maxRejections": 6})
    for number in range(1, 7):
        fail(play, number)
        play.wait(hours=8)
    assert play.status["phase"] == "Stalled"
    assert len(play.phases()) == 6


def test_history_keeps_newest_versions_and_reuses_no_number() -> None:
    play = a_play(history={"versions": 2}, drift={"cooldown": "1m"})
    play.until_live(1)
    for number in range(2, 6):
        play.wait(hours=1)
        play.report(f"report-{number}", 0.3 + number / 100)
        play.until_live_again(number)
    assert list(play.phases()) == ["bike-v3", "bike-v4", "bike-v5"]
    assert "bike-v1-train" not in play.jobs
    assert play.status["lastVersionNumber"] == 5


def test_request_waits_for_the_candidate_but_not_cool_down() -> None:
    play = a_play()
    ask(play, "now")
    play.until_live(1)
    assert reasons(play) == ["Request"]
    ask(play, "again")
    assert reasons(play) == ["Request", "Request"]
    ask(play, "and again")
    play.until_live_again(2)
    assert reasons(play) == ["Request"] * 3


def test_a_request_of_any_length_is_obeyed_once() -> None:
    play = a_play()
    ask(play, "now " * 1000)
    play.until_live(1)
    play.wait(hours=9)
    assert reasons(play) == ["Request"]


def test_a_request_under_suspension_is_obeyed_afterwards() -> None:
    play = a_play()
    play.until_live(1)
    play.edit({"suspend": True})
    ask(play, "now")
    assert play.condition("Retraining")["reason"] == "Suspended"
    play.edit({"suspend": False})
    assert reasons(play) == ["Initial", "Request"]


def scheduled() -> Play:
    """Live at noon, retrained at every full hour."""
    play = a_play(training={"schedule": "0 * * * *"}, drift={"cooldown": "1m"})
    play.wait(minutes=10)
    play.until_live(1)
    return play


def test_schedule_wakes_the_operator_and_starts_a_training() -> None:
    play = scheduled()
    assert play.alarm is not None
    assert f"{play.alarm:%H:%M}" == "13:00"
    play.wait(hours=1)
    assert reasons(play) == ["Initial", "Schedule"]
    assert play.bodies["ModelVersion", "bike-v2"]["spec"]["trigger"]["message"] == (
        "spec.training.schedule was due at 2026-11-23 13:00 UTC"
    )


def test_schedule_during_a_candidate_is_skipped() -> None:
    play = scheduled()
    play.wait(hours=1)
    play.wait(hours=5)
    play.until_live_again(2)
    play.wait(minutes=10)
    assert len(play.phases()) == 2
    play.wait(minutes=50)
    assert len(play.phases()) == 3


def test_one_scheduled_training_follows_a_pause() -> None:
    play = scheduled()
    play.edit({"suspend": True})
    play.wait(hours=30)
    play.edit({"suspend": False})
    assert len(play.phases()) == 2
    play.until_live_again(2)
    play.wait(minutes=10)
    assert len(play.phases()) == 2


def test_deferred_schedule_sets_no_wake_time() -> None:
    play = scheduled()
    play.edit({"suspend": True})
    play.wait(hours=30)
    assert play.alarm is None


NOTHING_NEW = {
    "task": "train",
    "outcome": "Refused",
    "reason": "NoNewRows",
    "message": "the 1000 rows of s3://bikes are the rows that bike-v1 was trained on; train again when there are new rows",
}


def test_no_new_rows_is_not_a_failure_and_schedule_continues() -> None:
    play = scheduled()
    for number in range(2, 8):
        play.wait(hours=1)
        play.finish(f"bike-v{number}-train", NOTHING_NEW)
    assert play.phases() == {"bike-v1": "Live", "bike-v7": "Superseded"}
    assert play.version(7)["reason"] == "NoNewRows"
    assert play.holding() | {"Ready": "True", "Stalled": "False"} == play.holding()
    assert play.condition("Retraining")["message"].startswith("bike-v7: the 1000 rows")
    assert not [a for a in play.announced() if a.reason == "NoNewRows" and a.warning]
    play.wait(hours=1)
    play.until_live_again(8)


def test_versions_without_new_rows_push_out_no_other() -> None:
    play = a_play(training={"schedule": "0 * * * *"}, drift={"cooldown": "1m"}, history={"versions": 1})
    play.wait(minutes=10)
    play.until_live(1)
    play.wait(hours=1)
    play.until_live_again(2)
    for number in (3, 4, 5):
        play.wait(hours=1)
        play.finish(f"bike-v{number}-train", NOTHING_NEW)
    assert play.phases() == {"bike-v1": "Superseded", "bike-v2": "Live", "bike-v5": "Superseded"}
    assert play.made["bike-v4"] == 1


def test_no_new_rows_does_not_reset_the_failure_count() -> None:
    play = a_play(training={"schedule": "0 * * * *", "maxRejections": 2}, drift={"cooldown": "1m"})
    play.wait(minutes=10)
    play.until_live(1)
    for number, answer in ((2, REFUSED), (3, NOTHING_NEW), (4, REFUSED)):
        play.wait(hours=1)
        play.finish(f"bike-v{number}-train", answer)
    play.wait(hours=9)
    assert len(play.made) and play.made["bike-v5"] == 0
    assert play.condition("Retraining")["reason"] == "Stalled"


def known_rows(play: Play, number: int) -> str | None:
    """What the training of a version is told of the rows that made the live one."""
    made = (action.manifest for action in play.done if isinstance(action, Create))
    (job,) = (each for each in made if each["metadata"]["name"] == f"bike-v{number}-train")
    task = task_of(job)
    assert ("live" in task) == (number > 1)
    known_rows: str | None = task.get("knownRows")
    return known_rows


def test_only_drift_and_schedule_require_new_rows() -> None:
    play = scheduled()
    assert known_rows(play, 1) is None
    play.wait(hours=1)
    assert known_rows(play, 2) == trained(1)["data"]["sha256"]
    play.finish("bike-v2-train", NOTHING_NEW)
    ask(play, "now")
    assert known_rows(play, 3) is None
    play.until_live_again(3)
    play.wait(minutes=2)
    play.report("october")
    play.settle()
    assert known_rows(play, 4) == trained(3)["data"]["sha256"]
    play.finish("bike-v4-train", NOTHING_NEW)
    play.edit({"data": {"holdout": 0.3}})
    play.wait(minutes=2)
    assert reasons(play)[-1] == "SpecChange"
    assert known_rows(play, 5) is None


def test_another_calibration_is_another_model() -> None:
    play = a_play(model={"task": "classification"})
    play.until_live(1)
    play.wait(hours=2)
    play.edit({"training": {"calibration": "sigmoid"}})
    assert reasons(play) == ["Initial", "SpecChange"]


def test_a_full_fleet_queues_a_training_and_remembers_since_when() -> None:
    play = a_play()
    play.fleet = Fleet(trainings=10)
    play.settle()
    since = play.status["queuedSince"]
    assert play.phases() == {}
    assert play.condition("Ready")["reason"] == "Queued"
    play.wait(hours=1)
    assert play.status["queuedSince"] == since
    play.fleet = Fleet(trainings=9, ahead=1)
    play.settle()
    assert play.phases() == {}
    play.fleet = Fleet(trainings=9)
    play.settle()
    assert play.phases() == {"bike-v1": "Training"}
    assert "queuedSince" not in play.status


def test_a_job_that_a_queue_holds_back_is_waited_for() -> None:
    play = a_play()
    play.settle()
    job = play.bodies["Job", "bike-v1-train"]
    play.cluster.change("Job", "bike-v1-train", spec=job["spec"] | {"suspend": True})
    play.wait(hours=9)
    assert play.condition("Ready")["message"].endswith("; its Job waits in a queue")
    assert play.made["bike-v1-train"] == 1


def test_job_deleted_before_its_result_is_made_again() -> None:
    play = a_play()
    play.settle()
    play.remove("Job", "bike-v1-train")
    assert play.made["bike-v1-train"] == 2


def test_job_deleted_after_its_result_is_not_made_again() -> None:
    play = a_play()
    play.until_rolling(1)
    play.remove("Job", "bike-v1-train")
    play.remove("Job", "bike-v1-validate")
    play.pods_ready()
    assert (play.made["bike-v1-train"], play.made["bike-v1-validate"]) == (1, 1)
    assert play.phases() == {"bike-v1": "Live"}


def test_the_newest_two_versions_keep_their_jobs() -> None:
    play = a_play()
    play.until_live(1)
    for number in (2, 3, 4):
        ask(play, f"2026-11-23T12:0{number}:00Z")
        play.until_live_again(number)
    roles = ("train", "validate")
    kept = {name for name in play.jobs if name.endswith(roles)}
    assert kept == {f"bike-v{number}-{role}" for number in (3, 4) for role in roles}


@pytest.mark.parametrize("first", [True, False], ids=["the first version", "a change of the spec"])
def test_rejection_applies_until_a_request_or_a_new_spec(first: bool) -> None:
    play = a_play()
    if not first:
        play.until_live(1)
        play.wait(hours=2)
        play.edit({"model": {"parameters": {"fit_intercept": False}}})
    play.settle()
    number = len(play.phases())
    play.annotate("ModelVersion", f"bike-v{number}", names.REJECTED, "ann")
    play.wait(hours=99)
    assert len(play.phases()) == number
    assert play.condition("Stalled")["message"].startswith(
        f"bike-v{number} was rejected by ann; to train another version, ann"
    )
    ask(play, "now")
    assert len(play.phases()) == number + 1


def test_rejection_of_a_drift_candidate_stops_no_later_one() -> None:
    play = a_play()
    play.until_live(1)
    for number, name in ((2, "october"), (3, "november")):
        play.wait(hours=2)
        play.report(name, 0.3 + number / 10)
        play.settle()
        assert play.phases()[f"bike-v{number}"] == "Training"
        play.annotate("ModelVersion", f"bike-v{number}", names.REJECTED, "ann")
        assert play.holding()["Ready"] == "True"


def test_a_rejected_training_is_stopped() -> None:
    play = a_play()
    play.settle()
    play.annotate("ModelVersion", "bike-v1", names.REJECTED, "ann")
    assert play.phases() == {"bike-v1": "Rejected"}
    assert play.jobs == {}


def test_candidate_is_compared_with_the_current_live_version() -> None:
    play = a_play(drift={"cooldown": "1m"})
    play.until_live(1)
    play.wait(hours=1)
    play.report("october")
    play.settle()
    play.finish("bike-v2-train", TRAINED)
    play.remove("ModelVersion", "bike-v1")
    assert play.jobs["bike-v2-validate"].labels[names.AGAINST] == "none"
    play.finish("bike-v2-validate", validated(80.0))
    play.pods_ready()
    assert play.phases() == {"bike-v2": "Live"}


def test_message_is_the_same_in_status_condition_and_event() -> None:
    play = a_play()
    fail(play, 1)
    version = play.version(1)
    (condition,) = version["conditions"]
    announcement = play.announced()[-1]
    assert condition["reason"] == version["reason"] == announcement.reason == "TooFewRows"
    assert condition["message"] == version["message"]
    assert announcement.message == f"bike-v1: {version['message']}"
    assert announcement.warning


def test_image_is_recorded_if_training_ends_before_its_start() -> None:
    play = a_play()
    while "bike-v1-train" not in play.jobs:
        play.step()
    assert play.bodies["ModelVersion", "bike-v1"]["status"] == {}
    play.finish("bike-v1-train", TRAINED)
    assert play.version(1)["image"] == "trainer:1"
