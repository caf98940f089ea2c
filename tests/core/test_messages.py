"""What people read is true: also after a scale, a reverted edit, a refusal, or while a version awaits approval."""

from __future__ import annotations

import pytest

from perennial_operator.core.rules.job_starts import report_missing_job
from tests.builders import a_version, a_world
from tests.simulation.play import Play, a_play
from tests.simulation.results import TRAINED, validated

REFUSAL = "Job bike-v2-train: exceeded quota: team-a"


def live(**changes: object) -> Play:
    play = a_play(**changes)
    play.until_live(1)
    play.wait(hours=1)
    return play


def test_candidate_has_a_phase_before_its_job_exists() -> None:
    play = a_play()
    for play.dies_in in range(6):
        play.settle()
        jobs = [job for job in play.jobs if job.endswith("-train")]
        assert not jobs or play.version(1)["phase"] == "Training"


@pytest.mark.parametrize(("phase", "condition"), [("Training", "Trained"), ("Validating", "Validated")])
def test_candidate_says_why_it_has_no_job(phase: str, condition: str) -> None:
    versions = (a_version(1), a_version(2, phase))
    action = report_missing_job(a_world(versions=versions), REFUSAL)
    assert action
    assert (action.status["phase"], action.status["reason"]) == (phase, "NotStarted")
    assert action.status["message"] == f"its Job could not be created: {REFUSAL}"
    assert action.status["conditions"][0]["type"] == condition
    again = a_version(2, phase, status=action.status)
    assert report_missing_job(a_world(versions=(versions[0], again)), REFUSAL) is None


def test_candidate_with_a_job_says_nothing_of_a_refusal() -> None:
    play = live()
    play.report("october")
    play.settle()
    assert report_missing_job(play.world(), "Service bike: quota") is None


def test_message_of_a_step_follows_a_scale() -> None:
    play = live(serving={"replicas": 8}, rollout={"steps": [{"weight": 25, "hold": "1h"}]})
    play.report("october")
    play.until_rolling(2, candidate=80.0, live=120.0)
    play.pods_ready()
    assert play.version(2)["message"] == "weight 25 %: 2 replicas beside 6 of bike-v1"
    play.edit({"serving": {"replicas": 4}})
    assert play.version(2)["message"] == "weight 25 %: 1 replica beside 3 of bike-v1"
    assert "1 replica beside 3" in play.condition("Retraining")["message"]
    (rolled_out,) = (each for each in play.version(2)["conditions"] if each["type"] == "RolledOut")
    assert (rolled_out["status"], rolled_out["message"]) == ("Unknown", play.version(2)["message"])
    assert play.version(2)["rollout"]["weight"] == 25


def test_stalled_condition_names_who_waits_for_a_person() -> None:
    play = live()
    play.edit({"rollout": {"approval": "manual"}})
    assert play.condition("Stalled")["message"] == "nothing waits for a person"
    play.report("october")
    play.until_rolling(2, candidate=80.0, live=120.0)
    assert play.status["phase"] == "AwaitingApproval"
    assert play.condition("Stalled")["status"] == "False"
    assert (
        play.condition("Stalled")["message"] == "nothing is stuck; bike-v2 waits for a person to approve or reject it"
    )


@pytest.mark.parametrize("reason", ["ImagePullBackOff", "Unschedulable"])
def test_phase_says_that_the_pod_does_not_start(reason: str) -> None:
    play = live()
    play.report("october")
    play.settle()
    assert play.status["phase"] == "Training"
    play.cluster.job_waits("bike-v2-train", reason)
    play.settle()
    assert play.status["phase"] == "NotStarted"
    assert "its pod does not start" in play.condition("Retraining")["message"]
    play.cluster.job_starts("bike-v2-train")
    play.settle()
    assert play.status["phase"] == "Training"


def test_phase_says_that_the_job_waits_in_a_queue() -> None:
    play = live(training={"queue": "team-a"})
    play.report("october")
    play.settle()
    job = play.bodies["Job", "bike-v2-train"]
    play.cluster.put(job | {"spec": job["spec"] | {"suspend": True}})
    play.settle()
    assert play.status["phase"] == "Queued"
    assert play.condition("Retraining")["message"].endswith("its Job waits in a queue")


def test_reverted_edit_leaves_nothing_to_retrain() -> None:
    play = live()
    play.edit({"model": {"parameters": {"fit_intercept": False}}})
    play.edit({"model": {"parameters": None}})
    assert play.version(2)["message"] == "spec was changed to describe another model than this one"
    assert (play.condition("Retraining")["status"], play.condition("Retraining")["reason"]) == ("False", "NotNeeded")
    assert play.condition("Retraining")["message"] == "there is no candidate"


def test_training_beside_a_sidecar_goes_on() -> None:
    play = live()
    play.report("october")
    play.settle()
    play.cluster.job_answers("bike-v2-train", TRAINED)
    play.settle()
    assert play.version(2)["phase"] == "Validating"
    assert "bike-v2-train" not in play.jobs, "the sidecar would run on"
    play.cluster.job_answers("bike-v2-validate", validated(80.0, live=120.0))
    play.settle()
    assert play.version(2)["phase"] == "RollingOut"
