"""Validation: is the candidate proven on the holdout, against the version that is live now?"""

from __future__ import annotations

from typing import Any

from perennial_operator.core import names
from perennial_operator.core.actions import Action, Create, Delete, SetStatus
from perennial_operator.core.api.model_version import Metrics, ModelVersion, Phase
from perennial_operator.core.api.validation import Against
from perennial_operator.core.api.values import shown
from perennial_operator.core.manifests.validate_job import comparison, validate_manifest
from perennial_operator.core.rules.job_results import JobFailure, Validated, read
from perennial_operator.core.rules.transitions import fail, transition
from perennial_operator.core.rules.validation_gate import gate
from perennial_operator.core.stages.drift_assessment import Assessment
from perennial_operator.core.world import Job, JobState, World


def next_step(world: World, _assessment: Assessment) -> tuple[Action, ...]:
    """The next thing to do for the version that is being validated; nothing where it only has to wait."""
    version = world.candidate
    if version is None or version.phase is Phase.TRAINING or version.status.rollout:
        return ()
    job = world.jobs.get(names.validate_job(version.name))
    outdated = job is not None and not comparison(world, version).items() <= job.labels.items()
    if version.phase is not Phase.VALIDATING:
        return (_again(world, version),) if outdated else ()
    if job is None:
        return () if world.automation_paused else (Create(validate_manifest(world, version)),)
    if outdated:
        return (Delete("Job", job.name),)
    return () if job.state is JobState.RUNNING else (_judged(world, version, job),)


def _again(world: World, version: ModelVersion) -> SetStatus:
    """What was proven against another version, or by another metric, proves nothing now."""
    message = "the live version, or what spec.validation compares by, is another one now, so it is validated again"
    return transition(world, version, Phase.VALIDATING, "ComparisonChanged", message, ("Validated", None))


def _judged(world: World, version: ModelVersion, job: Job) -> SetStatus:
    answer = read(job, Validated)
    if isinstance(answer, JobFailure):
        return fail(world, version, answer.reason, answer.message, "Validated")
    against = world.spec.validation.compared_by(version.spec.model.task)
    verdict = gate(world.spec.validation, against, answer, world.live.name if world.live else None)
    manual = verdict.passed and world.spec.rollout.approval == "manual"
    phase = Phase.AWAITING_APPROVAL if manual else Phase.ROLLING_OUT if verdict.passed else Phase.REJECTED
    return transition(
        world,
        version,
        phase,
        verdict.reason,
        f"{verdict.message}; it waits for the annotation {names.APPROVED} on it" if manual else verdict.message,
        ("Validated", verdict.passed),
        **_measured(answer, against),
    )


def _measured(answer: Validated, against: Against) -> dict[str, Any]:
    """The fields of the status that say what was measured."""
    new, old = (scores.get(against.metric) for scores in (answer.metrics.candidate, answer.metrics.live or {}))
    beside = f" (live {shown(old)})" if old is not None else ""
    return {
        "metrics": Metrics(
            candidate=answer.metrics.candidate, live=answer.metrics.live, standard_errors=answer.standard_errors or None
        ),
        "metric": None if new is None else f"{against.metric} {shown(new)}{beside}",
    }
