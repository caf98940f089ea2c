"""Results of the trainer's tasks."""

from __future__ import annotations

from typing import Any

from tests.builders import merged

TRAINED = {
    "task": "train",
    "outcome": "Succeeded",
    "message": "fitted on 800 rows",
    "artifact": {"uri": "s3://models/perennial/default/bike/m/model.joblib", "sha256": "a" * 64, "bytes": 1},
    "data": {
        "rows": 800,
        "holdoutRows": 200,
        "sha256": "b" * 64,
        "holdoutUri": "s3://models/perennial/default/bike/m/holdout.parquet",
        "holdoutSha256": "c" * 64,
    },
    "metrics": {"mse": 90.0, "r2": 0.9},
    "parameters": {},
}


def trained(number: int) -> dict[str, Any]:
    """The result of a training, on other rows for each version."""
    digest = {"sha256": f"{number:064x}"}
    return merged(TRAINED, {"artifact": digest, "data": digest})


REFUSED = {
    "task": "train",
    "outcome": "Refused",
    "reason": "TooFewRows",
    "message": "12 rows are fewer than minRows 200",
}


def validated(candidate: float = 80.0, live: float | None = None, upper: float = -0.1) -> dict[str, Any]:
    """The result of a validation: the candidate's mse, the live version's, and the bound of the difference."""
    result: dict[str, Any] = {
        "task": "validate",
        "outcome": "Succeeded",
        "message": "scored",
        "holdoutRows": 200,
        "metrics": {"candidate": {"mse": candidate, "r2": 0.9}},
        "standardErrors": {"mse": 4.0},
    }
    if live is not None:
        result["metrics"]["live"] = {"mse": live, "r2": 0.5}
        result["worsening"] = {"metric": "mse", "estimate": candidate / live - 1, "upper": upper, "confidence": 0.95}
    return result


def checked(psi: float = 0.1, samples: int = 1000) -> dict[str, Any]:
    """The result of a drift check."""
    metrics = [{"name": "psi", "feature": "feature1", "value": psi, "chance": 0.001}]
    return {"task": "check", "outcome": "Succeeded", "message": "scanned", "samples": samples, "metrics": metrics}
