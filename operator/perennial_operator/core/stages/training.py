"""Training: is a candidate needed, does its Job exist, and what is its result?"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from perennial_operator.core import names
from perennial_operator.core.actions import Action, Create, SetStatus
from perennial_operator.core.api.artifacts import Blend, Refit
from perennial_operator.core.api.drift_report import Outcome
from perennial_operator.core.api.model_version import UNSUCCESSFUL, ModelVersion, Phase, Trigger
from perennial_operator.core.api.values import due_after
from perennial_operator.core.manifests.candidate import begin
from perennial_operator.core.manifests.jobs import job_image
from perennial_operator.core.manifests.storage_addresses import foreign_addresses
from perennial_operator.core.manifests.train_job import reason_without_refit, train_manifest
from perennial_operator.core.rules.job_results import JobFailure, Trained, job_result
from perennial_operator.core.rules.job_starts import report_start, without_start
from perennial_operator.core.rules.known_bad import reason_not_to_repeat
from perennial_operator.core.rules.phases import FILES_UNCHANGED, NO_NEW_ROWS, NOT_READY
from perennial_operator.core.rules.trainings.admission import Deferral, deferral_for
from perennial_operator.core.rules.trainings.adoption import (
    NOT_FITTED,
    adoption_of,
    is_adopted_otherwise,
    reason_not_to_adopt,
)
from perennial_operator.core.rules.trainings.blending import reason_without_blend
from perennial_operator.core.rules.trainings.new_rows import growth_of
from perennial_operator.core.rules.trainings.recipes import recipe, version_recipe
from perennial_operator.core.rules.trainings.reweighing import gain_of_weights, reweighing_of
from perennial_operator.core.rules.transitions import fail, transition
from perennial_operator.core.stages.drift_assessment import Assessment, newest_report
from perennial_operator.core.stages.recovery import incomplete_versions_suffix, recovery_deferral
from perennial_operator.core.world import Job, JobState, World

LONGEST_MESSAGE = 300
"""Characters about a refit or a blend, which every page of the ledger repeats."""


def next_step(world: World, _assessment: Assessment) -> tuple[Action, ...]:
    """The next action for the version that trains, or the start of a candidate; nothing if neither is needed."""
    candidate = world.candidate
    if candidate is None:
        trigger = trigger_of(world)
        return begin(world, trigger) if trigger and not deferral_of(world, trigger) else ()
    if candidate.unrestored:
        return ()
    is_other = version_recipe(candidate) != recipe(world.spec) or is_adopted_otherwise(world, candidate)
    if is_other and not world.automation_paused:
        message = "spec was changed to describe another model than this one"
        return (transition(world, candidate, Phase.SUPERSEDED, "SpecChanged", message, rollout=None),)
    if candidate.status.reason == NOT_READY and open_request(world) and not world.automation_paused:
        message = "a person has requested another training"  # a first version waits for its pods without end
        return (transition(world, candidate, Phase.SUPERSEDED, "Superseded", message, rollout=None),)
    return reconcile_training_job(world, candidate) if candidate.phase is Phase.TRAINING else ()


def trigger_of(world: World) -> Trigger | None:
    """Why a candidate is needed for another reason than drift, or None."""
    request = open_request(world)
    if adoption := adoption_of(world, request):
        return adoption
    if request:
        return Trigger(reason="Request", request=request, message=f"{names.RETRAIN} is {request}")
    live = world.live
    if live is None:
        return Trigger(
            reason="Initial",
            message=f"ModelDeployment {world.name} has no live version{incomplete_versions_suffix(world)}",
        )
    if version_recipe(live) != recipe(world.spec):
        return Trigger(reason="SpecChange", message=f"spec describes another model than {live.name}")
    due = _schedule_due(world)
    if due and due <= world.now:
        return Trigger(reason="Schedule", message=f"spec.training.schedule was due at {due:%Y-%m-%d %H:%M} UTC")
    return growth_of(world) or reweighing_of(world) or _retry(world)


def _retry(world: World) -> Trigger | None:
    """The same training once more if the newest candidate failed only because of its surroundings."""
    failed, report = world.newest, newest_report(world)
    if failed is None or not failed.status.surroundings or failed.phase not in UNSUCCESSFUL:
        return None
    reason, within = failed.spec.trigger.reason, Outcome.WITHIN_THRESHOLDS
    over = report and report.outcome is within and not gain_of_weights(world, report)
    gone = over or world.spec.drift is None or world.is_dry_run
    is_by_reports = reason in ("Drift", "Reweighing")
    if (is_by_reports and gone) or not (is_by_reports or reason in ("Schedule", "Request")):
        return None
    return Trigger(reason=reason, message=f"{failed.name} failed because of its surroundings ({failed.status.reason})")


def deferral_of(world: World, trigger: Trigger) -> Deferral | None:
    """Why a candidate with this trigger is not started now, or None."""
    if recovery := recovery_deferral(world):
        return recovery
    if trigger.reason == "Adopted" and (message := reason_not_to_adopt(world)):
        return Deferral(Outcome.STALLED, message, cause="AdoptNotAllowed")
    return deferral_for(world, trigger.reason, asked=trigger.request is not None)


def open_request(world: World) -> str | None:
    """The value of the retrain annotation, unless a version was made for it already."""
    handled = {version.spec.trigger.request for version in world.versions}
    handled.add(world.deployment.status.last_handled_retrain_request)
    return world.request if world.request not in handled else None


def wakes_at(world: World, _assessment: Assessment) -> Iterator[datetime]:
    """When time alone may cause an action of this stage: the schedule, and the end of a cool-down."""
    trigger = trigger_of(world) if world.candidate is None else None
    deferral = deferral_of(world, trigger) if trigger else None
    yield from (at for at in (_schedule_due(world), deferral and deferral.until) if at)


def _schedule_due(world: World) -> datetime | None:
    """The first time the schedule fires after the newest version was made and ended.

    A time that passed while there was a candidate needs no other one.
    """
    newest, schedule = world.newest, world.spec.training.schedule
    if schedule is None or newest is None or world.live is None or world.candidate:
        return None
    ended = newest.status.live_since if newest.phase is Phase.LIVE else newest.status.ended_at
    since = world.deployment.metadata.creation_timestamp, newest.metadata.creation_timestamp, ended
    return due_after(schedule, since, world.now, world.spec.training.time_zone)


def reconcile_training_job(world: World, version: ModelVersion) -> tuple[Action, ...]:
    job = world.jobs.get(names.train_job(version.name))
    started = (_start_training(world, version),) if version.status.phase is None else ()
    if job is None:
        return () if world.automation_paused else (*started, Create(train_manifest(world, version)))
    if job.state is not JobState.RUNNING:
        return (_end_training(world, version, job),)
    workers = world.jobs.get(names.workers_job(version.name))
    if workers and workers.state is JobState.FAILED and workers.labels.get(names.FOR_POD) == job.pod:
        return (fail(world, version, "WorkersFailed", _workers_message(workers), "Trained"),)
    return started or report_start(world, version, job, _start_message(version), "Trained")


def _start_training(world: World, version: ModelVersion) -> SetStatus:
    message = _start_message(version)
    image = job_image(world, version, version.spec.training.pod)
    return transition(world, version, Phase.TRAINING, "Training", message, ("Trained", None), image=image)


def _start_message(version: ModelVersion) -> str:
    return f"training because of {version.spec.trigger.reason}: {version.spec.trigger.message}"


def _workers_message(workers: Job) -> str:
    because = workers.trouble or workers.reason
    why = f" ({because})" if because else ""
    return f"the workers of the training failed: Job {workers.name} failed{why}; see its log"


def _end_training(world: World, version: ModelVersion, job: Job) -> SetStatus:
    result = job_result(job, Trained)
    # The operator may have stopped before it recorded the start, and with it the image.
    image = version.status.image or job_image(world, version, version.spec.training.pod)
    if isinstance(result, JobFailure):
        files = {"refused_files": result.files, "image": image}
        if result.reason in (NO_NEW_ROWS, FILES_UNCHANGED):
            condition = ("Trained", False)
            return transition(world, version, Phase.SUPERSEDED, result.reason, result.message, condition, **files)
        failure = without_start(version, result)
        return fail(world, version, failure.reason, failure.message, "Trained", **files)
    refit = _refit(world, version, result)
    addresses = (result.artifact.uri, result.data.holdout_uri, refit.artifact.uri if refit.artifact else None)
    if foreign := foreign_addresses(world, addresses, job):
        return fail(world, version, "BadAnswer", f"Job {job.name} {foreign}", "Trained")
    updates = {
        "image": image,
        "contract": result.contract,
        "artifact": result.artifact,
        "refit": refit,
        "blend": _blend(world, version, result),
        "data": result.data,
        "parameters": result.parameters or None,
        "findings": [each[:1000] for each in result.findings] or None,
    }
    made = version.model_copy(update={"status": version.status.model_copy(update=updates)})
    if message := reason_not_to_repeat(world, made, result.data, image):
        return transition(world, version, Phase.REJECTED, "KnownBad", message, ("Trained", True), **updates)
    return transition(world, version, Phase.VALIDATING, "Trained", result.message, ("Trained", True), **updates)


def _blend(world: World, version: ModelVersion, result: Trained) -> Blend:
    """The models that it is the mean of, or why it is one fit."""
    if version.spec.adopt:
        return NOT_FITTED
    if made := result.blend:
        return made.model_copy(update={"message": made.message[:LONGEST_MESSAGE]})
    reason = reason_without_blend(world, version.spec, version.spec.number)
    reason = reason or f"the trainer's image does not say that it made one (contract {result.contract})"
    return Blend(models=1, fits=1, message=f"no blend: {reason}")


def _refit(world: World, version: ModelVersion, result: Trained) -> Refit:
    """The second model, which is not judged yet, or why it was not made."""
    made = result.refit
    if made is None:
        reason = reason_without_refit(world, version) or f"the trainer's image made none (contract {result.contract})"
        return Refit(message=f"no refit: {reason}")
    if made.artifact is None:
        return Refit(message=f"no refit: {made.message}"[:LONGEST_MESSAGE])
    return Refit(
        message=f"not judged by its guards: {made.message}"[:LONGEST_MESSAGE],
        rows=made.rows,
        artifact=made.artifact,
        proven=result.artifact,
        quality=made.quality,
    )
