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
        (DONE, None, "ResultLost", "Job bike-v1-train ended but the pod holding the result was deleted"),
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
