"""The smallest case, exactly as a newcomer applies it."""

from __future__ import annotations

from tests.samples import FEBRUARY, JANUARY, apply_first, first_rows
from tests.stage import Stage


def test_the_sample_goes_live_and_retrains_on_drift(stage: Stage) -> None:
    apply_first(stage.kubectl)
    first = stage.until_phase("linear-regression-v1", "Live")
    assert {"mse", "r2"} <= set(first["metrics"]["candidate"])
    assert first["metrics"]["candidate"]["r2"] > 0.9
    stage.wait("it is Ready", lambda: stage.condition("linear-regression", "Ready").get("status") == "True")

    stage.apply(first_rows(JANUARY, FEBRUARY))

    second = stage.until_phase("linear-regression-v2", "Live", "Rejected", "Failed", "RolledBack", timeout=150)
    assert second["phase"] == "Live", second["message"]
    assert second["metrics"]["candidate"]["mse"] < second["metrics"]["live"]["mse"]
    assert second["metrics"]["candidate"]["r2"] > 0.9 > second["metrics"]["live"]["r2"]
    version = stage.kubectl.get("ModelVersion", "linear-regression-v2")
    assert version and version["spec"]["trigger"]["reason"] == "Drift"
    report = stage.kubectl.get("DriftReport", version["spec"]["trigger"]["driftReport"])
    assert report and report["status"]["outcome"] == "Triggered"
    assert report["spec"]["source"] == "perennial"
