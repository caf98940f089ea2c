"""The results of the trainer's Jobs as values, or the reason and the message of a failure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import Field, ValidationError

from perennial_operator.core import names
from perennial_operator.core.api.artifacts import Artifact, Blend, Increase
from perennial_operator.core.api.comparison import Worsening, WorstGroup
from perennial_operator.core.api.data import DataSpec
from perennial_operator.core.api.drift_report import Measurement, NotMeasured, Window
from perennial_operator.core.api.meta import Number
from perennial_operator.core.api.model import ModelSpec
from perennial_operator.core.api.model_version import DataFacts, ModelVersionStatus, Trigger
from perennial_operator.core.api.parsing import field_path
from perennial_operator.core.api.printable_text import Sentence
from perennial_operator.core.api.storable import unstorable_field
from perennial_operator.core.api.training import Calibration, Search
from perennial_operator.core.api.values import Name, Nested, Value
from perennial_operator.core.rules.recipe_changes import RecipeChange, changed_recipe
from perennial_operator.core.world import Job, JobState

LITTLE = frozenset({"record", "recovery", "upkeep"})  # roles of Jobs that train and check nothing, and have an hour
REASON = re.compile("[A-Za-z][A-Za-z0-9]{0,63}")  # the form of a condition's reason
UNSTORABLE = "it is not a finite number of 64 bits, or not a valid text"


class RefitTrained(Value):
    message: Sentence
    artifact: Artifact | None = None
    rows: int | None = None
    quality: list[Increase] = Field(default_factory=list, max_length=10)


class Trained(Value):
    message: Sentence
    artifact: Artifact
    data: DataFacts
    metrics: dict[str, Number]
    parameters: Nested[dict[str, Any]] = Field(default_factory=dict)
    contract: int = Field(1, ge=1)
    refit: RefitTrained | None = None
    blend: Blend | None = None
    findings: list[Sentence] = Field(default_factory=list, max_length=100)


class Scores(Value):
    candidate: dict[str, Number]
    live: dict[str, Number] | None = None


class RefitMeasured(Value):
    """On rows that it has learned: the `difference` from the candidate's predictions, and the `error` of those."""

    metrics: dict[str, Number]
    difference: Number
    error: Number
    slices: list[WorstGroup] = Field(default_factory=list, max_length=100)


class Validated(Value):
    message: Sentence
    holdout_rows: int
    metrics: Scores
    standard_errors: dict[str, Number] = Field(default_factory=dict)
    worsening: Worsening | None = None
    slices: list[WorstGroup] = Field(default_factory=list, max_length=100)
    refit: RefitMeasured | None = None


class Checked(Value):
    samples: int = Field(ge=0)
    rows_digest: str | None = Field(None, max_length=64)
    window: Window | None = None
    metrics: list[Measurement] = Field(max_length=2000)
    not_measured: list[NotMeasured] | None = Field(None, max_length=100)
    omitted: int | None = Field(None, ge=0)
    waiting: int | None = Field(None, ge=0)
    against: list[Measurement] | None = Field(None, max_length=50)
    details: str | None = None


class Recorded(Value):
    message: Sentence


class KeptUp(Value):
    message: Sentence


class Recipe(Value):
    model: ModelSpec
    data: DataSpec
    search: Search | None = None
    calibration: Calibration | None = None


class StoredVersion(Value):
    """A version in the ledger; without a recipe and changes of it, it was made from the current spec."""

    number: int = Field(ge=1)
    entry: str = Field(pattern=r"^[0-9TZ]{16}-v[0-9]{1,9}-[A-Za-z]{4,10}$")
    trigger: Trigger
    parent: Name | None = None
    recipe: Recipe | None = None
    changes: list[RecipeChange] | None = Field(None, max_length=1000)
    status: ModelVersionStatus


class Recovered(Value):
    message: Sentence
    number: int = Field(ge=0)
    versions: list[StoredVersion] = Field(max_length=2)
    passed_over: list[Sentence]

    def with_recipes(self, current: Mapping[str, Any]) -> Recovered:
        """The same, with a recipe for each version that was not made from the current one.

        A version without a usable recipe is passed over.
        """
        versions, problems = list[StoredVersion](), dict[str, str]()
        for each in self.versions:
            try:
                versions.append(_with_recipe(each, current))
            except ValueError as error:
                problems[each.entry] = f"it has no usable recipe: {error}"[:500]
        texts = {"message": self.message + _passed_over(problems), "passed_over": [*self.passed_over, *problems]}
        return self.model_copy(update={"versions": versions, **texts})


def _with_recipe(stored: StoredVersion, current: Mapping[str, Any]) -> StoredVersion:
    if stored.recipe or not stored.changes:
        return stored
    recipe = Recipe.model_validate(changed_recipe(current, stored.changes))
    return stored.model_copy(update={"recipe": recipe})


class JobFailure(Value):
    """Why there is no valid result."""

    reason: str
    message: Sentence
    files: str | None = None  # the digest of the files that the training was refused for


