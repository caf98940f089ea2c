"""The operator's own drift checks: is one due, what is the result of the last one, and is its Job deleted?"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from perennial_operator.core import names
from perennial_operator.core.actions import Action, Create, Delete
from perennial_operator.core.api.drift_report import OWN_SOURCE, DriftReportSpec, OtherVersion
from perennial_operator.core.api.meta import API_VERSION
from perennial_operator.core.api.model_version import ModelVersion
from perennial_operator.core.api.values import as_instant, as_text, due_after, last_fire_by
from perennial_operator.core.drift_reports import about_drift
from perennial_operator.core.manifests.check_job import VERSION_CHECK, check_manifest, version_check_manifest
from perennial_operator.core.manifests.owner import owner_reference
from perennial_operator.core.manifests.storage_addresses import foreign_addresses
from perennial_operator.core.rollout.version_checks import began_at, checked_pair, next_version_check
from perennial_operator.core.rules.job_results import Checked, JobFailure, job_result
from perennial_operator.core.traffic.predecessor import compared_versions
from perennial_operator.core.world import Job, JobState, World, not_in_future


def check_jobs(world: World, role: str = "check") -> list[Job]:
    """The Jobs of drift checks, or of those with another role, oldest first."""
    jobs = (job for job in world.jobs.values() if job.labels.get(names.ROLE) == role)
    return sorted(jobs, key=lambda job: names.scheduled_at(job.labels))


def last_check(world: World) -> datetime | None:
    """When the newest check was scheduled, by Jobs, reports and the status. None before the first."""
    drift = world.deployment.status.drift
    recorded = [drift.last_check_time] if drift and drift.last_check_time else []
    reports = [report.scheduled_at for report in about_drift(world.reports)]
    scheduled = [*recorded, *reports, *(names.scheduled_at(job.labels) for job in check_jobs(world))]
    newest = max(not_in_future(world, *scheduled), default=names.NEVER)
    return newest if newest > names.NEVER else None


def next_check(world: World) -> datetime | None:
    """When the next check is due; that may be in the past. None if the operator makes no checks."""
    live, drift = world.live, world.spec.drift
    if live is None or drift is None or drift.check is None or world.spec.suspend:
        return None
    if any(job.state is JobState.RUNNING for job in check_jobs(world)):
        return None
    by_schedule = due_after(drift.check.schedule, _since(world, live), world.now, drift.check.time_zone)
    return min(by_schedule, _requested(world, live) or by_schedule)


def invalid_request(world: World) -> str | None:
    """What is wrong with the time at which a person requested a check, or None."""
    if _request(world) is not None or not (text := world.deployment.metadata.annotations.get(names.CHECK)):
        return None
    return f"the annotation {names.CHECK} is {text[:100]!r}: give a time such as {as_text(world.now)}, or remove it"


def _request(world: World) -> datetime | None:
    """The time that the annotation names, to the second."""
    try:
        at = as_instant(world.deployment.metadata.annotations.get(names.CHECK))
    except ValueError:
        return None
    return at.replace(microsecond=0) if isinstance(at, datetime) else None


def _requested(world: World, live: ModelVersion) -> datetime | None:
    """When a check was requested that has not been made since; it may be in the future."""
    at = _request(world)
    return at if at and at > max(not_in_future(world, *_since(world, live)), default=names.NEVER) else None


def _since(world: World, live: ModelVersion) -> tuple[datetime | None, ...]:
    return live.metadata.creation_timestamp, live.status.live_since, last_check(world)


def reconcile_checks(world: World) -> list[Action]:
    """A report for each check that succeeded, the removal of Jobs that are recorded, and the check that is due."""
    due = next_check(world)
    start = due is not None and due <= world.now
    return [*recorded(world, check_jobs(world), start), *([_check(world)] if start else [])]


def recorded(world: World, jobs: list[Job], start: bool) -> list[Action]:
    """A report for each of these checks that succeeded, and the removal of Jobs; `start`: the next one begins."""
    reports = {report.name for report in world.reports}
    actions: list[Action] = []
    for job in jobs:
        if job.state is JobState.RUNNING:
            continue
        result = _result(world, job)
        if isinstance(result, Checked) and job.name not in reports:
            actions.append(Create(_report(world, job, result)))
        elif isinstance(result, Checked) or start or job is not jobs[-1]:
            # The Job of a failed check is kept until the next check starts, so that its log can be read.
            actions.append(Delete("Job", job.name))
    return actions


def reconcile_version_checks(world: World) -> list[Action]:
    """The same for checks of a version against the one that it replaces, and the end of one that is needless."""
    due, jobs = next_version_check(world), check_jobs(world, VERSION_CHECK)
    start = due is not None and due <= world.now
    actions = [*_stopped(world, jobs), *recorded(world, jobs, start)]
    if start and due and (pair := checked_pair(world)):
        actions.append(Create(version_check_manifest(world, *pair, began_at(world, pair[0]), due)))
    return actions


def _stopped(world: World, jobs: list[Job]) -> Iterator[Action]:
    """The end of each one that still runs for a version that has gone back, or is not watched any longer."""
    pair = compared_versions(world)
    for job in jobs:
        if job.state is JobState.RUNNING and not (pair and job.labels.get(names.MODEL_VERSION) == pair[0].name):
            yield Delete("Job", job.name)


def failed_check(world: World, role: str = "check") -> JobFailure | None:
    """Why the newest check that ended has no result, or None."""
    ended = [job for job in check_jobs(world, role) if job.state is not JobState.RUNNING]
    result = _result(world, ended[-1]) if ended else None
    return result if isinstance(result, JobFailure) else None


def _result(world: World, job: Job) -> Checked | JobFailure:
    """The result of a check that has ended; a failure if its page is outside of the model's folder."""
    result = job_result(job, Checked)
    if isinstance(result, JobFailure):
        return result
    if label := _lost_label(world, job):
        message = f"Job {job.name} has lost its label {label}, so its result is not used; the next check has it"
        return JobFailure(reason="BadAnswer", message=message)
    if foreign := foreign_addresses(world, (result.details,), job):
        return JobFailure(reason="BadAnswer", message=f"Job {job.name} {foreign}")
    return result


