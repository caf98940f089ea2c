"""Record: does the ledger beside the artifacts say what became of each version?"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from perennial_operator.core import names
from perennial_operator.core.actions import Action, Announcement, Create, Delete, SetStatus
from perennial_operator.core.api.conditions import find, with_condition
from perennial_operator.core.api.model_version import ModelVersion
from perennial_operator.core.manifests.ledger_jobs import again_at, entry_name, record_manifest
from perennial_operator.core.rules.job_results import JobFailure, Recorded, read
from perennial_operator.core.stages.drift_assessment import Assessment
from perennial_operator.core.world import Job, JobState, World


def next_step(world: World, _assessment: Assessment) -> tuple[Action, ...]:
    """The next thing to do for the ledger. It is the last stage: its failure blocks no other."""
    actions = (_next(world, version) for version in world.versions)
    return tuple(action for action in actions if action)[:1]


def wakes_at(world: World, _assessment: Assessment) -> Iterator[datetime]:
    """When an entry that could not be written is tried again."""
    yield from (again_at(world, job) for job in _jobs(world) if job.state is not JobState.RUNNING)


def _next(world: World, version: ModelVersion) -> Action | None:
    name, job = entry_name(version), world.jobs.get(names.record_job(version.name))
    if name is None or version.status.recorded == name or (job and job.labels.get(names.ENTRY) != name):
        return Delete("Job", job.name) if job else None
    if job is None:
        # One at a time: where many versions have no entry yet, as after an upgrade, no crowd of pods starts.
        busy = any(other.state is JobState.RUNNING for other in _jobs(world))
        return None if busy else Create(record_manifest(world, version))
    if job.state is JobState.RUNNING:
        return None
    answer = read(job, Recorded)
    if isinstance(answer, JobFailure):
        return Delete("Job", job.name) if again_at(world, job) <= world.now else _unrecorded(world, version, answer)
    conditions = with_condition(version.status.conditions, "Recorded", True, "Recorded", answer.message, world.now)
    status = version.status.model_copy(update={"conditions": conditions, "recorded": name})
    return SetStatus("ModelVersion", version.name, status.to_api(), version.metadata.resource_version)


def _unrecorded(world: World, version: ModelVersion, why: JobFailure) -> SetStatus | None:
    """The version says that its entry is missing, and why; nothing where it says so already."""
    before = find(version.status.conditions, "Recorded")
    if before and (before.status, before.reason, before.message) == ("False", why.reason, why.message[:2000]):
        return None
    conditions = with_condition(version.status.conditions, "Recorded", False, why.reason, why.message, world.now)
    status = version.status.model_copy(update={"conditions": conditions}).to_api()
    told = Announcement(why.reason, f"{version.name} is not in the ledger yet: {why.message}", warning=True)
    return SetStatus("ModelVersion", version.name, status, version.metadata.resource_version, told)


def _jobs(world: World) -> list[Job]:
    return [job for job in world.jobs.values() if job.labels.get(names.ROLE) == "record"]
