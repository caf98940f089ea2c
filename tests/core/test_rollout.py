"""How a validated candidate takes over, or goes back."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from perennial_operator.core import names
from tests.simulation.play import Play, a_play

STEPS = [{"weight": 20, "hold": "5m"}, {"weight": 50, "hold": "10m"}]


def rolling(**changes: Any) -> Play:
    """Version 1 is live, version 2 has just passed the gate."""
    play = a_play(rollout={"steps": STEPS}, drift={"cooldown": "1m"})
    play.until_live(1)
    play.edit(changes)
    play.pods_ready()
    play.wait(hours=1)
    play.report("october")
    play.until_rolling(2, candidate=80.0, live=120.0)
    return play


@pytest.mark.parametrize(
    ("replicas", "seen"),
    [
        (0, [(1, 0), (1, 0)]),
        (1, [(1, 1), (1, 1)]),
        (2, [(1, 2), (1, 1)]),
        (10, [(2, 8), (5, 5)]),
    ],
)
def test_candidate_gets_weight_step_by_step_and_then_all(replicas: int, seen: list[tuple[int, int]]) -> None:
    play = rolling(serving={"replicas": replicas})
    replicas_by_step = []
    for _ in range(5):
        play.pods_ready("bike-v2")
        if play.phases()["bike-v2"] == "Live":
            break
        replicas_by_step.append((play.desired()["bike-v2"], play.desired()["bike-v1"]))
        play.wait(minutes=10)
    assert replicas_by_step == seen
    assert play.desired() == {"bike-v2": replicas}
    assert play.phases() == {"bike-v1": "Superseded", "bike-v2": "Live"}


def test_live_replicas_shrink_only_when_candidate_is_ready() -> None:
    play = rolling(serving={"replicas": 10})
    play.pods_ready("bike-v2")
    play.wait(minutes=5)
    assert play.desired() == {"bike-v1": 8, "bike-v2": 3}
    play.cluster.pods_ready("bike-v2")
    play.settle()
    assert play.desired() == {"bike-v1": 7, "bike-v2": 4}
    play.pods_ready()
    assert play.desired() == {"bike-v1": 5, "bike-v2": 5}


def test_the_old_pods_go_only_when_the_new_ones_are_all_ready() -> None:
    play = rolling(rollout={"steps": []})
    assert play.desired() == {"bike-v1": 2, "bike-v2": 1}
    play.cluster.pods_ready("bike-v2")
    play.settle()
    assert play.desired() == {"bike-v1": 1, "bike-v2": 2}
    play.pods_ready("bike-v2")
    assert play.desired() == {"bike-v2": 2}


@pytest.mark.parametrize("lags", [True, False])
@pytest.mark.parametrize(("before", "after"), [(8, 8), (4, 7), (7, 7), (1, 3)])
def test_no_step_asks_for_more_than_one_pod_above_replicas(before: int, after: int, lags: bool) -> None:
    play = rolling(serving={"replicas": before}, rollout={"steps": [{"weight": 25}, {"weight": 50, "hold": "5m"}]})
    play.pods_ready()
    play.edit({"serving": {"replicas": after}})
    seen = []
    for _ in range(60):
        for name in tuple(play.cluster.pods):
            pods = play.cluster.pods[name]
            pods.ready = pods.wanted
            if not lags or len(seen) % 2:
                play.cluster.observe(name)
        play.step()
        play.now += timedelta(seconds=30)
        seen.append(sum(play.desired().values()))
        assert sum(pods.answering for pods in play.cluster.pods.values()) >= min(before, after)
    assert play.phases()["bike-v2"] == "Live"
    assert max(seen) <= after + 1


def test_pods_that_start_one_by_one_have_the_timeout_each() -> None:
    play = rolling(serving={"replicas": 6}, rollout={"steps": []})
    for _ in range(5):
        play.wait(minutes=14)
        play.cluster.pods_ready("bike-v2")
        play.settle()
    assert play.desired() == {"bike-v1": 1, "bike-v2": 6}
    play.wait(minutes=15)
    assert play.version(2)["message"] == "5 of 6 replicas were ready after spec.rollout.timeout 15m"


@pytest.mark.parametrize("steps", [[], STEPS])
def test_at_zero_replicas_one_pod_must_be_ready_first(steps: list[dict[str, Any]]) -> None:
    play = rolling(serving={"replicas": 0}, rollout={"steps": steps})
    play.wait(hours=10)
    assert play.phases()["bike-v2"] == "RollingOut"
    assert play.version(2)["reason"] == "ScaledToZero"
    assert play.desired() == {"bike-v1": 0, "bike-v2": 1}
    for _ in range(4):
        play.pods_ready()
        play.wait(minutes=10)
    assert play.phases() == {"bike-v1": "Superseded", "bike-v2": "Live"}
    assert play.desired() == {"bike-v2": 0}


def test_scale_up_after_zero_begins_the_step_again() -> None:
    play = rolling(serving={"replicas": 0})
    play.wait(hours=10)
    play.edit({"serving": {"replicas": 2}})
    assert play.version(2)["reason"] == "RollingOut"
    play.wait(minutes=14)
    assert play.phases()["bike-v2"] == "RollingOut"
    for _ in range(3):
        play.pods_ready()
        play.wait(minutes=10)
    assert play.phases()["bike-v2"] == "Live"


def test_first_version_at_zero_replicas_needs_a_ready_pod() -> None:
    play = a_play(serving={"replicas": 0})
    play.until_rolling(1)
    play.wait(hours=10)
    assert (play.phases()["bike-v1"], play.desired()) == ("RollingOut", {"bike-v1": 1})
    play.pods_ready()
    assert (play.phases()["bike-v1"], play.desired()) == ("Live", {"bike-v1": 0})


def test_a_step_without_a_hold_ends_when_its_replicas_are_ready() -> None:
    play = rolling(rollout={"steps": [{"weight": 50}]})
    assert play.version(2)["rollout"]["weight"] == 50
    play.pods_ready()
    assert play.version(2)["rollout"]["weight"] == 100


def test_the_operator_wakes_when_the_hold_ends() -> None:
    play = rolling()
    play.pods_ready()
    assert play.alarm is not None
    assert (play.alarm - play.now).total_seconds() == 300


def test_candidate_not_ready_in_time_is_rolled_back() -> None:
    play = rolling()
    play.pods_fail("bike-v2", trouble="pod bike-v2-x is waiting (ImagePullBackOff)")
    play.wait(minutes=14)
    assert play.version(2)["phase"] == "RollingOut"
    play.wait(minutes=1)
    assert (play.version(2)["phase"], play.version(2)["reason"]) == ("RolledBack", "NotReady")
    assert play.version(2)["message"] == (
        "0 of 1 replicas were ready after spec.rollout.timeout 15m: pod bike-v2-x is waiting (ImagePullBackOff)"
    )
    assert play.desired() == {"bike-v1": 2}
    assert play.condition("Ready")["status"] == "True"


def test_step_timeout_counts_microseconds() -> None:
    play = rolling(rollout={"timeout": "3s"})
    play.annotate("ModelVersion", "bike-v2", names.REJECTED, "ann")
    play.now = play.now.replace(microsecond=900_000)
    play.wait(hours=1)
    play.report("november", 0.4)
    play.until_rolling(3, candidate=80.0, live=120.0)
    play.wait(seconds=2.9)
    assert play.phases()["bike-v3"] == "RollingOut"
    play.wait(seconds=0.1)
    assert play.phases()["bike-v3"] == "RolledBack"


def test_candidate_that_refuses_its_artifact_is_rolled_back() -> None:
    play = rolling()
    refusal = {"outcome": "Refused", "reason": "DigestMismatch", "message": "s3://m has sha256 0, not 1"}
    play.pods_fail("bike-v2", refusal=refusal)
    assert play.version(2)["phase"] == "RolledBack"
    assert (play.version(2)["reason"], play.version(2)["message"]) == ("DigestMismatch", "s3://m has sha256 0, not 1")
    assert [a.warning for a in play.announced()][-1]


def test_short_pod_failure_only_restarts_the_hold() -> None:
    play = rolling()
    play.pods_ready()
    play.wait(minutes=4)
    play.pods_fail("bike-v2", trouble="the node was drained")
    play.wait(minutes=3)
    assert play.version(2)["phase"] == "RollingOut"
    assert play.desired() == {"bike-v1": 2, "bike-v2": 1}
    play.pods_ready()
    play.wait(minutes=4)
    assert play.version(2)["rollout"]["weight"] == 20
    play.wait(minutes=1)
    assert play.version(2)["rollout"]["weight"] == 50


def test_unstable_candidate_is_rolled_back_after_its_deadline() -> None:
    play = rolling()
    for _ in range(9):
        play.pods_ready()
        play.wait(minutes=1)
        play.pods_fail("bike-v2", trouble="CrashLoopBackOff")
        play.wait(minutes=1)
    assert play.version(2)["phase"] == "RollingOut"
    play.wait(minutes=2)
    assert play.version(2)["phase"] == "RolledBack"


def test_live_version_scales_up_before_rejected_pods_are_deleted() -> None:
    play = rolling(rollout={"steps": [{"weight": 50, "hold": "1h"}]})
    play.pods_ready()
    assert play.desired() == {"bike-v1": 1, "bike-v2": 1}
    play.annotate("ModelVersion", "bike-v2", names.REJECTED, "ann")
    assert (play.version(2)["phase"], play.version(2)["message"]) == ("RolledBack", "rejected by ann")
    assert play.desired() == {"bike-v1": 2, "bike-v2": 1}
    play.pods_ready("bike-v1")
    assert play.desired() == {"bike-v1": 2}


def test_answering_pods_count_while_deployment_status_lags() -> None:
    play = rolling(rollout={"steps": [{"weight": 50, "hold": "5m"}]})
    play.pods_ready()
    play.wait(minutes=5)
    play.cluster.edit("Deployment", "bike-v2", play.bodies["Deployment", "bike-v2"]["spec"] | {"replicas": 2})
    play.annotate("ModelVersion", "bike-v2", names.REJECTED, "ann")
    assert play.desired() == {"bike-v1": 2, "bike-v2": 2}, "one of two that serve is bike-v2's"
    play.pods_ready("bike-v1")
    assert play.desired() == {"bike-v1": 2}


def unready_first_version() -> Play:
    play = a_play()
    play.until_rolling(1)
    play.pods_fail("bike-v1", "pull secret missing")
    play.wait(hours=99)
    (rolled_out,) = (each for each in play.version(1)["conditions"] if each["type"] == "RolledOut")
    assert (rolled_out["status"], rolled_out["reason"]) == ("Unknown", "NotReady")
    return play


def test_first_version_keeps_its_deployment_until_it_is_ready() -> None:
    play = unready_first_version()
    assert (play.version(1)["phase"], play.version(1)["reason"]) == ("RollingOut", "NotReady")
    assert play.condition("Ready")["message"] == (
        "bike-v1: its replicas were not ready after spec.rollout.timeout 15m; no version is live, so it keeps its "
        "Deployment, and serves as soon as they are: fix their trouble or spec.serving: pull secret missing"
    )
    assert play.condition("Stalled")["status"] == "False"
    play.edit({"serving": {"pod": {"imagePullSecrets": [{"name": "registry"}]}}})
    play.pods_ready()
    assert play.phases() == {"bike-v1": "Live"}
    assert play.made["bike-v1-train"] == 1


def test_person_or_recipe_replaces_an_unready_first_version() -> None:
    play = unready_first_version()
    play.annotate("ModelDeployment", "bike", names.RETRAIN, "now")
    assert play.phases() == {"bike-v1": "Superseded", "bike-v2": "Training"}
    play = unready_first_version()
    play.edit({"model": {"parameters": {"fit_intercept": False}}})
    assert play.phases() == {"bike-v1": "Superseded", "bike-v2": "Training"}


@pytest.mark.parametrize(
    ("steps", "weight"),
    [([], 100), ([{"weight": 10}], 100), ([{"weight": 10}, {"weight": 15}, {"weight": 80, "hold": "1h"}], 80)],
)
def test_edit_of_steps_never_lowers_the_weight(steps: list[dict[str, Any]], weight: int) -> None:
    play = rolling(serving={"replicas": 10})
    play.pods_ready()
    play.wait(minutes=5)
    assert play.version(2)["rollout"]["weight"] == 50
    play.pods_ready()
    play.edit({"rollout": {"steps": steps}})
    assert play.version(2)["rollout"]["weight"] == weight


def test_more_replicas_in_the_middle_of_a_step_are_waited_for() -> None:
    play = rolling()
    play.pods_ready()
    play.edit({"serving": {"replicas": 10}})
    assert play.desired() == {"bike-v1": 9, "bike-v2": 2}
    play.wait(minutes=6)
    assert play.version(2)["rollout"]["weight"] == 20
    play.pods_ready()
    assert play.desired() == {"bike-v1": 8, "bike-v2": 2}


def test_scale_down_during_a_step_keeps_both_versions() -> None:
    play = rolling(serving={"replicas": 10})
    play.pods_ready()
    assert play.desired() == {"bike-v1": 8, "bike-v2": 2}
    play.edit({"serving": {"replicas": 2}})
    assert play.desired() == {"bike-v1": 2, "bike-v2": 1}
    play.wait(minutes=5)
    play.pods_ready()
    assert play.desired() == {"bike-v1": 1, "bike-v2": 1}


def test_autoscaler_selector_has_pods_of_both_versions() -> None:
    play = rolling()
    play.pods_ready()
    assert play.status["selector"] == "perennial.dev/model-deployment=bike,perennial.dev/role=serving"
    assert play.status["replicas"] == sum(play.desired().values())


def test_another_port_in_the_middle_of_a_step_rolls_nothing_back() -> None:
    play = rolling()
    play.pods_ready()
    play.edit({"serving": {"port": 9090}})
    play.wait(minutes=2)
    play.pods_ready()
    play.wait(minutes=5)
    play.pods_ready()
    play.wait(minutes=10)
    play.pods_ready()
    assert play.phases()["bike-v2"] == "Live"
    assert play.services["bike"]["spec"]["ports"][0]["port"] == 9090


@pytest.mark.parametrize(
    ("key", "phase", "message"),
    [
        (names.APPROVED, "RollingOut", "weight 20 %: 1 replica beside 2 of bike-v1"),
        (names.REJECTED, "Rejected", "rejected by ann"),
    ],
)
def test_person_approves_or_rejects_a_waiting_candidate(key: str, phase: str, message: str) -> None:
    play = rolling(rollout={"approval": "manual"})
    assert play.version(2)["phase"] == "AwaitingApproval"
    play.wait(hours=50)
    assert play.status["phase"] == "AwaitingApproval"
    play.annotate("ModelVersion", "bike-v2", key, "ann")
    assert (play.version(2)["phase"], play.version(2)["message"]) == (phase, message)


def test_automatic_approval_continues_a_waiting_candidate() -> None:
    play = rolling(rollout={"approval": "manual"})
    play.edit({"rollout": {"approval": "automatic"}})
    assert play.version(2)["phase"] == "RollingOut"
    assert [c["type"] for c in play.version(2)["conditions"]] == ["Trained", "Validated", "Approved", "RolledOut"]


def test_older_of_two_live_versions_is_superseded() -> None:
    play = rolling(rollout={"steps": []})
    for _ in range(50):
        play.dies_in = 1
        play.pods_ready()
        if play.phases()["bike-v2"] == "Live":
            break
    assert play.phases() == {"bike-v1": "Superseded", "bike-v2": "Live"}


def test_version_in_flight_that_is_not_newest_is_superseded() -> None:
    """A backup without status, or a person, brings such versions."""
    play = a_play()
    play.until_live(1)
    body = play.bodies["ModelVersion", "bike-v1"]
    metadata = {**body["metadata"], "name": "bike-v0", "uid": "uid-bike-v0"}
    play.cluster.put({**body, "metadata": metadata, "spec": {**body["spec"], "number": 1}, "status": {}})
    play.cluster.change("ModelVersion", "bike-v1", spec={**body["spec"], "number": 2})
    play.settle()
    assert play.phases() == {"bike-v1": "Live", "bike-v0": "Superseded"}
    assert play.made["bike-v0-train"] == 0


@pytest.mark.parametrize("approval", ["manual", "automatic"])
def test_tightened_threshold_reaches_a_candidate_past_the_gate(approval: str) -> None:
    play = rolling(rollout={"approval": approval})
    play.pods_ready()
    play.edit({"validation": {"thresholds": [{"metric": "r2", "min": 0.8}]}})
    assert play.phases()["bike-v2"] in ("AwaitingApproval", "RollingOut")
    play.edit({"validation": {"thresholds": [{"metric": "r2", "min": 0.99}]}})
    assert play.phases() == {"bike-v1": "Live", "bike-v2": "Rejected" if approval == "manual" else "RolledBack"}
    assert (play.version(2)["reason"], play.version(2)["message"]) == (
        "ThresholdNotMet",
        "r2 is 0.9 on 200 holdout rows, below min 0.99; spec.validation was changed after the candidate had passed",
    )
    play.pods_ready()
    assert play.desired() == {"bike-v1": 2}


def test_pinned_version_is_not_judged_again() -> None:
    play = rolling(rollout={"approval": "manual"})
    play.edit({"pin": "bike-v2", "validation": {"thresholds": [{"metric": "r2", "min": 0.99}]}})
    play.pods_ready()
    assert play.phases()["bike-v2"] == "Live"
