"""What a person's pin, suspension and edits do in each phase of a candidate."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from perennial_operator.core import names
from tests.simulation.play import Play, a_play
from tests.simulation.results import REFUSED, TRAINED, validated

STEPS = {"steps": [{"weight": 50, "hold": "10m"}]}


def second(phase: str) -> Play:
    """Version 1 is live, version 2 is in this phase."""
    play = a_play(rollout=STEPS, drift={"cooldown": "1m"})
    play.until_live(1)
    if phase == "AwaitingApproval":
        play.edit({"rollout": {"approval": "manual"}})
    play.wait(hours=1)
    play.report("october")
    play.settle()
    if phase != "Training":
        play.finish("bike-v2-train", TRAINED)
    if phase in ("AwaitingApproval", "RollingOut"):
        play.finish("bike-v2-validate", validated(80.0, live=120.0))
    if phase == "RollingOut":
        play.pods_ready()
    assert play.phases()["bike-v2"] == phase
    return play


def go_on(play: Play) -> None:
    """All that version 2 waits for happens."""
    for job, answer in (("bike-v2-train", TRAINED), ("bike-v2-validate", validated(80.0, live=120.0))):
        if job in play.jobs:
            play.finish(job, answer)
    if play.phases()["bike-v2"] == "AwaitingApproval":
        play.annotate("ModelVersion", "bike-v2", names.APPROVED, "ann")
    for _ in range(3):
        play.pods_ready()
        play.wait(minutes=10)


PHASES = ("Training", "Validating", "AwaitingApproval", "RollingOut")


@pytest.mark.parametrize("phase", PHASES)
def test_suspension_starts_nothing_and_then_candidate_continues(phase: str) -> None:
    play = second(phase)
    play.edit({"suspend": True})
    made = dict(play.made)
    play.wait(hours=9)
    assert dict(play.made) == made
    assert play.status["phase"] == "Suspended"
    assert play.phases() == {"bike-v1": "Live", "bike-v2": phase}
    assert play.condition("Available")["status"] == "True"
    play.edit({"suspend": False})
    go_on(play)
    assert play.phases() == {"bike-v1": "Superseded", "bike-v2": "Live"}


def test_training_result_is_recorded_while_suspended() -> None:
    play = second("Training")
    play.edit({"suspend": True})
    play.finish("bike-v2-train", TRAINED)
    assert play.phases()["bike-v2"] == "Validating"
    assert "bike-v2-validate" not in play.jobs


def test_suspension_does_not_count_towards_timeouts() -> None:
    play = second("RollingOut")
    play.pods_fail("bike-v2", "the node was drained")
    play.edit({"suspend": True})
    play.wait(hours=2)
    play.edit({"suspend": False})
    assert play.phases()["bike-v2"] == "RollingOut"
    play.pods_ready()
    play.wait(minutes=9)
    assert play.version(2)["rollout"]["weight"] == 50
    play.wait(minutes=1)
    assert play.version(2)["rollout"]["weight"] == 100


@pytest.mark.parametrize("phase", PHASES)
def test_a_pin_lets_a_candidate_wait_unless_it_has_pods(phase: str) -> None:
    play = second(phase)
    play.edit({"pin": "bike-v1"})
    made = dict(play.made)
    play.wait(hours=9)
    assert dict(play.made) == made
    assert play.status["phase"] == "Pinned"
    play.pods_ready("bike-v1")
    assert play.desired() == {"bike-v1": 2}
    play.edit({"pin": None})
    go_on(play)
    ended = {"bike-v1": "Live", "bike-v2": "Superseded"} if phase == "RollingOut" else None
    assert play.phases() == (ended or {"bike-v1": "Superseded", "bike-v2": "Live"})


def test_pinned_version_stays_live_after_the_pin_is_removed() -> None:
    play = second("RollingOut")
    go_on(play)
    assert play.status["liveVersion"] == "bike-v2"
    play.edit({"pin": "bike-v1"})
    assert play.condition("Ready")["reason"] == "PinNotReady"
    assert play.desired() == {"bike-v1": 2, "bike-v2": 2}
    play.pods_ready("bike-v1")
    assert play.status["liveVersion"] == "bike-v1"
    assert play.desired() == {"bike-v1": 2}
    assert play.holding()["Ready"] == "True"
    play.edit({"pin": None})
    play.wait(hours=9)
    assert play.phases() == {"bike-v1": "Live", "bike-v2": "Superseded"}


def test_candidate_is_validated_again_after_a_pin() -> None:
    play = second("RollingOut")
    go_on(play)
    play.edit({"rollout": {"approval": "manual"}})
    play.report("november")
    play.until_rolling(3, candidate=80.0, live=120.0)
    assert play.phases()["bike-v3"] == "AwaitingApproval"
    play.edit({"pin": "bike-v1"})
    play.pods_ready("bike-v1")
    assert play.phases()["bike-v3"] == "Validating"
    assert "bike-v3-validate" not in play.jobs
    play.edit({"pin": None})
    assert play.jobs["bike-v3-validate"].labels[names.AGAINST] == "bike-v1"
    assert play.made["bike-v3-validate"] == 2


@pytest.mark.parametrize(
    ("end", "phase"),
    [
        (lambda play: play.finish("bike-v2-validate", validated(150.0, live=100.0, upper=0.6)), "Rejected"),
        (lambda play: play.finish("bike-v2-validate", REFUSED), "Failed"),
    ],
)
def test_version_that_failed_the_gate_can_be_pinned(end: Callable[[Play], Any], phase: str) -> None:
    play = second("Validating")
    end(play)
    assert play.phases()["bike-v2"] == phase
    play.edit({"pin": "bike-v2"})
    play.pods_ready()
    assert play.phases() == {"bike-v1": "Superseded", "bike-v2": "Live"}
    assert "endedAt" not in play.version(2)


@pytest.mark.parametrize(
    ("pin", "suffix"),
    [("bike-v9", "; the ledger has no bike-v9"), ("bike-v2", ""), ("nobody", "; the ledger has no nobody")],
)
def test_pin_without_a_model_is_reported_and_changes_nothing(pin: str, suffix: str) -> None:
    play = second("Training")
    play.finish("bike-v2-train", REFUSED)
    play.edit({"pin": pin})
    play.wait(hours=9)
    assert play.status["phase"] == "Stalled"
    assert play.condition("Stalled")["message"] == (
        f"spec.pin names {pin}, which is not a version with a stored model{suffix}; "
        "name one that kubectl get modelversions shows, or remove spec.pin"
    )
    assert play.status["liveVersion"] == "bike-v1"
    assert play.holding()["Available"] == "True"


def test_mistyped_pin_keeps_the_candidate() -> None:
    play = second("RollingOut")
    play.edit({"pin": "bike-v11"})
    play.wait(hours=2)
    play.edit({"pin": None})
    assert play.phases() == {"bike-v1": "Live", "bike-v2": "RollingOut"}


def test_breach_during_a_pin_is_judged_after_it() -> None:
    play = a_play()
    play.until_live(1)
    play.wait(hours=2)
    play.edit({"pin": "bike-v1"})
    play.report("october")
    play.settle()
    assert play.outcome("october")[0] == "Pinned"
    play.edit({"pin": None})
    assert play.outcome("october")[0] == "Triggered"


@pytest.mark.parametrize("phase", PHASES)
@pytest.mark.parametrize(
    "edit",
    [{"model": {"parameters": {"fit_intercept": False}}}, {"data": {"holdout": 0.3}}],
    ids=["model", "data"],
)
def test_candidate_is_superseded_after_a_change_of_spec(phase: str, edit: dict[str, Any]) -> None:
    play = second(phase)
    play.edit(edit)
    assert play.phases() == {"bike-v1": "Live", "bike-v2": "Superseded", "bike-v3": "Training"}
    assert play.version(2)["reason"] == "SpecChanged"
    assert "bike-v2-train" not in [name for name, job in play.jobs.items() if job.state.value == "Running"]
    assert play.bodies["ModelVersion", "bike-v3"]["spec"]["trigger"]["reason"] == "SpecChange"
    play.edit({"rollout": {"approval": "automatic"}})
    play.until_live_again(3)
    assert play.desired() == {"bike-v3": 2}
    assert play.holding()["Ready"] == "True"


@pytest.mark.parametrize("phase", PHASES)
@pytest.mark.parametrize(
    "edit",
    [
        {"drift": {"thresholds": [{"metric": "r2", "min": 0.1}]}},
        {"drift": None},
        {"data": {"minRows": 20}},
        {"data": {"training": {"secretRef": {"name": "new-keys"}}}},
        {"training": {"retries": 5}},
        {"history": {"versions": 3}},
        {"serving": {"replicas": 3}},
    ],
    ids=["thresholds", "no drift", "minRows", "secret", "retries", "history", "replicas"],
)
def test_an_edit_of_anything_else_disturbs_no_candidate(phase: str, edit: dict[str, Any]) -> None:
    play = second(phase)
    play.edit(edit)
    go_on(play)
    go_on(play)
    assert play.phases() == {"bike-v1": "Superseded", "bike-v2": "Live"}


@pytest.mark.parametrize("phase", ["Validating", "AwaitingApproval"])
def test_changed_comparison_metric_validates_again(phase: str) -> None:
    play = second(phase)
    play.edit({"validation": {"against": {"metric": "r2", "confidence": 0.9}}})
    assert play.jobs["bike-v2-validate"].labels[names.COMPARED_BY] == "r2-0.9"
    answer = validated(80.0, live=120.0)
    answer["worsening"] |= {"metric": "r2", "upper": -0.2, "confidence": 0.9}
    play.finish("bike-v2-validate", answer)
    assert play.version(2)["metric"] == "r2 0.9 (live 0.5)"


def test_changed_slice_needs_a_new_job_but_a_limit_does_not() -> None:
    play = second("Validating")
    by_feature = {"column": "feature1", "metric": "mse", "maxRatio": 1.5}
    play.edit({"validation": {"slices": [by_feature]}})
    assert play.made["bike-v2-validate"] == 2
    play.edit({"validation": {"slices": [by_feature | {"maxRatio": 1.2}]}})
    assert play.made["bike-v2-validate"] == 2
    worst = {"column": "feature1", "metric": "mse", "group": "up to 3", "rows": 50}
    answer = validated(80.0, live=120.0) | {"slices": [worst | {"candidate": 130.0, "live": 100.0, "ratio": 1.3}]}
    play.finish("bike-v2-validate", answer)
    assert (play.version(2)["phase"], play.version(2)["reason"]) == ("Rejected", "SliceWorse")
    assert "feature1 up to 3" in play.version(2)["message"]
    assert play.phases()["bike-v1"] == "Live"


def test_deleted_candidate_loses_its_pods_and_its_name() -> None:
    play = second("RollingOut")
    play.remove("ModelVersion", "bike-v2")
    play.pods_ready()
    assert play.desired() == {"bike-v1": 2}
    assert play.holding()["Ready"] == "True"
    play.wait(hours=2)
    play.report("november", 0.4)
    play.settle()
    assert play.phases() == {"bike-v1": "Live", "bike-v3": "Training"}


def test_deleted_live_version_serves_until_replaced() -> None:
    play = a_play()
    play.until_live(1)
    play.remove("ModelVersion", "bike-v1")
    assert play.desired() == {"bike-v1": 2}
    assert play.status["readyReplicas"] == 2
    play.until_live(2)
    assert play.desired() == {"bike-v2": 2}
    assert play.phases() == {"bike-v2": "Live"}
