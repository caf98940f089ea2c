"""Small real models for the end-to-end tests: their rows in a ConfigMap, their storage on a claim."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from tests.builders import merged
from tests.stage import Stage

BY_ERRORS = {"minRequests": 10, "interval": "1s", "maxLatencyRatio": 1000}
"""An analysis for which latency counts for nothing: in a test others want the processors too."""


def rows(seed: int, slope: float = 3.0, count: int = 400, noise: float = 0.3, shift: float = 0.0) -> str:
    """csv of which target is slope times feature1, minus twice feature2, and noise; every 40th feature1 is missing."""
    random = np.random.default_rng(seed)
    one, two = random.normal(shift, 1, count), random.normal(0, 1, count)
    target = slope * one - 2 * two + random.normal(0, noise, count)
    lines = (
        f"{'' if i % 40 == 7 else f'{a:.4f}'},{b:.4f},{c:.4f}"
        for i, (a, b, c) in enumerate(zip(one, two, target, strict=True))
    )
    return "feature1,feature2,target\n" + "\n".join(lines) + "\n"


def a_table(name: str, files: Mapping[str, str]) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": dict(files)}


def a_claim(name: str, mode: str = "ReadWriteOnce") -> dict[str, Any]:
    spec = {"accessModes": [mode], "resources": {"requests": {"storage": "100Mi"}}}
    return {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": name}, "spec": spec}


def a_model(name: str, spec: Mapping[str, Any] = {}) -> dict[str, Any]:
    """A LinearRegression on the newest 400 rows of the ConfigMap `<name>-data`, stored on the claim `<name>-models`."""
    pod = {
        "volumes": [{"name": "data", "configMap": {"name": f"{name}-data"}}],
        "volumeMounts": [{"name": "data", "mountPath": "/data"}],
    }
    base = {
        "model": {
            "estimator": "sklearn.linear_model.LinearRegression",
            "features": {"numeric": ["feature1", "feature2"]},
            "target": "target",
        },
        "data": {"training": {"uri": "file:///data/*.csv"}, "window": 400, "holdout": 0.25, "minRows": 50},
        "training": {"pod": pod, "retries": 0},
        "drift": {"thresholds": [{"metric": "psi", "max": 0.2}], "cooldown": "1s"},
        "rollout": {"timeout": "60s"},
        "storage": {"persistentVolumeClaim": {"claimName": f"{name}-models"}},
    }
    return {
        "apiVersion": "perennial.dev/v1alpha1",
        "kind": "ModelDeployment",
        "metadata": {"name": name},
        "spec": merged(base, spec),
    }


def a_report(name: str, deployment: str, psi: float = 0.5, **spec: Any) -> dict[str, Any]:
    base = {
        "modelDeployment": deployment,
        "samples": 400,
        "metrics": [{"name": "psi", "feature": "feature1", "value": psi, "chance": 0.001}],
    }
    return {
        "apiVersion": "perennial.dev/v1alpha1",
        "kind": "DriftReport",
        "metadata": {"name": name},
        "spec": merged(base, spec),
    }


def first_version(stage: Stage, name: str, files: Mapping[str, str], spec: Mapping[str, Any] = {}) -> None:
    """The model's first version is live."""
    stage.apply(a_table(f"{name}-data", files), a_claim(f"{name}-models"), a_model(name, spec))
    if stage.until_phase(f"{name}-v1", "Live", "AwaitingApproval")["phase"] == "AwaitingApproval":
        stage.kubectl.annotate("ModelVersion", f"{name}-v1", {"perennial.dev/approved-by": "ada"})
        stage.until_phase(f"{name}-v1", "Live")
