"""The result of a task: one JSON document that fits into a termination message.

The kubelet keeps 4,096 bytes: a long result is compressed, and optional fields, which storage has, are left out.
"""

from typing import Any, Literal

import msgspec
from msgspec import UNSET, UnsetType
from msgspec.structs import replace

from perennial_trainer.contract.compression import compress
from perennial_trainer.contract.errors import TaskError

MAX_BYTES = 4096
CONTRACT = 6
"""The version of the contract with the operator.

2 knows thresholds and `now`, 3 the metadata's digest of a version, 4 the challenger of a check and the refit,
5 the capture of requests, 6 the check of a version against the one that it replaces.
"""
FEWEST_FINDINGS = 3  # that are kept in a result as long as its parameters


class ResultPart(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A part of a result; its fields are those of tests/contract/result.schema.json."""


class TaskResult(ResultPart, frozen=True, kw_only=True, tag_field="task"):
    """A whole result; `task` is its tag."""

    message: str

    def shortened(self, share: float) -> "TaskResult":
        """The result with about `share` of its optional content, or the same result if all of it is required."""
        raise NotImplementedError


class Artifact(ResultPart, frozen=True, kw_only=True):
    uri: str
    sha256: str
    bytes: int
    metadata_sha256: str | UnsetType = UNSET


class Data(ResultPart, frozen=True, kw_only=True):
    rows: int
    holdout_rows: int
    history_rows: int | UnsetType = UNSET
    sha256: str
    holdout_uri: str
    holdout_sha256: str
    start: str | UnsetType = UNSET
    end: str | UnsetType = UNSET
    fitted_until: str | UnsetType = UNSET
    snapshot: str | UnsetType = UNSET
    future_rows: int | UnsetType = UNSET


class Increase(ResultPart, frozen=True, kw_only=True):
    """The feature in which the holdout rows are worst beside the training rows."""

    name: Literal["missing_increase", "new_share"]
    feature: str
    value: float


class Refit(ResultPart, frozen=True, kw_only=True):
    """A second model, fitted to `rows` rows, those of the holdout included; without an artifact, `message` says why."""

    message: str
    artifact: Artifact | UnsetType = UNSET
    rows: int | UnsetType = UNSET
    quality: list[Increase] | UnsetType = UNSET


class Blend(ResultPart, frozen=True, kw_only=True):
    """What became of the blend that the task asked for: how many models it has, and how many of these are new fits.

    One model alone is not a blend, and `message` says why.
    """

    models: int
    fits: int
    message: str


class TrainResult(TaskResult, frozen=True, kw_only=True, tag="train"):
    outcome: Literal["Succeeded"] = "Succeeded"
    artifact: Artifact
    data: Data
    metrics: dict[str, float]
    parameters: dict[str, Any]
    contract: int = CONTRACT
    refit: Refit | UnsetType = UNSET
    blend: Blend | UnsetType = UNSET
    findings: list[str] | UnsetType = UNSET
    """What is unusual in the rows, the most important first."""

    def shortened(self, share: float) -> "TrainResult":  # noqa: ARG002
        if self.findings and len(self.findings) > FEWEST_FINDINGS:
            return replace(self, findings=self.findings[: len(self.findings) // 2])
        return replace(self, parameters={})


class Metrics(ResultPart, frozen=True, kw_only=True):
    candidate: dict[str, float]
    live: dict[str, float] | UnsetType = UNSET


class Worsening(ResultPart, frozen=True, kw_only=True):
    """How much worse the candidate is: a share of the live value for a loss, a difference for a score.

    Negative is better. `upper` is the upper bound at `confidence`.
    """

    metric: str
    estimate: float
    upper: float
    confidence: float


class SliceResult(ResultPart, frozen=True, kw_only=True):
    """A group of rows. `ratio` compares the candidate with the live version: above 1, the candidate is worse."""

    column: str
    metric: str
    group: str
    rows: int
    candidate: float
    live: float
    ratio: float


class RefitMeasured(ResultPart, frozen=True, kw_only=True):
    """The refit on the rows of the validation, which it has learned: what its guards are judged by, no proof.

    `difference` is how far its predictions are from the candidate's, `error` how far the candidate's are from the
    target: the mean square as a share of the target's variance, or the share of rows of another class.
    """

    metrics: dict[str, float]
    difference: float
    error: float
    slices: list[SliceResult] | UnsetType = UNSET
    """As those of the candidate."""


class ValidateResult(TaskResult, frozen=True, kw_only=True, tag="validate"):
    outcome: Literal["Succeeded"] = "Succeeded"
    holdout_rows: int
    metrics: Metrics
    standard_errors: dict[str, float] | UnsetType = UNSET
    worsening: Worsening | UnsetType = UNSET
    slices: list[SliceResult] | UnsetType = UNSET
    """For each requested slice, the group with the greatest ratio."""
    refit: RefitMeasured | UnsetType = UNSET

    def shortened(self, share: float) -> "ValidateResult":  # noqa: ARG002
        return replace(self, standard_errors=UNSET)


class Window(ResultPart, frozen=True, kw_only=True):
    start: str
    end: str


class DriftMetric(ResultPart, frozen=True, kw_only=True):
    name: str
    value: float
    feature: str | UnsetType = UNSET
    standard_error: float | UnsetType = UNSET
    chance: float | UnsetType = UNSET
    """Of so great a value without drift, corrected for all pairs of threshold and feature; only beyond a limit."""


class NotMeasured(ResultPart, frozen=True, kw_only=True):
    """A threshold asks for a metric that has no value, and why."""

    metric: str
    reason: str


class CheckResult(TaskResult, frozen=True, kw_only=True, tag="check"):
    """`metrics` are ranked: the values that decide come first and are left out last; `omitted` are left out."""

    outcome: Literal["Succeeded"] = "Succeeded"
    samples: int
    rows_digest: str | UnsetType = UNSET
    window: Window | UnsetType = UNSET
    metrics: list[DriftMetric]
    not_measured: list[NotMeasured] | UnsetType = UNSET
    future_rows: int | UnsetType = UNSET
    waiting: int | UnsetType = UNSET
    """Rows that wait for their label, where captured ones were checked."""
    against: list[DriftMetric] | UnsetType = UNSET
    """Of another version on the same rows, where the task names one."""
    omitted: int | UnsetType = UNSET
    details: str | UnsetType = UNSET

    def shortened(self, share: float) -> "CheckResult":
        kept = max(0, min(int(len(self.metrics) * share), len(self.metrics) - 1))
        return replace(self, metrics=self.metrics[:kept], omitted=(self.omitted or 0) + len(self.metrics) - kept)


class ErrorResult(ResultPart, frozen=True, kw_only=True):
    """The result of a task that was rejected or failed."""

    task: str
    outcome: str
    reason: str
    message: str
    files: str | UnsetType = UNSET  # the digest of the files that a training was refused for

    @classmethod
    def of(cls, task: str, error: TaskError) -> "ErrorResult":
        """The result of a task of this kind that ended with the error."""
        return cls(
            task=task, outcome=error.outcome, reason=error.reason, message=error.message, files=error.files or UNSET
        )


def encode_result(result: TaskResult | ErrorResult) -> bytes:
    """The JSON of the result, compressed if it is long: at most 4,096 bytes, with as much optional content as fits."""
    content = _encoded(result)
    while len(content) > MAX_BYTES and isinstance(result, TaskResult):
        shorter = result.shortened(MAX_BYTES / len(content))
        if shorter == result:
            break
        result, content = shorter, _encoded(shorter)
    return content


def _encoded(result: TaskResult | ErrorResult) -> bytes:
    content = msgspec.json.encode(result)
    if len(content) <= MAX_BYTES:
        return content
    return compress(content)
