"""The closed loop, by the real operator and the real trainer."""

from __future__ import annotations

import pytest

from tests.e2e.models import a_report, a_table, first_version, rows
from tests.stage import Stage


def test_five_drifts_in_a_row_give_five_rollouts(stage: Stage) -> None:
    files = {"0.csv": rows(0)}
    first_version(
        stage, "five", files, {"rollout": {"steps": [{"weight": 50, "hold": "1s"}]}, "serving": {"replicas": 2}}
    )
    for month in range(1, 6):
        files[f"{month}.csv"] = rows(month, slope=3.0 + 2 * month)
        stage.apply(a_table("five-data", files), a_report(f"five-month-{month}", "five", psi=0.3 + month / 100))
        live = stage.until_phase(f"five-v{month + 1}", "Live", "Rejected", "Failed", "RolledBack")
        assert live["phase"] == "Live", live["message"]
        assert live["metrics"]["candidate"]["mse"] < live["metrics"]["live"]["mse"]
        assert stage.outcome(f"five-month-{month}")[0] == "Triggered"
    stage.wait(
        "only the newest version serves",
        lambda: (
            [d["metadata"]["name"] for d in stage.kubectl.list("Deployment", "perennial.dev/model-deployment=five")]
            == ["five-v6"]
        ),
    )
    stage.wait("the ledger has the last version, too", lambda: "recorded" in stage.version("five-v6"))
    jobs = [job["metadata"]["name"] for job in stage.kubectl.list("Job", "perennial.dev/model-deployment=five")]
    assert sorted(job for job in jobs if not job.endswith("-record")) == sorted(
        f"five-v{n}-{task}" for n in (5, 6) for task in ("train", "validate")
    )
    rolled_out = [
        message for reason, message in stage.kubectl.events("ModelDeployment", "five") if reason == "RolledOut"
    ]
    assert len(rolled_out) == 6


@pytest.fixture(scope="module")
def calm(stage: Stage) -> str:
    """A live model without drift, with a long cool-down."""
    first_version(stage, "calm", {"0.csv": rows(0)}, {"drift": {"cooldown": "1h", "minSamples": 200}})
    return "calm"


@pytest.mark.parametrize(
    ("report", "outcome", "why"),
    [
        (a_report("small", "calm", samples=8), "TooFewSamples", "8 samples are fewer than spec.drift.minSamples 200"),
        (a_report("within", "calm", psi=0.1), "WithinThresholds", "within thresholds: psi of feature1 0.1"),
        (
            a_report("older", "calm", modelVersion="calm-v0"),
            "Stale",
            "the report is about calm-v0, and calm-v1 is live",
        ),
        (
            a_report("past", "calm", window={"start": "2020-01-01T00:00:00Z", "end": "2020-01-02T00:00:00Z"}),
            "Stale",
            "its window ends at 2020-01-02",
        ),
        (a_report("within-again", "calm", psi=0.1), "Duplicate", "same version, window and metrics as within"),
        (a_report("strange", "calm", metrics=[{"name": "surprise", "value": 1}]), "Invalid", "none of its metrics"),
        (a_report("worse", "calm", psi=0.9), "CoolingDown", "no new candidate before"),
    ],
)
def test_a_report_that_is_no_reason_starts_nothing_and_says_why(
    stage: Stage, calm: str, report: dict[str, object], outcome: str, why: str
) -> None:
    stage.apply(report)
    recorded = stage.outcome(report["metadata"]["name"])  # type: ignore[index]
    assert recorded[0] == outcome
    assert why in recorded[1]
    assert stage.kubectl.get("ModelVersion", "calm-v2") is None


def test_a_report_that_is_applied_twice_counts_once(stage: Stage) -> None:
    files = {"0.csv": rows(0)}
    first_version(stage, "twice", files)
    report = a_report("twice-report", "twice")
    stage.apply(a_table("twice-data", files | {"1.csv": rows(1, slope=9)}), report)
    stage.until_phase("twice-v2", "Live")
    stage.apply(report, a_report("twice-copy", "twice", modelVersion="twice-v1"))
    assert stage.outcome("twice-copy")[0] == "Stale"
    assert stage.outcome("twice-report")[0] == "Triggered"
    assert stage.kubectl.get("ModelVersion", "twice-v3") is None


def test_drift_without_a_new_row_makes_no_model_and_no_failure(stage: Stage) -> None:
    first_version(stage, "same", {"0.csv": rows(0)}, {"training": {"maxRejections": 1}})
    stage.apply(a_report("same-report", "same"))
    second = stage.until_phase("same-v2", "Superseded", "Live", "Rejected", "Failed")
    assert (second["phase"], second["reason"]) == ("Superseded", "NoNewRows"), second["message"]
    assert "that same-v1 was trained on" in second["message"]
    assert stage.condition("same", "Stalled")["status"] == "False"
    stage.apply(
        a_table("same-data", {"0.csv": rows(0), "1.csv": rows(1, slope=9)}), a_report("same-again", "same", psi=0.6)
    )
    assert stage.until_phase("same-v3", "Live", "Rejected", "Failed")["phase"] == "Live"


def test_predictions_follow_the_live_version(stage: Stage) -> None:
    files = {"0.csv": rows(0, slope=3)}
    first_version(stage, "ask", files)
    question = {"feature1": [1.0, 2.0], "feature2": [0.0, 0.0]}
    assert stage.predict("ask", question) == pytest.approx([3.0, 6.0], abs=0.3)
    stage.apply(a_table("ask-data", files | {"1.csv": rows(1, slope=-5)}), a_report("ask-report", "ask"))
    stage.until_phase("ask-v2", "Live")
    stage.wait("the second version serves alone", lambda: stage.serves_alone("ask-v2"))
    assert stage.predict("ask", question) == pytest.approx([-5.0, -10.0], abs=0.3)
