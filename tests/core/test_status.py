"""What a person, kubectl wait, Helm, Flux and Argo CD read."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from perennial_operator.core.api.model_deployment import ModelDeploymentStatus
from perennial_operator.core.api.model_version import Phase
from perennial_operator.core.stages.drift_assessment import assess_reports
from perennial_operator.core.status.deployment_status import Trouble, describe
from perennial_operator.core.world import World
from tests.builders import a_body, a_deployment, a_version, a_world, merged
from tests.simulation.play import Play, a_play
from tests.simulation.results import REFUSED, TRAINED, validated

SERVED = {"Available": "True", "Ready": "True", "Reconciling": "False", "Stalled": "False", "Retraining": "False"}
FORBIDDEN = Trouble("Forbidden", "Job bike-v2-train: exceeded quota: team-a; ask for more, or set spec.training.queue")


def described(world: World) -> ModelDeploymentStatus:
    return describe(world, assess_reports(world))


def live(**changes: Any) -> Play:
    play = a_play(
        **merged({"drift": {"cooldown": "1m"}, "rollout": {"steps": [{"weight": 50, "hold": "5m"}]}}, changes)
    )
    play.until_live(1)
    play.wait(hours=1)
    return play


def test_ready_stays_true_through_drift_retraining_and_roll_out() -> None:
    play = live()
    since = play.condition("Ready")["lastTransitionTime"]
    seen = set()
    play.report("october")
    for job, answer in (("bike-v2-train", TRAINED), ("bike-v2-validate", validated(80.0, live=120.0))):
        play.settle()
        seen.add((play.condition("Ready")["status"], play.condition("Retraining")["reason"]))
        play.finish(job, answer)
    for _ in range(6):
        seen.add((play.condition("Ready")["status"], play.condition("Retraining")["reason"]))
        play.pods_ready()
        play.wait(minutes=5)
    assert play.status["liveVersion"] == "bike-v2"
    assert seen == {("True", reason) for reason in ("Training", "Validating", "RollingOut", "RolledOut")}
    assert play.condition("Ready")["lastTransitionTime"] == since
    assert play.holding() == SERVED


def test_failed_retraining_leaves_the_deployment_ready() -> None:
    play = live(training={"maxRejections": 1})
    play.report("october")
    play.settle()
    play.finish("bike-v2-train", REFUSED)
    play.wait(hours=1)
    play.report("november", 0.4)
    play.settle()
    assert play.holding() == SERVED
    assert play.status["phase"] == "Stalled"
    assert play.condition("Retraining")["reason"] == "Stalled"
    assert "fix the cause and annotate" in play.condition("Retraining")["message"]


def test_ready_is_false_until_the_new_spec_is_served() -> None:
    play = live()
    play.edit({"model": {"parameters": {"fit_intercept": False}}})
    assert play.holding() == SERVED | {"Ready": "False", "Reconciling": "True", "Retraining": "True"}
    assert play.condition("Ready")["message"] == (
        "bike-v2: training because of SpecChange: spec describes another model than bike-v1"
    )
    play.until_live_again(2)
    assert play.holding() == SERVED


@pytest.mark.parametrize("edit", [{"serving": {"port": 9090}}, {"serving": {"replicas": 5}}], ids=["port", "replicas"])
def test_ready_is_false_until_the_pods_are_those_of_the_new_spec(edit: dict[str, Any]) -> None:
    """Also in the pass that first sees the edit: kubectl wait must not return too early."""
    play = live()
    play.cluster.edit("ModelDeployment", "bike", merged(play.bodies["ModelDeployment", "bike"]["spec"], edit))
    play.describe()
    assert (play.status["observedGeneration"], play.condition("Ready")["status"]) == (2, "False")
    play.settle()
    assert play.condition("Ready")["status"] == "False"
    play.pods_ready()
    assert play.holding() == SERVED


def test_edit_without_effect_on_serving_is_ready_at_once() -> None:
    play = live()
    play.edit({"drift": {"consecutive": 2}})
    assert play.holding() == SERVED
    assert play.condition("Ready")["observedGeneration"] == 2


def test_ready_is_false_while_replicas_are_missing_and_says_why() -> None:
    play = live()
    play.pods_fail("bike-v1", trouble="pod bike-v1-x is waiting (CrashLoopBackOff)")
    expected = "0 of 2 replicas are ready: pod bike-v1-x is waiting (CrashLoopBackOff)"
    assert (play.condition("Ready")["reason"], play.condition("Ready")["message"]) == ("NotEnoughReplicas", expected)
    assert play.condition("Available")["reason"] == "NoReadyReplicas"


def test_message_names_a_pod_that_refuses_its_artifact() -> None:
    play = live()
    play.pods_fail(
        "bike-v1",
        "pod bike-v1-x is waiting",
        {"outcome": "Refused", "reason": "DigestMismatch", "message": "sha256 is another"},
    )
    assert play.condition("Ready")["message"] == "0 of 2 replicas are ready: sha256 is another"


def test_scaled_to_zero_is_ready_and_not_available() -> None:
    play = live(serving={"replicas": 0})
    assert play.holding() == SERVED | {"Available": "False"}
    assert play.condition("Available")["reason"] == "ScaledToZero"


def test_trouble_before_the_spec_is_served_is_a_stall() -> None:
    play = a_play()
    play.trouble = FORBIDDEN
    play.settle()
    assert play.condition("Stalled")["message"] == FORBIDDEN.message
    assert play.condition("Reconciling")["status"] == "False"
    play.trouble = None
    play.settle()
    assert play.condition("Stalled")["status"] == "False"


def test_trouble_of_a_retraining_leaves_ready_true() -> None:
    play = live()
    play.report("october")
    play.trouble = FORBIDDEN
    play.settle()
    assert play.holding() == SERVED | {"Retraining": "True"}
    assert play.condition("Retraining")["message"].endswith(f"; {FORBIDDEN.message}")
    assert play.status["phase"] == "Stalled"


@pytest.mark.parametrize(
    ("spec", "versions", "phase"),
    [
        ({}, (), "Pending"),
        ({}, (a_version(1),), "Live"),
        ({"suspend": True}, (a_version(1),), "Suspended"),
        ({"pin": "bike-v1"}, (a_version(1),), "Pinned"),
        ({"pin": "bike-v7"}, (a_version(1),), "Pinned"),
        ({"pin": "bike-v7"}, (a_version(1), a_version(7, "Failed")), "Stalled"),
        ({"pin": "bike-v7", "suspend": True}, (a_version(1),), "Suspended"),
        *(({}, (a_version(1), a_version(2, phase)), phase) for phase in ("Training", "Validating", "RollingOut")),
        ({}, (a_version(1), a_version(2, "Rejected")), "Live"),
    ],
)
def test_the_phase_is_one_word(spec: dict[str, Any], versions: tuple[Any, ...], phase: str) -> None:
    world = a_world(deployment=a_deployment(spec=spec), versions=versions)
    assert described(world).phase == phase


def test_replicas_and_selector_are_what_an_autoscaler_needs() -> None:
    play = live()
    assert (play.status["replicas"], play.status["readyReplicas"]) == (2, 2)
    assert play.status["selector"] == "perennial.dev/model-deployment=bike,perennial.dev/role=serving"


def test_status_has_newest_usable_report_about_live_version() -> None:
    play = live()
    play.report("fine", 0.1)
    play.settle()
    play.wait(minutes=1)
    play.report("again", 0.1)
    play.settle()
    assert play.status["drift"] == {
        "report": "fine",
        "outcome": "WithinThresholds",
        "message": "within thresholds: psi of feature1 0.1",
    }


def test_status_is_empty_before_the_first_pass() -> None:
    world = a_world()
    status = described(world)
    assert status.live_version is None
    assert {c.status for c in status.conditions if c.type in ("Available", "Ready")} == {"False"}
    assert status.observed_generation == 1


def test_a_time_moves_only_when_its_condition_does() -> None:
    world = a_world(versions=(a_version(1),))
    first = described(world)
    body = a_body("ModelDeployment", "bike", {}, first.to_api())
    deployment = world.deployment.model_copy(update={"status": a_deployment(status=body["status"]).status})
    later = described(replace(world, deployment=deployment, now=world.now.replace(hour=20)))
    assert later.conditions == described(replace(world, deployment=deployment)).conditions
    assert world.live is not None
    assert world.live.phase is Phase.LIVE