Result = TypeVar("Result", Trained, Validated, Checked, Recorded, Recovered, KeptUp)


def job_result(job: Job, kind: type[Result]) -> Result | JobFailure:
    """The result of a Job that has ended. A failed Job has none, whatever its pod wrote before it was stopped."""
    answer = job.answer or {}
    if job.reason == "DeadlineExceeded":
        limit, fix = "spec.training.timeout", f"raise it, give its pod more CPU, or narrow {_window(job)}"
        if job.labels.get(names.ROLE) in LITTLE:
            limit, fix = "an hour", "see its log for what it waited"
        return JobFailure(reason="TimedOut", message=f"Job {job.name} ran longer than {limit} and was stopped; {fix}")
    if job.state is JobState.SUCCEEDED and answer.get("outcome") == "Succeeded":
        return _parsed(job, answer, kind)
    if job.out_of_memory and answer.get("reason") in (None, "Interrupted"):
        return _out_of_memory(job)
    if answer.get("reason") and answer.get("message"):
        return _reported_failure(job, str(answer["reason"]), str(answer["message"]), answer.get("files"))
    if job.state is JobState.SUCCEEDED:
        return JobFailure(reason="ResultLost", message=f"Job {job.name} ended but the pod with the result was deleted")
    because, more = f" ({job.reason})" if job.reason else "", f": {job.trouble}" if job.trouble else ""
    return JobFailure(reason="JobFailed", message=f"Job {job.name} failed{because} without a reason{more}; see its log")


def _window(job: Job) -> str:
    """The field that makes the Job read fewer rows."""
    of_checks = {"check": "spec.drift.check.window", "version-check": "spec.serving.capture.share"}
    return of_checks.get(job.labels.get(names.ROLE, ""), "spec.data.window")


def _out_of_memory(job: Job) -> JobFailure:
    cause = f"more memory than its limit of {job.memory_limit}" if job.memory_limit else "more memory than its node had"
    fix = f"{'raise' if job.memory_limit else 'set'} spec.training.pod.resources.limits.memory"
    if job.labels.get(names.ROLE) not in LITTLE:
        fix += f", or narrow {_window(job)}"
    return JobFailure(reason="OutOfMemory", message=f"Job {job.name} needed {cause} (OOMKilled); {fix}")


def _reported_failure(job: Job, reason: str, message: str, files: object) -> JobFailure:
    """The trainer's reason, if it has the form of a condition's reason."""
    if not REASON.fullmatch(reason):
        return JobFailure(reason="JobFailed", message=f"Job {job.name} failed: {message[:1500]}")
    is_digest = isinstance(files, str) and re.fullmatch("[0-9a-f]{64}", files)
    return JobFailure(reason=reason, message=message[:1500], files=str(files) if is_digest else None)


def _parsed(job: Job, answer: Mapping[str, Any], kind: type[Result]) -> Result | JobFailure:
    if kind is Recovered:
        answer = _without_bad_pages(answer)
    try:
        result = kind.model_validate(answer)
    except ValidationError as error:
        return _bad_answer(job, *_first_violation(error))
    if field := unstorable_field(answer):
        return _bad_answer(job, field, UNSTORABLE)
    return result


def _first_violation(error: ValidationError) -> tuple[str, str]:
    """The field and the problem."""
    first = error.errors()[0]
    return field_path(first["loc"]), first["msg"]


def _without_bad_pages(answer: Mapping[str, Any]) -> Mapping[str, Any]:
    """The answer without versions that no object can hold: one bad page of the ledger must not end the search."""
    kept, problems = [], dict[str, str]()
    versions = answer.get("versions")
    for each in versions if isinstance(versions, list) else ():
        if problem := _problem_of(each):
            problems[str(each.get("entry") if isinstance(each, dict) else each)[:60]] = problem
        else:
            kept.append(each)
    if not problems:
        return answer
    message, passed_over = f"{answer.get('message')}{_passed_over(problems)}", answer.get("passedOver") or []
    return {**answer, "versions": kept, "message": message, "passedOver": [*passed_over, *problems]}


def _problem_of(version: object) -> str:
    """Why no object can hold the version of the ledger, or an empty text."""
    try:
        StoredVersion.model_validate(version)
    except ValidationError as error:
        field, problem = _first_violation(error)
    else:
        field, problem = unstorable_field(version), UNSTORABLE
    return f"{field}: {problem}"[:500] if field else ""


def _passed_over(problems: Mapping[str, str]) -> str:
    """Message suffix: the pages of the ledger that cannot be used."""
    fix = "to use it, run the release of the operator that wrote it"
    return "".join(f"; passed over: page {page} of the ledger ({why}); {fix}" for page, why in problems.items())


def _bad_answer(job: Job, field: str, problem: str) -> JobFailure:
    return JobFailure(
        reason="BadAnswer",
        message=f"Job {job.name} returned a result that violates the contract ({field}: {problem}); "
        "use the trainer's image of the operator's release",
    )
