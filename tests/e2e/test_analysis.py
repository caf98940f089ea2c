"""A version goes back by what its pods say of real requests, also after its promotion; without any it is held."""

from __future__ import annotations

from typing import Any

import pytest

from tests.e2e.faults import Asker, a_faulty_site, faulty
from tests.e2e.models import a_report, a_table, first_version, rows
from tests.stage import Stage

ANALYSIS = {"interval": "1s", "minRequests": 100, "limit": "1h"}
ROLLOUT = {"steps": [{"weight": 50, "hold": "1s"}], "analysis": ANALYSIS, "timeout": "60s"}
FAULTS = {"trial-v2": {"every": 20}, "trial-v3": {"seconds": 0.05}, "trial-v4": {"every": 5, "after": 600}}
"""Version 4 begins to fail when it has answered more requests than the analysis of its roll-out needs."""


@pytest.fixture(scope="module")
def trial(stage: Stage) -> Stage:
    """A live model of which version 2 will answer 5 % errors, version 3 slowly, and version 4 well at first."""
    if stage.cluster == "current":
        pytest.skip("the operator runs outside of somebody else's cluster, where pods have no address for it")
    stage.apply(a_faulty_site("trial"))
    first_version(stage, "trial", {"0.csv": rows(0)}, {"rollout": ROLLOUT, "serving": faulty("trial", FAULTS)})
    return stage


def drifts(stage: Stage, month: int) -> None:
    """Newer rows with another relation, and a report of it."""
    newer = {f"{month}.csv": rows(month, slope=3 + 4 * month)}
    stage.apply(a_table("trial-data", {"0.csv": rows(0), **newer}), a_report(f"trial-{month}", "trial", psi=month))


def analysed(stage: Stage, version: str) -> dict[str, Any]:
    conditions = stage.version(version).get("conditions", [])
    return next((c for c in conditions if c["type"] == "Analysed"), {})


def test_analysis_rolls_back_a_bad_candidate_and_waits_for_data(trial: Stage) -> None:
    with Asker(trial, "trial") as asker:
        for number, reason in ((2, "TooManyErrors"), (3, "TooSlow")):
            drifts(trial, number)
            back = trial.until_phase(f"trial-v{number}", "RolledBack", "Live", "Rejected", "Failed", timeout=120)
            assert (back["phase"], back["reason"]) == ("RolledBack", reason), back["message"]
            assert analysed(trial, f"trial-v{number}")["message"] == back["message"]
            event = (reason, f"trial-v{number}: {back['message']}")
            trial.wait(
                "an event says so", lambda event=event: event in trial.kubectl.events("ModelDeployment", "trial")
            )  # type: ignore[misc]
            trial.wait("the first version serves alone", lambda: trial.serves_alone("trial-v1"))
    assert set(asker.codes["trial-v1"]) == {200}

    drifts(trial, 4)
    trial.wait("it is held", lambda: analysed(trial, "trial-v4").get("reason") == "NoData", 120)
    message = analysed(trial, "trial-v4")["message"]
    assert "0 requests to the candidate and 0 to the live version" in message
    assert "without data the candidate is rolled back at" in message
    trial.wait("so it says", lambda: "; NoData: 0 req" in trial.condition("trial", "Retraining")["message"])
    trial.kill_operator()
    trial.start_operator()
    with Asker(trial, "trial") as asker:
        trial.until_phase("trial-v4", "Live")
        assert analysed(trial, "trial-v4")["reason"] == "AnalysisPassed"
        back = trial.until_phase("trial-v4", "RolledBack", timeout=120)
        assert back["reason"] == "TooManyErrors", back["message"]
        assert trial.version("trial-v1")["phase"] == "Live"
        trial.wait("the first version serves alone again", lambda: trial.serves_alone("trial-v1"))
    assert set(asker.codes["trial-v1"]) == {200}
