"""What the answer of a Job's pod comes to."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from perennial_operator.core.names import ROLE
from perennial_operator.core.rules.job_results import Checked, JobFailure, Trained, Validated, job_result
from perennial_operator.core.world import Job, JobState
from tests.builders import merged
from tests.simulation.results import REFUSED, TRAINED, checked, validated

DONE = Job("bike-v1-train", JobState.SUCCEEDED)
BROKEN = Job("bike-v1-train", JobState.FAILED, reason="BackoffLimitExceeded")
INTERRUPTED = {"outcome": "Failed", "reason": "Interrupted", "message": "the process was killed"}


@pytest.mark.parametrize(
    ("kind", "answer"), [(Trained, TRAINED), (Validated, validated(1.0, live=2.0)), (Checked, checked())]
)
def test_valid_result_is_parsed(kind: type[Any], answer: dict[str, Any]) -> None:
    assert isinstance(job_result(replace(DONE, answer=answer), kind), kind)


@pytest.mark.parametrize(
    ("job", "answer", "reason", "message"),
    [
        (DONE, None, "ResultLost", "Job bike-v1-train ended but the pod with the result was deleted"),
        (
            DONE,
            {"outcome": "Succeeded"},
            "BadAnswer",
            "Job bike-v1-train returned a result that violates the contract (message: Field required); use the trainer's image of the operator's release",
        ),
        (
            DONE,
            merged(TRAINED, {"metrics": {"r2": float("nan")}}),
            "BadAnswer",
            "Job bike-v1-train returned a result that violates the contract (metrics.r2: Input should be a finite number); use the trainer's image of the operator's release",
        ),
        *(
            (
                DONE,
                merged(TRAINED, answer),
                "BadAnswer",
                f"Job bike-v1-train returned a result that violates the contract ({field}: it is not a finite number of "
                "64 bits, or not a valid text); use the trainer's image of the operator's release",
            )
            for answer, field in (
                ({"parameters": {"missing_values": float("nan")}}, "parameters.missing_values"),
                ({"parameters": {"layers": [8, {"rate": float("-inf")}]}}, "parameters.layers.1.rate"),
                ({"parameters": {"seed": 2**63}}, "parameters.seed"),
                ({"parameters": {"seed": -(2**63)}}, "parameters.seed"),
                ({"parameters": {"name": "a\ud800"}}, "parameters.name"),
                ({"parameters": {"\udfff": 1}}, "parameters"),
                ({"data": {"rows": 10**30}}, "data.rows"),
                ({"artifact": {"bytes": 2**63}}, "artifact.bytes"),
            )
        ),
        *(
            (
                DONE,
                merged(TRAINED, {"data": {"end": end}}),
                "BadAnswer",
                "Job bike-v1-train returned a result that violates the contract (data.end: Value error, "
                f"{end.replace('T', ' ')} is beyond the years 1 to 9999 in UTC; give another time); use the trainer's "
                "image of the operator's release",
            )
            for end in ("0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-12:00")
        ),
        (
            BROKEN,
            None,
            "JobFailed",
            "Job bike-v1-train failed (BackoffLimitExceeded) without a reason; see its log",
        ),
        (
            replace(BROKEN, trouble="no such image"),
            None,
            "JobFailed",
            "Job bike-v1-train failed (BackoffLimitExceeded) without a reason: no such image; see its log",
        ),
        (BROKEN, REFUSED, "TooFewRows", "12 rows are fewer than minRows 200"),
        (BROKEN, INTERRUPTED, "Interrupted", "the process was killed"),
        (
            replace(BROKEN, out_of_memory=True, memory_limit="512Mi"),
            INTERRUPTED,
            "OutOfMemory",
            "Job bike-v1-train needed more memory than its limit of 512Mi (OOMKilled); raise spec.training.pod.resources.limits.memory, or narrow spec.data.window",
        ),
        (
            replace(BROKEN, out_of_memory=True, labels={ROLE: "check"}),
            None,
            "OutOfMemory",
            "Job bike-v1-train needed more memory than its node had (OOMKilled); set spec.training.pod.resources.limits.memory, or narrow spec.drift.check.window",
        ),
        (
            replace(BROKEN, out_of_memory=True, memory_limit="1Gi", labels={ROLE: "record"}),
            None,
            "OutOfMemory",
            "Job bike-v1-train needed more memory than its limit of 1Gi (OOMKilled); raise spec.training.pod.resources.limits.memory",
        ),
        (
            replace(BROKEN, reason="DeadlineExceeded", labels={ROLE: "check"}),
            None,
            "TimedOut",
            "Job bike-v1-train ran longer than spec.training.timeout and was stopped; raise it, give its pod more CPU, or narrow spec.drift.check.window",
        ),
        (
            BROKEN,
            merged(REFUSED, {"reason": "no reason", "message": "x" * 2000}),
            "JobFailed",
            f"Job bike-v1-train failed: {'x' * 1500}",
        ),
        (BROKEN, merged(REFUSED, {"reason": "R" * 64, "message": "x" * 2000}), "R" * 64, "x" * 1500),
        (BROKEN, merged(REFUSED, {"reason": "R" * 65}), "JobFailed", f"Job bike-v1-train failed: {REFUSED['message']}"),
        (BROKEN, merged(REFUSED, {"reason": "2Few"}), "JobFailed", f"Job bike-v1-train failed: {REFUSED['message']}"),
        (
            replace(BROKEN, reason="DeadlineExceeded", labels={ROLE: "recovery"}),
            None,
            "TimedOut",
            "Job bike-v1-train ran longer than an hour and was stopped; see its log for what it waited",
        ),
        (BROKEN, TRAINED, "JobFailed", "Job bike-v1-train failed (BackoffLimitExceeded) without a reason; see its log"),
        (
            replace(BROKEN, reason="DeadlineExceeded"),
            None,
            "TimedOut",
            "Job bike-v1-train ran longer than spec.training.timeout and was stopped; raise it, give its pod more CPU, or narrow spec.data.window",
        ),
        (
            replace(BROKEN, reason="DeadlineExceeded"),
            INTERRUPTED,
            "TimedOut",
            "Job bike-v1-train ran longer than spec.training.timeout and was stopped; raise it, give its pod more CPU, or narrow spec.data.window",
        ),
    ],
)
def test_failure_has_a_reason_and_a_message(job: Job, answer: Any, reason: str, message: str) -> None:
    failure = job_result(replace(job, answer=answer), Trained)
    assert isinstance(failure, JobFailure)
    assert (failure.reason, failure.message) == (reason, message)


@pytest.mark.parametrize(("files", "kept"), [("f" * 64, True), ("f" * 63, False), ("F" * 64, False), (5, False)])
def test_digest_of_refused_files_is_kept(files: Any, kept: bool) -> None:
    failure = job_result(replace(BROKEN, answer=REFUSED | {"files": files}), Trained)
    assert isinstance(failure, JobFailure)
    assert failure.files == (files if kept else None)


def test_greatest_numbers_and_any_text_are_kept() -> None:
    parameters = {"seed": 2**63 - 1, "other": -(2**63) + 1, "on": True, "none": None, "rate": 1e308, "name": "\u202e💥"}
    result = job_result(
        replace(DONE, answer=merged(TRAINED, {"parameters": parameters}) | {"parameters": parameters}), Trained
    )
    assert isinstance(result, Trained)
    assert result.parameters == parameters


@pytest.mark.parametrize(
    ("end", "stored"),
    [
        ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00Z"),
        ("0987-06-05T01:00:00+01:00", "0987-06-05T00:00:00Z"),
        ("9999-12-31T23:59:59.9Z", "9999-12-31T23:59:59Z"),
        ("2026-11-23T12:00:00", "2026-11-23T12:00:00Z"),
    ],
)
def test_times_of_rows_are_stored_so_that_they_can_be_read(end: str, stored: str) -> None:
    """The year 1 stands for a missing time in many tools."""
    result = job_result(replace(DONE, answer=merged(TRAINED, {"data": {"end": end}})), Trained)
    assert isinstance(result, Trained)
    assert result.data.to_api()["end"] == stored
    assert type(result.data).model_validate(result.data.to_api()).to_api() == result.data.to_api()
