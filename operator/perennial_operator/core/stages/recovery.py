"""Recovery: does the ledger have a version that the cluster has lost, and is it restored?

The stage looks for the version that was live last if the cluster has no version, and for a pinned one that is missing.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from perennial_operator.core import names
from perennial_operator.core.actions import Action, Create, Delete
from perennial_operator.core.api.drift_report import Outcome
from perennial_operator.core.manifests.ledger_jobs import again_at, recipe, recover_manifest
from perennial_operator.core.rules.job_results import JobFailure, Recovered, StoredVersion, job_result
from perennial_operator.core.rules.trainings.admission import Deferral
from perennial_operator.core.rules.transitions import fail
from perennial_operator.core.stages.drift_assessment import Assessment
from perennial_operator.core.stages.recovered_version import recovered_manifest, restore_status, without_untrusted
from perennial_operator.core.world import Job, JobState, World


def next_step(world: World, _assessment: Assessment) -> tuple[Action, ...]:
    """The next action for a version that the cluster has lost; nothing if none is, or while the Job runs."""
    job, wanted, result = _job(world), _missing_version(world), _result(world)
    if wanted is not None:
        manifest = recover_manifest(world, wanted)
        if job is None:
            return (Create(manifest),)
        if job.labels.get(names.TASK_DIGEST) != manifest["metadata"]["labels"][names.TASK_DIGEST]:
            return (Delete("Job", job.name),)
    if isinstance(result, Recovered) and (actions := _restore(world, result)):
        return actions
    return (Delete("Job", job.name),) if job and _is_done(world, job) else ()


def recovery_deferral(world: World) -> Deferral | None:
    """Why no first version may be trained yet, or None: the ledger has not been read."""
    wanted, job, result = _missing_version(world), _job(world), _result(world)
    if isinstance(result, Recovered) and (message := _contradiction(world, result)):
        return Deferral(Outcome.STALLED, message, cause="LedgerConflict")
    if wanted is None or isinstance(result, Recovered):
        return None
    what = wanted or "a version that was live before"
    if job and isinstance(result, JobFailure):
        message = f"the ledger in storage could not be searched for {what}: {result.message}"
        return Deferral(Outcome.STALLED, message, again_at(world, job), cause=result.reason)
    trouble = f"; {job.trouble}" if job and job.trouble else ""
    return Deferral(Outcome.BUSY, f"{names.recover_job(world.name)} looks for {what} in the ledger in storage{trouble}")


def incomplete_versions_suffix(world: World) -> str:
    """Message suffix: incomplete versions in the ledger."""
    result = _result(world)
    return f"; {result.message}" if isinstance(result, Recovered) and (result.passed_over or world.spec.pin) else ""


def wakes_at(world: World, _assessment: Assessment) -> Iterator[datetime]:
    """When a failed search of the ledger is retried."""
    deferral = recovery_deferral(world)
    if deferral and deferral.until:
        yield deferral.until


def _missing_version(world: World) -> str | None:
    """The version to look for; an empty name for the one that was live last; None if none is missing."""
    result = _result(world)
    stored_numbers = {stored.number for stored in result.versions} if isinstance(result, Recovered) else set()
    for version in world.versions:
        if version.unrestored and version.spec.number not in stored_numbers:
            return version.name
    if pin := world.spec.pin:
        return pin if world.version(pin) is None else None
    had_versions = world.deployment.status.last_version_number and not world.orphans
    return None if world.versions or had_versions else ""


def _job(world: World) -> Job | None:
    return world.jobs.get(names.recover_job(world.name))


def _result(world: World) -> Recovered | JobFailure | None:
    """The Job's result once it has ended."""
    job = _job(world)
    if job is None or job.state is JobState.RUNNING:
        return None
    result = job_result(job, Recovered)
    spec = world.spec
    if isinstance(result, JobFailure):
        return result
    return without_untrusted(world, result.with_recipes(recipe(spec.model, spec.data, spec.training)))


def _is_done(world: World, job: Job) -> bool:
    """Whether the Job can be deleted: its result is recorded elsewhere, or it failed and is to be retried."""
    result = _result(world)
    if isinstance(result, JobFailure) and again_at(world, job) <= world.now:
        return True
    number = result.number if isinstance(result, Recovered) else 0
    return _missing_version(world) is None and (world.deployment.status.last_version_number or 0) >= number


def _restore(world: World, result: Recovered) -> tuple[Action, ...]:
    """Each stored version that is missing is created; one pass later it gets its status.

    A ModelVersion without an owner that the ledger confirms is created again, so that all of it is from the ledger.
    """
    if _contradiction(world, result):
        return ()
    missing = [stored for stored in result.versions if world.version(_name(world, stored)) is None]
    orphans = {orphan.name for orphan in world.orphans}
    lost = tuple(Delete("ModelVersion", name) for stored in missing if (name := _name(world, stored)) in orphans)
    created: tuple[Action, ...] = (*lost, *(Create(recovered_manifest(world, stored)) for stored in missing))
    by_number = {stored.number: stored for stored in result.versions}
    return created or tuple(
        restore_status(world, version, by_number[version.spec.number], result)
        if version.spec.number in by_number
        else fail(world, version, "NotRecovered", result.message, "Recorded")
        for version in world.versions
        if version.unrestored
    )


def _name(world: World, stored: StoredVersion) -> str:
    return names.version_name(world.name, stored.number)


def _contradiction(world: World, result: Recovered) -> str:
    """How a ModelVersion without an owner differs from what the ledger says of it, or an empty text."""
    orphans = {orphan.name: orphan for orphan in world.orphans}
    for stored in result.versions:
        orphan, artifact, data = orphans.get(_name(world, stored)), stored.status.artifact, stored.status.data
        recorded = (artifact.sha256 if artifact else "", data.holdout_sha256 if data else "")
        if orphan and (orphan.model, orphan.holdout) != recorded:
            return (
                f"ModelVersion {orphan.name} has no owner, and the digests of its model and holdout "
                f"({orphan.model[:12] or 'none'}, {orphan.holdout[:12] or 'none'}) are not those of the ledger "
                f"({recorded[0][:12]}, {recorded[1][:12]}); find out which is right; to use the ledger, delete the "
                "ModelVersion"
            )
    return ""
