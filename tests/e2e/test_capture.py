"""What was asked becomes data: drift is found in captured rows, and a second version is trained from them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.e2e.models import a_claim, a_model, a_table
from tests.stage import Stage

NAME, REQUESTS, ROWS = "rides", 20, 20
SPEC: dict[str, Any] = {
    "data": {
        "training": {"uri": "file:///data/*.csv", "captured": True},
        "timeColumn": "at",
        "labels": {"uri": "file:///labels/*.csv", "key": "ride", "mature": "1s"},
    },
    "training": {
        "pod": {
            "volumes": [
                {"name": "data", "configMap": {"name": f"{NAME}-data"}},
                {"name": "labels", "configMap": {"name": f"{NAME}-labels"}},
            ],
            "volumeMounts": [{"name": "data", "mountPath": "/data"}, {"name": "labels", "mountPath": "/labels"}],
        }
    },
    "drift": {
        # No check by the schedule while the test runs: it requests one.
        "check": {"schedule": "0 0 1 1 *", "data": {"captured": True}, "window": "1h"},
        "thresholds": [{"metric": "mse", "maxIncrease": 0.05, "sigmas": 3}],
    },
    "serving": {
        "capture": {"share": 1, "key": "ride", "secretRef": {"name": f"{NAME}-keys"}},
        "pod": {"env": [{"name": "PERENNIAL_CAPTURE_SECONDS", "value": "0.2"}]},
    },
}


def a_secret() -> dict[str, Any]:
    metadata, data = {"name": f"{NAME}-keys"}, {"PERENNIAL_CAPTURE_KEY": "a secret of this model alone"}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": data}


def rides_of_before() -> str:
    random = np.random.default_rng(0)
    hours = np.datetime64("2026-01-01T00") + np.arange(400)
    one, two, noise = random.normal(size=(3, len(hours)))
    target = 3 * one - 2 * two + 0.3 * noise
    lines = (f"{at}:00Z,{a},{b},{c}" for at, a, b, c in zip(hours, one, two, target, strict=True))
    return "at,feature1,feature2,target\n" + "\n".join(lines) + "\n"


def asked(stage: Stage) -> str:
    """The labels of rows that a pod was asked for, in which the slope of feature1 is another one than before."""
    random, labels = np.random.default_rng(1), ["ride,target"]
    for number in range(REQUESTS):
        one, two, noise = random.normal(size=(3, ROWS))
        rides = [f"ride-{number}-{row}" for row in range(ROWS)]
        stage.predict(NAME, {"feature1": one.tolist(), "feature2": two.tolist(), "ride": rides})
        labels += [f"{ride},{value}" for ride, value in zip(rides, 9 * one - 2 * two + 0.3 * noise, strict=True)]
    return "\n".join(labels) + "\n"


def test_captured_rows_with_late_labels_reach_a_second_version(stage: Stage) -> None:
    if stage.cluster == "current":
        pytest.skip("not every cluster has volumes with ReadWriteMany")
    model = a_model(NAME, SPEC)
    stage.apply(a_table(f"{NAME}-data", {"0.csv": rides_of_before()}), a_table(f"{NAME}-labels", {}), a_secret())
    stage.apply(a_claim(f"{NAME}-models", "ReadWriteMany"), model)
    first = stage.until_phase(f"{NAME}-v1", "Live", "Rejected", "Failed")
    assert first["phase"] == "Live", first["message"]

    labels = asked(stage)
    stage.wait("the rows are written", lambda: stage.captured_rows(NAME) == REQUESTS * ROWS)
    stage.apply(a_table(f"{NAME}-labels", {"0.csv": labels}))
    stage.check_now(NAME)
    stage.wait("a check has a report", lambda: stage.kubectl.list("DriftReport"), 90)
    (report,) = stage.kubectl.list("DriftReport")
    assert stage.outcome(report["metadata"]["name"])[0] == "Triggered"
    assert report["spec"]["samples"] == REQUESTS * ROWS

    second = stage.until_phase(f"{NAME}-v2", "Live", "Rejected", "Failed", "RolledBack")
    assert second["phase"] == "Live", second["message"]
    assert second["metrics"]["candidate"]["mse"] < second["metrics"]["live"]["mse"]
    stage.wait("the second version serves alone", lambda: stage.serves_alone(f"{NAME}-v2"))
    none, more = stage.predict(NAME, {"feature1": [0.0, 1.0], "feature2": [0.0, 0.0]})
    assert more - none == pytest.approx(9, abs=0.5)
