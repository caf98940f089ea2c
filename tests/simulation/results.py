"""Results of the trainer's tasks."""

from __future__ import annotations

from collections.abc import Mapping
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
    """The result of a training, on other rows and in another folder for each version."""
    digest, folder = {"sha256": f"{number:064x}"}, f"s3://models/perennial/default/bike/bike-v{number}"
    artifact, data = {"uri": f"{folder}/model.joblib"}, {"holdoutUri": f"{folder}/holdout.parquet"}
    return merged(TRAINED, {"artifact": artifact | digest, "data": data | digest})


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


GAIN = {"name": "weights_regret", "value": 0.1, "standardError": 0.02}
"""The metric of a check that shows other weights of the live version's models to be better."""


def as_asked(answer: Mapping[str, Any], task: Mapping[str, Any]) -> dict[str, Any]:
    """The result of a training by an image that can blend, with what became of the blend that the task asks for.

    Every third version has too few new rows to decide weights, and is one fit.
    """
    if "timeColumn" not in task["data"]:
        return dict(answer)
    asked, number = task.get("blend"), int(task["version"].rpartition("-v")[2])
    models, fits = (1, 1) if number % 3 == 0 else (3, 0 if asked == "weights" else 2)
    blend = {"models": models, "fits": fits, "message": f"{models} models, {fits} fitted by this training"}
    return merged(answer, {"contract": 4} | ({"blend": blend} if asked else {}))


def compared(excess: float, error: float = 0.02, samples: int = 400, mse: float = 80.0) -> dict[str, Any]:
    """The result of a check of a version against the one that it replaces."""
    metrics = [{"name": "mse", "value": mse, "standardError": 4.0}]
    metrics += [{"name": "excess_loss", "value": excess, "standardError": error}]
    against = [{"name": "mse", "value": mse * (1 - excess), "standardError": 4.0}]
    return checked() | {"samples": samples, "metrics": metrics, "against": against, "waiting": 70}


def checked(psi: float = 0.1, samples: int = 1000, *more: Mapping[str, Any]) -> dict[str, Any]:
    """The result of a drift check, with more metrics."""
    metrics = [{"name": "psi", "feature": "feature1", "value": psi, "chance": 0.001}, *more]
    return {"task": "check", "outcome": "Succeeded", "message": "scanned", "samples": samples, "metrics": metrics}
