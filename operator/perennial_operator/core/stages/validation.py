"""Validation: does the candidate pass the gate on the holdout, compared with the current live version?"""

from __future__ import annotations

from typing import Any

from perennial_operator.core import names
from perennial_operator.core.actions import Action, Create, Delete, SetStatus
from perennial_operator.core.api.comparison import Comparison
from perennial_operator.core.api.model_version import Metrics, ModelVersion, Phase
from perennial_operator.core.api.validation import Against
from perennial_operator.core.api.values import shown
from perennial_operator.core.manifests.validate_job import comparison_labels, validate_manifest
from perennial_operator.core.rules.job_results import JobFailure, Validated, job_result
from perennial_operator.core.rules.job_starts import report_start, without_start
from perennial_operator.core.rules.trainings.refit_guards import (
    artifact_fields,
    is_unwanted,
    judged_refit,
    proving_fields,
)
from perennial_operator.core.rules.transitions import fail, transition
from perennial_operator.core.rules.validation_gate import gate, gate_again, gate_digest, is_routine
from perennial_operator.core.stages.drift_assessment import Assessment
from perennial_operator.core.world import Job, JobState, World


def next_step(world: World, _assessment: Assessment) -> tuple[Action, ...]:
    """The next action for the version that is validated; nothing while it has to wait."""
    version = world.candidate
    if version is None or version.phase is Phase.TRAINING:
        return ()
    job = world.jobs.get(names.validate_job(version.name))
    outdated = job is not None and not comparison_labels(world, version).items() <= job.labels.items()
    if version.phase is not Phase.VALIDATING:
        if (outdated or is_unwanted(world, version)) and version.status.rollout is None:
            return (_validate_again(world, version, outdated),)
        rejected = _judge_again(world, version, None if outdated or world.live is None else world.live.name)
        return (rejected,) if rejected else ()
    if job is None:
        return () if world.automation_paused else (Create(validate_manifest(world, version)),)
    if outdated:
        return (Delete("Job", job.name),)
    if job.state is JobState.RUNNING:
        return report_start(world, version, job, "validating on the holdout", "Validated")
    return (_apply_gate(world, version, job),)


def _validate_again(world: World, version: ModelVersion, outdated: bool) -> SetStatus:
    """Back to Validating: the result compares with another version or by another metric than is configured now.

    Or the refit was to serve, and spec.training.refit is false by now.
    """
    message = "the live version or the metric of spec.validation.against has changed; it is validated again"
    if not outdated:
        message = "spec.training.refit is false by now; the gate judges again"
    fields = proving_fields(version)
    return transition(world, version, Phase.VALIDATING, "ComparisonChanged", message, ("Validated", None), **fields)


def _judge_again(world: World, version: ModelVersion, live: str | None) -> SetStatus | None:
    """Rejected, or rolled back if it has pods: spec.validation now asks for more than the candidate has proven."""
    if world.pinned is version:
        return None
    against = world.spec.validation.compared_by(version.spec.model.task)
    verdict = gate_again(world.spec.validation, against, version, live)
    if verdict is None:
        return None
    phase = Phase.ROLLED_BACK if version.status.rollout else Phase.REJECTED
    message = f"{verdict.message}; spec.validation was changed after the candidate had passed"
    digest = gate_digest(world.spec.validation, world.live)
    return transition(world, version, phase, verdict.reason, message, ("Validated", False), gate=digest, rollout=None)


def _apply_gate(world: World, version: ModelVersion, job: Job) -> SetStatus:
    result = job_result(job, Validated)
    if isinstance(result, JobFailure):
        failure = without_start(version, result)
        return fail(world, version, failure.reason, failure.message, "Validated")
    against = world.spec.validation.compared_by(version.spec.model.task)
    live, routine = world.live.name if world.live else None, is_routine(world.spec.validation, version)
    verdict = gate(world.spec.validation, against, result, live, routine)
    manual = verdict.passed and world.spec.rollout.approval == "manual"
    phase = Phase.AWAITING_APPROVAL if manual else Phase.ROLLING_OUT if verdict.passed else Phase.REJECTED
    refit = judged_refit(world, version, against, result) if verdict.passed else None
    message = f"{verdict.message}; {refit.message}" if refit and refit.artifact else verdict.message
    return transition(
        world,
        version,
        phase,
        verdict.reason,
        f"{message}; to approve it, annotate it with {names.APPROVED}" if manual else message,
        ("Validated", verdict.passed),
        **_metric_fields(result, against),
        **artifact_fields(refit),
        gate=None if verdict.passed else gate_digest(world.spec.validation, world.live),
    )


def _metric_fields(result: Validated, against: Against) -> dict[str, Any]:
    """The fields of the status about metrics."""
    new, old = (scores.get(against.metric) for scores in (result.metrics.candidate, result.metrics.live or {}))
    beside = f" (live {shown(old)})" if old is not None else ""
    return {
        "comparison": Comparison(rows=result.holdout_rows, worsening=result.worsening, slices=result.slices),
        "metrics": Metrics(
            candidate=result.metrics.candidate, live=result.metrics.live, standard_errors=result.standard_errors or None
        ),
        "metric": None if new is None else f"{against.metric} {shown(new)}{beside}",
    }