def _lost_label(world: World, job: Job) -> str:
    """The label that was removed or changed by hand and without which it is not known what was measured, or no text."""
    if names.scheduled_at(job.labels) == names.NEVER:
        return names.SCHEDULED
    of_versions = [names.MODEL_VERSION, *([names.AGAINST] if job.labels.get(names.ROLE) == VERSION_CHECK else [])]
    lost = (each for each in of_versions if not _is_version(world, job.labels.get(each, "")))
    return next(lost, "")


def _is_version(world: World, name: str) -> bool:
    return name.removeprefix(f"{world.name}-v").isdecimal()


def _check(world: World) -> Create:
    """The check of the last time the schedule fired, or of a later request: after a pause one is made, not all."""
    assert world.live and world.spec.drift and world.spec.drift.check
    check = world.spec.drift.check
    fired = last_fire_by(check.schedule, world.now, check.time_zone)
    requested = not_in_future(world, _requested(world, world.live))
    return Create(check_manifest(world, world.live, max((fired, *requested))))


def _report(world: World, job: Job, result: Checked) -> dict[str, object]:
    of_version = job.labels.get(names.ROLE) == VERSION_CHECK
    other = OtherVersion(model_version=job.labels[names.AGAINST], metrics=result.against or []) if of_version else None
    spec = DriftReportSpec(
        model_deployment=world.name,
        model_version=job.labels.get(names.MODEL_VERSION),
        source=OWN_SOURCE,
        **dict(result) | {"against": other},
    )
    return {
        "apiVersion": API_VERSION,
        "kind": "DriftReport",
        "metadata": {
            "name": job.name,
            "namespace": world.deployment.metadata.namespace,
            "labels": names.labels(world.name, "report") | {names.SCHEDULED: job.labels[names.SCHEDULED]},
            "ownerReferences": [owner_reference(world)],
        },
        "spec": spec.to_api(),
    }
