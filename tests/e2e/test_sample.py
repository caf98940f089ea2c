"""The smallest case, exactly as a newcomer applies it."""

from __future__ import annotations

import numpy as np
import yaml

from tests.stage import ROOT, Stage

SAMPLE = ROOT / "manifests" / "samples" / "01-linear-regression.yaml"


def a_newer_table() -> str:
    """240 rows in which the target has another relation to the features."""
    random = np.random.default_rng(2)
    one, two = random.normal(20, 5, 240), random.normal(60, 10, 240)
    target = -4 * one + 1.5 * two + 100 + random.normal(0, 2, 240)
    return "feature1,feature2,target\n" + "\n".join(
        f"{a:.2f},{b:.2f},{c:.2f}" for a, b, c in zip(one, two, target, strict=True)
    )


def test_the_sample_goes_live_and_retrains_on_drift(stage: Stage) -> None:
    stage.kubectl.apply(SAMPLE)
    first = stage.until_phase("linear-regression-v1", "Live")
    assert {"mse", "r2"} <= set(first["metrics"]["candidate"])
    assert first["metrics"]["candidate"]["r2"] > 0.9
    stage.wait("it is Ready", lambda: stage.condition("linear-regression", "Ready").get("status") == "True")

    table = next(d for d in yaml.safe_load_all(SAMPLE.read_text()) if d["kind"] == "ConfigMap")
    table["data"]["2026-02.csv"] = a_newer_table()
    stage.apply(table)

    second = stage.until_phase("linear-regression-v2", "Live", "Rejected", "Failed", "RolledBack", timeout=150)
    assert second["phase"] == "Live", second["message"]
    assert second["metrics"]["candidate"]["mse"] < second["metrics"]["live"]["mse"]
    assert second["metrics"]["candidate"]["r2"] > 0.9 > second["metrics"]["live"]["r2"]
    version = stage.kubectl.get("ModelVersion", "linear-regression-v2")
    assert version and version["spec"]["trigger"]["reason"] == "Drift"
    report = stage.kubectl.get("DriftReport", version["spec"]["trigger"]["driftReport"])
    assert report and report["status"]["outcome"] == "Triggered"
    assert report["spec"]["source"] == "perennial"
