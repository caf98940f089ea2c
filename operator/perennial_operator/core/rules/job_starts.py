"""Does the pod of a candidate's Job start, and is there a Job? One that never ran says nothing about the candidate."""

from __future__ import annotations

from perennial_operator.core import names
from perennial_operator.core.actions import SetStatus
from perennial_operator.core.api.model_version import ModelVersion, Phase
from perennial_operator.core.api.printable_text import printable
from perennial_operator.core.rules.job_results import JobFailure
from perennial_operator.core.rules.phases import NOT_STARTED
from perennial_operator.core.rules.transitions import transition
from perennial_operator.core.world import Job, World

NO_PLACE = "; until it runs, it holds no place among the trainings of the fleet"


def report_start(world: World, version: ModelVersion, job: Job, started: str, condition: str) -> tuple[SetStatus, ...]:
    """The version reports that the pod of the running Job does not start, or `started` once it does."""
    reported = version.status.reason == NOT_STARTED
    if job.blocked == reported:
        return ()
    phase = version.phase
    reason, message = (NOT_STARTED, not_started(phase, job)) if job.blocked else (phase.value, started)
    return (transition(world, version, phase, reason, message, (condition, None)),)


def report_missing_job(world: World, trouble: str) -> SetStatus | None:
    """The candidate reports the trouble because of which its Job does not exist; None if it does so, or if one does."""
    version = world.candidate
    jobs = {Phase.TRAINING: names.train_job, Phase.VALIDATING: names.validate_job}
    if version is None or version.status.phase not in jobs or world.automation_paused:
        return None
    if jobs[version.phase](version.name) in world.jobs:
        return None
    message = f"its Job could not be created: {trouble}"
    if (version.status.reason, version.status.message) == (NOT_STARTED, printable(message)):
        return None
    condition = {Phase.TRAINING: "Trained", Phase.VALIDATING: "Validated"}[version.phase]
    return transition(world, version, version.phase, NOT_STARTED, message, (condition, None))


def not_started(phase: Phase, job: Job) -> str:
    """Why the pod does not start, as a sentence."""
    return f"its pod does not start: {job.trouble}{NO_PLACE if phase is Phase.TRAINING else ''}"


def without_start(version: ModelVersion, failure: JobFailure) -> JobFailure:
    """The failure of a Job; NotStarted if its time ran out before its pod started."""
    if failure.reason != "TimedOut" or version.status.reason != NOT_STARTED:
        return failure
    trouble = (version.status.message or "").removesuffix(NO_PLACE)
    return JobFailure(reason=NOT_STARTED, message=f"{failure.message}; {trouble}")
