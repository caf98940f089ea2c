"""Models of LightGBM, of XGBoost, of a stack and of a package of one's own go through the whole loop to a second version."""

from __future__ import annotations

from typing import Any

import pytest

from tests.builders import merged
from tests.e2e.models import a_report, a_table, first_version, rows
from tests.e2e.test_refit import timed
from tests.stage import Stage, chosen_cluster
from tests.trainer.own_package import SPEC

INSIDE = [
    {"name": "logistic", "estimator": "sklearn.linear_model.LogisticRegression", "parameters": {"C": 0.5}},
    {"name": "trees", "estimator": "lightgbm.LGBMClassifier", "parameters": {"n_estimators": 10}},
    {"name": "boosted", "estimator": "xgboost.XGBClassifier", "parameters": {"n_estimators": 10}},
]
(CYCLE,) = SPEC["model"]["features"]["transformers"]
OF_FEATURES = {
    "model": {"features": {"numeric": ["feature1", "feature2"], "transformers": [{**CYCLE, "columns": ["feature2"]}]}}
}
MODELS: dict[str, dict[str, Any]] = {
    "light": {
        "model": {"estimator": "lightgbm.LGBMRegressor", "parameters": {"n_estimators": 30}},
        "data": {"timeColumn": "at", "window": "auto"},  # so that the second version is a blend
    },
    "extreme": {
        "model": {"estimator": "xgboost.XGBRegressor", "parameters": {"n_estimators": 30}, "format": "skops"},
        "data": {"timeColumn": "at", "window": 240},
    },
    "stack": {
        "model": {
            "estimator": "sklearn.ensemble.StackingClassifier",
            "parameters": {"estimators": INSIDE, "cv": 3},
            "format": "skops",
            "task": "classification",
        },
        "data": {"timeColumn": "at", "window": 240},
    },
    "acme": {**merged(SPEC, OF_FEATURES), "data": {"timeColumn": "at", "window": 240}},
}
NOT_OURS = pytest.mark.skipif(chosen_cluster() == "current", reason="its nodes have no image with the package")


def table(name: str, seed: int, slope: float, first_day: int) -> str:
    """240 rows; the classes of the stack are the sign of the target."""
    text = timed(rows(seed, slope, count=240), first_day)
    if name != "stack":
        return text
    header, *lines = text.splitlines()
    cells = (line.rpartition(",") for line in lines)
    return "\n".join([header, *(f"{before},{'loss' if value[0] == '-' else 'gain'}" for before, _, value in cells)])


@pytest.mark.parametrize(
    ("name", "metric"),
    [("light", "mse"), ("extreme", "mse"), ("stack", "log_loss"), pytest.param("acme", "mse", marks=NOT_OURS)],
)
def test_second_version_is_better_and_live(stage: Stage, name: str, metric: str) -> None:
    files = {"0.csv": table(name, 0, 3.0, 1)}
    first_version(stage, name, files, MODELS[name])
    files["1.csv"] = table(name, 1, -9.0, 11)
    stage.apply(a_table(f"{name}-data", files), a_report(f"{name}-report", name))
    second = stage.until_phase(f"{name}-v2", "Live", "Rejected", "Failed", "RolledBack", timeout=150)
    assert second["phase"] == "Live", second["message"]
    assert second["metrics"]["candidate"][metric] < second["metrics"]["live"][metric], second["metrics"]
