"""A training on workers that the operator starts: found by the pod that trains, and gone when it has ended.

They fit the candidates of the search and then, together, the chosen one.
"""

from __future__ import annotations

from typing import Any

from tests.e2e.models import a_claim, a_model, a_table, rows
from tests.stage import Stage

WORKERS = "perennial.dev/role=worker"
TRAINING = {
    "search": {"space": {"max_depth": [2, 3]}, "folds": 3},
    "engine": {"dask": {"workers": 2}},
}


def test_workers_survive_an_operator_and_are_removed(stage: Stage) -> None:
    estimator = {"estimator": "xgboost.XGBRegressor", "parameters": {"n_estimators": 20}}
    model = a_model("spread", {"model": estimator, "training": TRAINING})
    stage.apply(a_table("spread-data", {"0.csv": rows(0)}), a_claim("spread-models"), model)
    stage.wait("the version trains", lambda: stage.version("spread-v1").get("phase") == "Training")
    stage.kill_operator()
    stage.start_operator()
    job = stage.wait("the workers are there", lambda: stage.kubectl.get("Job", "spread-v1-workers"), 90)
    assert job["spec"]["parallelism"] == 2
    status = stage.until_phase("spread-v1", "Live", "Failed", timeout=180)
    assert status["phase"] == "Live", status["message"]
    assert "max_depth" in status["parameters"]
    stage.wait("no worker is left", lambda: not jobs(stage) and not stage.kubectl.list("Pod", WORKERS))


def jobs(stage: Stage) -> list[dict[str, Any]]:
    return stage.kubectl.list("Job", WORKERS)
