"""What the operator asks for is what the contract allows, and what the contract allows as an answer it understands."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from perennial_operator.core.api.drift_report import DriftReportSpec
from perennial_operator.core.manifests.ledger_jobs import record_manifest, recover_manifest
from perennial_operator.core.manifests.serving import deployment_manifest
from perennial_operator.core.manifests.train_job import train_manifest
from perennial_operator.core.manifests.validate_job import validate_manifest
from perennial_operator.core.rules.job_results import (
    Checked,
    JobFailure,
    KeptUp,
    Recorded,
    Recovered,
    Trained,
    Validated,
    job_result,
)
from perennial_operator.core.world import Job, JobState
from tests.builders import a_deployment, a_version, a_world, task_of
from tests.core.manifests import manifests

HERE = Path(__file__).parent
TASK, RESULT = (
    Draft202012Validator(json.loads((HERE / f"{name}.schema.json").read_text(encoding="utf-8")))
    for name in ("task", "result")
)
FULL = {name: task_of(manifest) for name, manifest in manifests().items() if "template" in manifest["spec"]}
PLAIN = a_world(deployment=a_deployment())
LEAST = {
    "train": task_of(train_manifest(PLAIN, a_version(1, "Training"))),
    "validate": task_of(validate_manifest(PLAIN, a_version(1, "Validating"))),
    "record": task_of(record_manifest(PLAIN, a_version(1, "Rejected"))),
    "recover": task_of(recover_manifest(PLAIN, "")),
    "serve": task_of(deployment_manifest(PLAIN, a_version(1), 1)),
}


@pytest.mark.parametrize(
    "task",
    [*FULL.values(), *LEAST.values()],
    ids=[*(f"full {name}" for name in FULL), *(f"least {name}" for name in LEAST)],
)
def test_every_task_is_one_that_the_contract_allows(task: dict[str, Any]) -> None:
    TASK.validate(task)


@pytest.mark.parametrize("window", ["auto", "all", "90d", 5000])
def test_every_kind_of_window_is_passed_on(window: str | int) -> None:
    version = a_version(1, "Training", {"data": {"window": window, "timeColumn": "hour"}})
    task = task_of(train_manifest(PLAIN, version))
    TASK.validate(task)
    assert task["data"]["window"] == window


def test_calibration_is_passed_on() -> None:
    version = a_version(1, "Training", {"model": {"task": "classification"}, "training": {"calibration": "isotonic"}})
    task = task_of(train_manifest(PLAIN, version))
    TASK.validate(task)
    assert task["calibration"] == "isotonic"


SHA = "a" * 64
DATA = {"rows": 800, "holdoutRows": 200, "sha256": SHA, "holdoutUri": "file:///h", "holdoutSha256": SHA}
TIMES = {"start": "2026-01-01T00:00:00Z", "end": "2026-11-22T23:00:00.5+01:00"}
ARTIFACT = {"uri": "s3://m/model.joblib", "sha256": SHA, "bytes": 1}
TRAINED = {"task": "train", "outcome": "Succeeded", "message": "fitted", "artifact": ARTIFACT, "metrics": {"mse": 1}}
VALIDATED = {"task": "validate", "outcome": "Succeeded", "message": "scored", "holdoutRows": 0}
WORSE = {"metric": "mse", "estimate": -0.1, "upper": -0.05, "confidence": 0.95}
CHECKED = {"task": "check", "outcome": "Succeeded", "message": "scanned"}
SLICES = [{"column": "region", "metric": "mse", "group": "n", "rows": 45, "candidate": 2.0, "live": 1.0, "ratio": 2.0}]
METRICS = [{"name": "psi", "feature": "temp", "value": 0.31}, {"name": "mse", "value": 81.0, "standardError": 2.0}]

KEPT_UP = {"deletedFiles": 0, "freedBytes": 0, "compactedFiles": 2, "forgottenRows": 0}
RECOVERED = {"task": "recover", "outcome": "Succeeded", "message": "found", "number": 3, "passedOver": []}
ENTRY = LEAST["record"]["entry"]
STORED = {
    "version": "m-v2",
    "number": 2,
    "entry": ENTRY["name"],
    "trigger": ENTRY["trigger"],
    "status": ENTRY["status"],
}


@pytest.mark.parametrize(
    ("kind", "answer"),
    [
        (Trained, TRAINED | {"data": DATA, "parameters": {}}),
        (Trained, TRAINED | {"data": DATA | TIMES, "parameters": {"alpha": 0.1, "solver": None}}),
        (Validated, VALIDATED | {"metrics": {"candidate": {"mse": 1.5}}}),
        (
            Validated,
            VALIDATED
            | {
                "metrics": {"candidate": {"r2": 1}, "live": {"r2": 0}},
                "standardErrors": {"mse": 1},
                "worsening": WORSE,
                "slices": SLICES,
            },
        ),
        (Checked, CHECKED | {"samples": 0, "metrics": []}),
        (Checked, CHECKED | {"samples": 5, "metrics": METRICS, "window": TIMES, "details": "s3://m/report.html"}),
        (Recorded, {"task": "record", "outcome": "Succeeded", "message": "written", "entry": "s3://m/ledger/e.json"}),
        (KeptUp, {"task": "upkeep", "outcome": "Succeeded", "message": "none"} | KEPT_UP),
        (Recovered, RECOVERED | {"versions": []}),
        (Recovered, RECOVERED | {"versions": [STORED, STORED | {"recipe": ENTRY["recipe"]}], "passedOver": ["m-v3"]}),
    ],
)
def test_every_valid_result_of_the_contract_is_understood(kind: type[Any], answer: dict[str, Any]) -> None:
    RESULT.validate(answer)
    assert isinstance(job_result(Job("j", JobState.SUCCEEDED, answer=answer), kind), kind)


@pytest.mark.parametrize("task", ["train", "validate", "check", "serve", "record", "recover", "upkeep", "unknown"])
@pytest.mark.parametrize("outcome", ["Refused", "Failed"])
def test_every_bad_answer_is_passed_on_in_the_trainer_s_words(task: str, outcome: str) -> None:
    answer = {"task": task, "outcome": outcome, "reason": "TooFewRows", "message": "12 rows are too few"}
    RESULT.validate(answer)
    failure = job_result(Job("j", JobState.FAILED, reason="BackoffLimitExceeded", answer=answer), Trained)
    assert failure == JobFailure(reason="TooFewRows", message="12 rows are too few")


def test_what_a_check_answers_fits_into_a_report() -> None:
    answer = Checked.model_validate(CHECKED | {"samples": 5, "metrics": METRICS, "window": TIMES})
    spec = DriftReportSpec(model_deployment="bike", **dict(answer)).to_api()
    assert spec["metrics"] == METRICS
    assert spec["window"]["end"] == "2026-11-22T22:00:00Z"
