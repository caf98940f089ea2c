"""A model that was trained elsewhere serves as version 1, and a drift report starts the training of its successor."""

from __future__ import annotations

from hashlib import sha256
from io import StringIO

import lightgbm
import pandas as pd

from tests.e2e.models import a_claim, a_model, a_report, a_table, rows
from tests.e2e.test_refit import served_digest, timed
from tests.stage import Stage

FEATURES = ["feature1", "feature2"]


def existing_model(table: str) -> str:
    """LightGBM's file of a booster of these rows."""
    frame = pd.read_csv(StringIO(table))
    booster = lightgbm.train(
        {"verbosity": -1, "num_threads": 1}, lightgbm.Dataset(frame[FEATURES], frame["target"]), 100
    )
    return booster.model_to_string()


def test_adopted_model_serves_until_a_better_one(stage: Stage) -> None:
    model = existing_model(rows(0, count=240))
    files = {"0.csv": timed(rows(0, count=240), 1), "old.txt": model}
    spec = {
        "adopt": {"uri": "file:///data/old.txt", "sha256": sha256(model.encode()).hexdigest(), "format": "lightgbm"},
        "data": {"timeColumn": "at", "window": 240},
        "validation": {"thresholds": [{"metric": "r2", "min": 0.5}]},
    }
    stage.apply(a_table("old-data", files), a_claim("old-models"), a_model("old", spec))
    first = stage.until_phase("old-v1", "Live", "Rejected", "Failed")
    assert first["phase"] == "Live", first["message"]
    assert "may flatter it" in first["findings"][0] and first["blend"]["fits"] == 0
    assert served_digest(stage, "old-v1") == first["artifact"]["sha256"]
    assert stage.kubectl.get("ModelVersion", "old-v1")["spec"]["trigger"]["reason"] == "Adopted"  # type: ignore[index]

    files["1.csv"] = timed(rows(1, slope=-9.0, count=240), 11)
    stage.apply(a_table("old-data", files), a_report("old-report", "old"))
    second = stage.until_phase("old-v2", "Live", "Rejected", "Failed", "RolledBack")
    assert second["phase"] == "Live", second["message"]
    assert second["metrics"]["candidate"]["mse"] < second["metrics"]["live"]["mse"]
    assert second["blend"]["fits"] == 1
