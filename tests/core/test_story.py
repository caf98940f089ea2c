"""The whole story, told by the core alone."""

from __future__ import annotations

from tests.simulation.play import a_play
from tests.simulation.results import TRAINED, validated


def test_a_first_version_is_trained_validated_and_served() -> None:
    play = a_play()
    play.settle()
    assert play.status["phase"] == "Training"
    play.until_live(1)
    assert play.status["liveVersion"] == "bike-v1"
    assert play.status["phase"] == "Live"
    assert {c["type"]: c["status"] for c in play.status["conditions"]} == {
        "Available": "True",
        "Ready": "True",
        "Reconciling": "False",
        "Stalled": "False",
        "Retraining": "False",
    }


def test_a_breach_brings_a_second_version_step_by_step() -> None:
    play = a_play(rollout={"steps": [{"weight": 50, "hold": "5m"}]}, drift={"cooldown": "1m"})
    play.until_live(1)
    play.wait(hours=1)
    play.report("october", psi=0.31)
    play.settle()
    assert play.outcome("october") == ("Triggered", "psi of feature1 is 0.31, above 0.2; training bike-v2")
    play.finish("bike-v2-train", TRAINED)
    play.finish("bike-v2-validate", validated(80.0, live=120.0))
    assert play.status["weight"] == 50
    assert play.status["phase"] == "RollingOut"
    assert play.condition("Ready")["status"] == "True"
    play.pods_ready()
    assert play.serving["bike-v1"].desired == 1
    play.wait(minutes=5)
    assert play.status["weight"] == 100
    play.pods_ready()
    assert play.status["liveVersion"] == "bike-v2"
    assert play.version(1)["phase"] == "Superseded"
    assert set(play.serving) == {"bike-v2"}
    assert play.version(2)["metric"] == "mse 80 (live 120)"


def test_worse_candidate_is_rejected_and_live_version_stays() -> None:
    play = a_play(drift={"cooldown": "1m"})
    play.until_live(1)
    play.wait(hours=1)
    play.report("october")
    play.settle()
    play.finish("bike-v2-train", TRAINED)
    play.finish("bike-v2-validate", validated(150.0, live=120.0, upper=0.4))
    assert play.version(2)["phase"] == "Rejected"
    assert play.version(2)["reason"] == "WorseThanLive"
    assert play.status["liveVersion"] == "bike-v1"
    assert "mse is 150, bike-v1 has 120 on the same 200 holdout rows" in play.condition("Retraining")["message"]
    assert play.condition("Ready")["status"] == "True"
