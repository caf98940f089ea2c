"""A version survives its cluster: nothing is left but the storage, and what was live serves again, untrained."""

from __future__ import annotations

from typing import Any

import pytest

from tests.e2e.models import a_claim, a_model, a_report, a_table, first_version, rows
from tests.stage import Stage

OURS = "perennial.dev/model-deployment=lost"
FILES = {"0.csv": rows(0)}
NEWER = FILES | {"1.csv": rows(1, slope=9)}
QUESTION = {"feature1": [1.0], "feature2": [0.0]}


@pytest.fixture(scope="module")
def lost(stage: Stage) -> dict[str, Any]:
    """The status of a second version that was live, of which the cluster has nothing any more but the claim."""
    first_version(stage, "lost", FILES)
    stage.apply(a_table("lost-data", NEWER), a_report("lost-report", "lost"))
    stage.until_phase("lost-v2", "Live")
    status = stage.wait("v2 is in the ledger", lambda: (s := stage.version("lost-v2")).get("recorded") and s)
    for kind, name in (("DriftReport", "lost-report"), ("ModelDeployment", "lost"), ("ConfigMap", "lost-data")):
        stage.kubectl.delete(kind, name)
    stage.wait(
        "nothing of it is left",
        lambda: (
            not any(stage.kubectl.list(kind, OURS) for kind in ("ModelVersion", "Job", "Pod", "Deployment", "Service"))
        ),
    )
    return dict(status)


def test_a_reapplied_model_serves_from_the_ledger_untrained(stage: Stage, lost: dict[str, Any]) -> None:
    stage.apply(a_table("lost-data", NEWER), a_claim("lost-models"), a_model("lost"))
    again = stage.until_phase("lost-v2", "Live")
    kept = ("artifact", "data", "metrics", "image", "liveSince", "recorded")
    assert {key: again[key] for key in kept} == {key: lost[key] for key in kept}
    stage.wait("it is Ready", lambda: stage.condition("lost", "Ready").get("status") == "True")
    assert stage.predict("lost", QUESTION) == pytest.approx([9.0], abs=0.5)
    versions = [v["metadata"]["name"] for v in stage.kubectl.list("ModelVersion", OURS)]
    assert versions == ["lost-v2"]
    stage.wait("the look is over", lambda: not stage.kubectl.list("Job", OURS))
    log = stage.operator_log.read_text().rpartition("created Job lost-recover")[2]
    assert "created ModelVersion lost-v2" in log
    assert "lost-v2-train" not in log


def test_the_loop_continues_with_the_third_version(stage: Stage, lost: dict[str, Any]) -> None:
    stage.apply(a_table("lost-data", FILES | {"2.csv": rows(2, slope=-4)}), a_report("lost-again", "lost"))
    third = stage.until_phase("lost-v3", "Live", "Rejected", "Failed", "RolledBack")
    assert third["phase"] == "Live", third["message"]
    assert third["metrics"]["live"]["mse"] > third["metrics"]["candidate"]["mse"]


def test_a_pin_brings_back_a_version_whose_record_is_gone(stage: Stage, lost: dict[str, Any]) -> None:
    assert stage.version("lost-v1") == {}
    stage.kubectl.patch("ModelDeployment", "lost", {"spec": {"pin": "lost-v1"}})
    stage.until_phase("lost-v1", "Live")
    stage.wait("the first version serves alone", lambda: stage.serves_alone("lost-v1"))
    assert stage.predict("lost", QUESTION) == pytest.approx([3.0], abs=0.3)
