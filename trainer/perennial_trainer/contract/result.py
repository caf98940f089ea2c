"""The answer to a task: one JSON document that fits into a termination message.

The kubelet keeps 4,096 bytes. So what is optional is left out until the answer fits; everything is in storage.
"""

from typing import Any, Literal

import msgspec
from msgspec import UNSET, UnsetType
from msgspec.structs import replace

LIMIT = 4096  # bytes


class ResultPart(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A part of an answer, by the names of tests/contract/result.schema.json."""


class TaskResult(ResultPart, frozen=True, kw_only=True, tag_field="task"):
    """A whole answer; `task` is its tag."""

    message: str

    def shortened(self, share: float) -> "TaskResult":
        """The answer with about `share` of what may be left out; the same if nothing may."""
        raise NotImplementedError


class Artifact(ResultPart, frozen=True, kw_only=True):
    uri: str
    sha256: str
    bytes: int


class Data(ResultPart, frozen=True, kw_only=True):
    rows: int
    holdout_rows: int
    sha256: str
    holdout_uri: str
    holdout_sha256: str
    start: str | UnsetType = UNSET
    end: str | UnsetType = UNSET


class TrainResult(TaskResult, frozen=True, kw_only=True, tag="train"):
    outcome: Literal["Succeeded"] = "Succeeded"
    artifact: Artifact
    data: Data
    metrics: dict[str, float]
    parameters: dict[str, Any]

    def shortened(self, share: float) -> "TrainResult":  # noqa: ARG002
        return replace(self, parameters={})


class Metrics(ResultPart, frozen=True, kw_only=True):
    candidate: dict[str, float]
    live: dict[str, float] | UnsetType = UNSET


class Worsening(ResultPart, frozen=True, kw_only=True):
    """By `metric`: a share of the live value for a loss, a difference for a score; negative is better.

    It does not exceed `upper`, at `confidence`.
    """

    metric: str
    estimate: float
    upper: float
    confidence: float


class SliceResult(ResultPart, frozen=True, kw_only=True):
    """A group of the rows; `ratio` is how many times as bad as the live version the candidate is for it."""

    column: str
    metric: str
    group: str
    rows: int
    candidate: float
    live: float
    ratio: float


class ValidateResult(TaskResult, frozen=True, kw_only=True, tag="validate"):
    outcome: Literal["Succeeded"] = "Succeeded"
    holdout_rows: int
    metrics: Metrics
    standard_errors: dict[str, float] | UnsetType = UNSET
    worsening: Worsening | UnsetType = UNSET
    slices: list[SliceResult] | UnsetType = UNSET
    """Of each slice that was asked for the group that is made worst off."""

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


class CheckResult(TaskResult, frozen=True, kw_only=True, tag="check"):
    """`metrics` are ranked: the first are the last to be left out."""

    outcome: Literal["Succeeded"] = "Succeeded"
    samples: int
    window: Window | UnsetType = UNSET
    metrics: list[DriftMetric]
    details: str | UnsetType = UNSET

    def shortened(self, share: float) -> "CheckResult":
        return replace(self, metrics=self.metrics[: min(int(len(self.metrics) * share), len(self.metrics) - 1)])


class RecordResult(TaskResult, frozen=True, kw_only=True, tag="record"):
    outcome: Literal["Succeeded"] = "Succeeded"
    entry: str  # its URI

    def shortened(self, share: float) -> "RecordResult":  # noqa: ARG002
        return self


class StoredVersion(ResultPart, frozen=True, kw_only=True):
    """A version as the ledger has it; `recipe` only where it is another than the one asked for now."""

    version: str
    number: int
    entry: str
    trigger: dict[str, Any]
    parent: str | UnsetType = UNSET
    recipe: dict[str, Any] | UnsetType = UNSET
    status: dict[str, Any]


class RecoverResult(TaskResult, frozen=True, kw_only=True, tag="recover"):
    """`number` is the greatest that storage knows; `versions` begins with the one to serve."""

    outcome: Literal["Succeeded"] = "Succeeded"
    number: int
    versions: list[StoredVersion]
    passed_over: list[str]

    def shortened(self, share: float) -> "RecoverResult":  # noqa: ARG002
        """Without the parameters that were chosen, then without the last version, then without any."""
        if any("parameters" in each.status for each in self.versions):
            kept = [
                replace(each, status={k: v for k, v in each.status.items() if k != "parameters"})
                for each in self.versions
            ]
            return replace(self, versions=kept)
        if not self.versions:
            return self
        lost = self.versions[-1].version
        message = f"{self.message[:1000]}; the record of {lost} is too long to be passed on"
        return replace(self, message=message, versions=self.versions[:-1], passed_over=[*self.passed_over[:9], lost])


class ErrorResult(ResultPart, frozen=True, kw_only=True):
    """A task that was refused or has failed."""

    task: str
    outcome: str
    reason: str
    message: str


def encode(answer: TaskResult | ErrorResult) -> bytes:
    """The JSON of the answer, at most 4,096 bytes, with as much in it as fits."""
    content = msgspec.json.encode(answer)
    while len(content) > LIMIT and isinstance(answer, TaskResult):
        less = answer.shortened(LIMIT / len(content))
        if less == answer:
            break
        answer, content = less, msgspec.json.encode(less)
    return content
