"""Recovery: is there a version in the ledger that the cluster has lost, and is it back?

Looked for is the version that was live last, where the cluster knows of none, and the pinned one, where it is not here.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from perennial_operator.core import names
from perennial_operator.core.actions import Action, Create, Delete
from perennial_operator.core.api.drift_report import Outcome
from perennial_operator.core.manifests.ledger_jobs import again_at, recover_manifest
from perennial_operator.core.rules.job_results import JobFailure, Recovered, read
from perennial_operator.core.rules.training_admission import Deferral
from perennial_operator.core.rules.transitions import fail
from perennial_operator.core.stages.drift_assessment import Assessment
from perennial_operator.core.stages.recovered_version import manifest, status
from perennial_operator.core.world import Job, JobState, World


def next_step(world: World, _assessment: Assessment) -> tuple[Action, ...]:
    """The next thing to do about a version that the cluster has lost; nothing where none is, or the Job still looks."""
    job, wanted, found = _job(world), _sought(world), _found(world)
    if wanted is not None:
        look = recover_manifest(world, wanted)
        if job is None:
            return (Create(look),)
        if job.labels.get(names.ASKED) != look["metadata"]["labels"][names.ASKED]:
            return (Delete("Job", job.name),)
    if isinstance(found, Recovered) and (actions := _restored(world, found)):
        return actions
    return (Delete("Job", job.name),) if job and _over(world, job) else ()


def looking(world: World) -> Deferral | None:
    """Why nothing may be trained as if there were no version yet, or None: the ledger has not answered."""
    wanted, job, found = _sought(world), _job(world), _found(world)
    if wanted is None or isinstance(found, Recovered):
        return None
    what = wanted or "a version that was live before"
    if job and isinstance(found, JobFailure):
        message = f"the ledger in storage could not be searched for {what}: {found.message}"
        return Deferral(Outcome.STALLED, message, again_at(world, job), cause=found.reason)
    trouble = f"; {job.trouble}" if job and job.trouble else ""
    return Deferral(Outcome.BUSY, f"{names.recover_job(world.name)} looks for {what} in the ledger in storage{trouble}")


def lost(world: World) -> str:
    """What the ledger names and has not whole, to be hung onto a sentence."""
    found = _found(world)
    return f"; {found.message}" if isinstance(found, Recovered) and (found.passed_over or world.spec.pin) else ""


def wakes_at(world: World, _assessment: Assessment) -> Iterator[datetime]:
    """When a look that failed is taken again."""
    wait = looking(world)
    if wait and wait.until:
        yield wait.until


def _sought(world: World) -> str | None:
    """The version to look for, an empty name for the one that was live last, or None where none is missing."""
    found = _found(world)
    told = {stored.number for stored in found.versions} if isinstance(found, Recovered) else set()
    for version in world.versions:
        if version.unrestored and version.spec.number not in told:
            return version.name
    if pin := world.spec.pin:
        return pin if world.version(pin) is None else None
    return None if world.versions or world.deployment.status.last_version_number else ""


def _job(world: World) -> Job | None:
    return world.jobs.get(names.recover_job(world.name))


def _found(world: World) -> Recovered | JobFailure | None:
    """What the Job answered, if it has."""
    job = _job(world)
    return None if job is None or job.state is JobState.RUNNING else read(job, Recovered)


def _over(world: World, job: Job) -> bool:
    """Whether the Job may go: all that it knows is known without it, or it has failed and is to be begun again."""
    found = _found(world)
    if isinstance(found, JobFailure) and again_at(world, job) <= world.now:
        return True
    number = found.number if isinstance(found, Recovered) else 0
    return _sought(world) is None and (world.deployment.status.last_version_number or 0) >= number


def _restored(world: World, found: Recovered) -> tuple[Action, ...]:
    """Each version that was found and is not here is made; then each that is here without a status gets its own."""
    made = tuple(
        Create(manifest(world, stored))
        for stored in found.versions
        if world.version(names.version_name(world.name, stored.number)) is None
    )
    told = {stored.number: stored for stored in found.versions}
    return made or tuple(
        status(world, version, told[version.spec.number], found)
        if version.spec.number in told
        else fail(world, version, "NotRecovered", found.message, "Recorded")
        for version in world.versions
        if version.unrestored
    )
