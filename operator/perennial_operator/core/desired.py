"""Which objects must exist, and which are deleted, whatever a stage decides?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from perennial_operator.core import names
from perennial_operator.core.actions import Action, Create, Delete
from perennial_operator.core.api.drift_report import Outcome
from perennial_operator.core.api.model_version import Phase
from perennial_operator.core.drift_reports import Report, about_drift
from perennial_operator.core.manifests.ledger_jobs import entry_name
from perennial_operator.core.manifests.worker_job import workers_manifest
from perennial_operator.core.rules.trainings.back_off import COUNTED
from perennial_operator.core.rules.trainings.failures import rejected_in_a_row, stopped_by_surroundings
from perennial_operator.core.stages.drift_assessment import Assessment
from perennial_operator.core.stages.registry import STOPPED_ROLES
from perennial_operator.core.stages.storage.kept_files import ended_versions, without_files
from perennial_operator.core.stages.upkeep import upkeep_facts
from perennial_operator.core.traffic.predecessor import watch_of
from perennial_operator.core.traffic.registry import runtime_of
from perennial_operator.core.world import Job, JobState, World

WITH_JOBS = 2
"""So many newest versions keep their Jobs, and with them the logs of their pods."""
NOISE = frozenset({Outcome.DUPLICATE, Outcome.STALE})
"""Outcomes of reports that nothing is decided by; they must not push out one that has started a training."""


def bring_about(world: World, assessment: Assessment) -> tuple[Action, ...]:
    """The actions that bring the current state to the desired one; none for an object that is as desired."""
    serving = runtime_of(world.spec).serving_actions(world)
    return (*serving, *_stop_jobs(world), *_reconcile_workers(world), *_delete_old_records(world, assessment))


def _stop_jobs(world: World) -> Iterator[Action]:
    """Deletes Jobs of ended versions but the newest, and those that run on although their result is recorded."""
    newest = world.versions[-WITH_JOBS:]
    for job in world.jobs.values():
        version = world.version(job.labels.get(names.MODEL_VERSION))
        role = job.labels.get(names.ROLE)
        ended = version is not None and version is not world.candidate
        recorded = ended or (version is not None and role == "training" and version.phase is not Phase.TRAINING)
        needless = ended if job.state is JobState.RUNNING else recorded and job.lingers
        # The log of a failed one is kept, until its deadline ends it.
        needless = needless and job.state is not JobState.FAILED
        if role in STOPPED_ROLES and (needless or (ended and version not in newest)):
            yield Delete("Job", job.name)


def _reconcile_workers(world: World) -> Iterator[Action]:
    """Workers exist while the pod that uses them runs; a retried Job gets new ones."""
    training_job = training_job_needing_workers(world)
    for job in world.jobs.values():
        if job.labels.get(names.ROLE) == "worker" and (
            training_job is None or job.labels.get(names.FOR_POD) != training_job.pod
        ):
            yield Delete("Job", job.name)
    if training_job and world.candidate and names.workers_job(world.candidate.name) not in world.jobs:
        yield Create(workers_manifest(world, world.candidate, training_job))


def training_job_needing_workers(world: World) -> Job | None:
    """The training Job whose pod runs and uses workers."""
    candidate = world.candidate
    if candidate is None or candidate.phase is not Phase.TRAINING:
        return None
    engine, job = candidate.spec.training.engine, world.jobs.get(names.train_job(candidate.name))
    uses_workers = engine is not None and engine.dask.workers is not None and candidate.spec.adopt is None
    return job if uses_workers and job and job.state is JobState.RUNNING and job.pod else None


def _delete_old_records(world: World, assessment: Assessment) -> Iterator[Action]:
    """Deletes ended versions and handled reports beyond spec.history, oldest first.

    None that a decision needs, and no version before the ledger has its entry.
    """
    rejected = rejected_in_a_row(world)[: max(COUNTED, world.spec.training.max_rejections or 0)]
    counted = {version.name for version in (*rejected, *stopped_by_surroundings(world)[:COUNTED])}
    unrecorded = {v.name for v in world.versions if entry_name(v) not in (None, v.status.recorded)}
    watch = watch_of(world)
    needed = {world.spec.pin, watch and watch.predecessor, *world.serving, *counted, *unrecorded}
    # Of versions that read no new rows the last one suffices: they must not push out versions that can serve again.
    others, idle = ([v for v in ended if v.name not in needed] for ended in ended_versions(world))
    with_files = _with_files(world)
    for version in (*idle[:-1], *others[: max(0, len(others) - world.spec.history.versions)]):
        if version.name not in with_files:
            yield Delete("ModelVersion", version.name)
    yield from _delete_reports(world, about_drift(world.reports), assessment)
    yield from _delete_reports(world, [each for each in world.reports if each.against], assessment)


def _delete_reports(world: World, reports: Sequence[Report], assessment: Assessment) -> Iterator[Action]:
    """Reports that say nothing go first; not while the Job of the check is there, which would write it again.

    Of checks of versions the last report stays: it alone says when the last check was, or that would be made again.
    """
    handled = [report for report in reports if report.outcome and report.name not in assessment.chain]
    made = [each for each in handled if each.against and each.scheduled_at <= world.now]
    last = sorted(made, key=lambda each: each.scheduled_at)[-1:]
    noise = [each for each in handled if each.outcome in NOISE and each.name not in world.jobs and each not in last]
    ordered = [*noise, *(each for each in handled if each not in (*noise, *last)), *last]
    for report in ordered[: max(0, len(handled) - world.spec.history.reports)]:
        yield Delete("DriftReport", report.name)


def _with_files(world: World) -> list[str]:
    """The ended versions whose files are to be deleted, now or later: without its object none would be."""
    to_delete, gone = without_files(world, upkeep_facts(world))
    if world.spec.history.artifacts is None:
        return [version.name for version in to_delete]
    ended, _ = ended_versions(world)
    return [version.name for version in ended if version not in gone]
