"""Upkeep: once a day a Job deletes what is too old in the model's folder in storage. Is one due, what did the last do?

Models have their minutes of the day by a digest of their names, so that the Jobs of a fleet are spread over it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import datetime, timedelta

from perennial_operator.core import names
from perennial_operator.core.actions import Action, Create, Delete
from perennial_operator.core.api.upkeep import UpkeepFacts
from perennial_operator.core.manifests.ledger_jobs import PAUSE
from perennial_operator.core.manifests.upkeep_job import upkeep_manifest
from perennial_operator.core.rules.job_results import JobFailure, KeptUp, job_result
from perennial_operator.core.stages.drift_assessment import Assessment
from perennial_operator.core.stages.storage.forget_requests import ForgetRequest, unfinished_requests
from perennial_operator.core.stages.storage.kept_files import marks, without_files
from perennial_operator.core.world import Job, JobState, World

DAY = timedelta(days=1)


def next_step(world: World, _assessment: Assessment) -> tuple[Action, ...]:
    """The Job that is due, or the removal of one whose result is in the status.

    The Job of a failed one is kept until the next is due, so that its log can be read.
    """
    job, at = _job(world), next_upkeep(world)
    due = at is not None and at <= world.now
    if job is None:
        return (marks(world) or _start(world)) if due else ()
    facts = upkeep_facts(world)
    if job.state is JobState.RUNNING or facts is None or facts != world.deployment.status.upkeep:
        return ()
    return (Delete("Job", job.name),) if due or not facts.failures or not wants_upkeep(world) else ()


def _start(world: World) -> tuple[Action, ...]:
    keys = sorted({each.key for each in _forget(world)})
    to_delete, _ = without_files(world, upkeep_facts(world))
    return (Create(upkeep_manifest(world, keys, to_delete)),)


def wakes_at(world: World, _assessment: Assessment) -> Iterator[datetime]:
    """When the next one is due; soon, if the Job of the last one is deleted once the status has its result."""
    job = _job(world)
    if job and job.state is not JobState.RUNNING and upkeep_facts(world) != world.deployment.status.upkeep:
        yield world.now + timedelta(seconds=1)
    if at := next_upkeep(world):
        yield at


def wants_daily(world: World) -> bool:
    """Whether there is something to delete or to put together each day."""
    to_delete, _ = without_files(world, upkeep_facts(world))
    return world.spec.serving.capture is not None or world.spec.history.artifacts is not None or bool(to_delete)


def wants_upkeep(world: World) -> bool:
    """Whether there is anything to do at all, now or later."""
    return wants_daily(world) or bool(_forget(world))


def next_upkeep(world: World) -> datetime | None:
    """When the next one is due; that may be in the past. None while one runs, or nothing may be started."""
    job, facts = _job(world), upkeep_facts(world)
    running = job is not None and job.state is JobState.RUNNING
    if running or not wants_upkeep(world) or world.live is None or world.spec.suspend:
        return None
    last = facts.last_attempt_time if facts else world.deployment.metadata.creation_timestamp
    if last > world.now:  # by a clock that was wrong
        return world.now
    due = [at for each in _forget(world) if (at := each.due(facts))]
    if facts and facts.failures:
        due.append(last + min(PAUSE * (1 << min(facts.failures - 1, 10)), DAY))
    elif wants_daily(world):
        due.append(_minute_after(last, f"{world.deployment.metadata.namespace}/{world.name}"))
    return min(due, default=None)


def upkeep_facts(world: World) -> UpkeepFacts | None:
    """What the last Job that has ended did; None before there was one."""
    job, before = _job(world), world.deployment.status.upkeep
    if job is None or job.state is JobState.RUNNING:
        return before
    began = names.scheduled_at(job.labels)
    if before and before.last_attempt_time == began:
        return before
    result = job_result(job, KeptUp)
    if not isinstance(result, JobFailure):
        return UpkeepFacts(last_attempt_time=began, last_time=began, message=result.message)
    return UpkeepFacts(
        last_attempt_time=began,
        last_time=before.last_time if before else None,
        failures=before.failures + 1 if before else 1,
        reason=result.reason,
        message=result.message,
    )


def _forget(world: World) -> list[ForgetRequest]:
    return unfinished_requests(world.deployment.metadata.annotations, upkeep_facts(world))


def _job(world: World) -> Job | None:
    return world.jobs.get(names.upkeep_job(world.name))


def _minute_after(instant: datetime, name: str) -> datetime:
    """The first time after the instant that is the minute of the day of this name, in UTC."""
    minute = int.from_bytes(hashlib.sha256(name.encode()).digest()[:4]) % (24 * 60)
    at = instant.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(minutes=minute)
    return at if at > instant else at + DAY
