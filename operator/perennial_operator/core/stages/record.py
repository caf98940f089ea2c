"""Record: does the ledger beside the artifacts have an entry about each version's end?"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from perennial_operator.core import names
from perennial_operator.core.actions import Action, Announcement, Create, Delete, SetStatus
from perennial_operator.core.api.conditions import find, with_condition
from perennial_operator.core.api.model_version import ModelVersion, Phase
from perennial_operator.core.manifests.ledger_jobs import again_at, entry_name, record_manifest
from perennial_operator.core.rules.job_results import JobFailure, Recorded, job_result
from perennial_operator.core.stages.drift_assessment import Assessment
from perennial_operator.core.world import Job, JobState, World


def next_step(world: World, _assessment: Assessment) -> tuple[Action, ...]:
    """The next thing to do for the ledger. It is the last stage: its failure blocks no other."""
    actions = (_next_for(world, version) for version in world.versions)
    return tuple(action for action in actions if action)[:1]


def wakes_at(world: World, _assessment: Assessment) -> Iterator[datetime]:
    """When a failed entry is retried."""
    yield from (again_at(world, job) for job in _jobs(world) if job.state is not JobState.RUNNING)


def _next_for(world: World, version: ModelVersion) -> Action | None:
    name, job = entry_name(version), world.jobs.get(names.record_job(version.name))
    is_recorded = version.status.recorded == name or _came_from_ledger(version)
    if name is None or is_recorded or (job and job.labels.get(names.ENTRY) != name):
        return Delete("Job", job.name) if job else None
    if job is None:
        # One Job at a time: after an upgrade many versions may have no entry.
        busy = any(other.state is JobState.RUNNING for other in _jobs(world))
        return None if busy else Create(record_manifest(world, version))
    if job.state is JobState.RUNNING:
        return None
    result = job_result(job, Recorded)
    if isinstance(result, JobFailure):
        return Delete("Job", job.name) if again_at(world, job) <= world.now else _report_failure(world, version, result)
    conditions = with_condition(version.status.conditions, "Recorded", True, "Recorded", result.message, world.now)
    status = version.status.model_copy(update={"conditions": conditions, "recorded": name})
    return SetStatus("ModelVersion", version.name, status.to_api(), version.metadata.resource_version)


def _came_from_ledger(version: ModelVersion) -> bool:
    """Whether the version was found in the ledger and has not ended since; `recorded` was not stored.

    An outdated definition drops the field. A second entry would differ from the first one in its trigger.
    """
    status = version.status
    if version.spec.trigger.reason != "Recovered" or status.recorded or status.live_since is None:
        return False
    is_of_before = status.live_since <= version.metadata.creation_timestamp
    return is_of_before and version.phase in (Phase.LIVE, Phase.SUPERSEDED)


def _report_failure(world: World, version: ModelVersion, failure: JobFailure) -> SetStatus | None:
    """The version's condition reports that its entry is missing, and why; nothing if it does so already."""
    before = find(version.status.conditions, "Recorded")
    if before and (before.status, before.reason, before.message) == ("False", failure.reason, failure.message[:2000]):
        return None
    conditions = with_condition(
        version.status.conditions, "Recorded", False, failure.reason, failure.message, world.now
    )
    status = version.status.model_copy(update={"conditions": conditions}).to_api()
    announcement = Announcement(
        failure.reason, f"{version.name} is not in the ledger yet: {failure.message}", warning=True
    )
    return SetStatus("ModelVersion", version.name, status, version.metadata.resource_version, announcement)


def _jobs(world: World) -> list[Job]:
    return [job for job in world.jobs.values() if job.labels.get(names.ROLE) == "record"]
