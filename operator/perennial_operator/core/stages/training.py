"""Training: is a candidate wanted, is its Job there, and what did it answer?"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from perennial_operator.core import names
from perennial_operator.core.actions import Action, Create, SetStatus
from perennial_operator.core.api.model_version import ModelVersion, Phase, Trigger
from perennial_operator.core.api.values import first_fire_after, shown_addresses
from perennial_operator.core.manifests.candidate import begin
from perennial_operator.core.manifests.jobs import job_image
from perennial_operator.core.manifests.train_job import train_manifest
from perennial_operator.core.rules.job_results import JobFailure, Trained, read
from perennial_operator.core.rules.known_bad import known_bad
from perennial_operator.core.rules.phases import NO_NEW_ROWS
from perennial_operator.core.rules.training_admission import Deferral, deferral_for
from perennial_operator.core.rules.transitions import fail, transition
from perennial_operator.core.stages.drift_assessment import Assessment
from perennial_operator.core.stages.recovery import looking, lost
from perennial_operator.core.world import Job, JobState, World, by_now, made_from, recipe


def next_step(world: World, _assessment: Assessment) -> tuple[Action, ...]:
    """The next thing to do for the version that trains, or the version that is wanted; nothing where there is none."""
    candidate = world.candidate
    if candidate is None:
        trigger = wanted(world)
        return begin(world, trigger) if trigger and not waits(world, trigger) else ()
    if candidate.unrestored:
        return ()
    if made_from(candidate) != recipe(world.spec) and not world.automation_paused:
        message = "spec asks for another model now; a new candidate takes its place"
        return (transition(world, candidate, Phase.SUPERSEDED, "SpecChanged", message, rollout=None),)
    return _tend(world, candidate) if candidate.phase is Phase.TRAINING else ()


def wanted(world: World) -> Trigger | None:
    """Why a candidate is wanted for another reason than drift, or None."""
    if request := open_request(world):
        return Trigger(reason="Request", request=request, message=f"{names.RETRAIN} is {request}")
    live = world.live
    if live is None:
        return Trigger(reason="Initial", message=f"ModelDeployment {world.name} has no live version{lost(world)}")
    if made_from(live) != recipe(world.spec):
        return Trigger(reason="SpecChange", message=f"spec asks for another model than {live.name}")
    due = _schedule_due(world)
    if due and due <= world.now:
        return Trigger(reason="Schedule", message=f"spec.training.schedule was due at {due:%Y-%m-%d %H:%M} UTC")
    return None


def waits(world: World, trigger: Trigger) -> Deferral | None:
    """Why the candidate that is wanted is not started now, or None."""
    return looking(world) or deferral_for(world, trigger.reason)


def open_request(world: World) -> str | None:
    """The value of the retrain annotation, unless a version was made for it already."""
    obeyed = {version.spec.trigger.request for version in world.versions}
    obeyed.add(world.deployment.status.last_handled_retrain_request)
    return world.request if world.request not in obeyed else None


def wakes_at(world: World, _assessment: Assessment) -> Iterator[datetime]:
    """When time alone may give this stage something to do: the schedule, and the end of a cool-down."""
    trigger = wanted(world) if world.candidate is None else None
    wait = waits(world, trigger) if trigger else None
    yield from (at for at in (_schedule_due(world), wait and wait.until) if at)


def _schedule_due(world: World) -> datetime | None:
    """The first time the schedule fires after the newest version was made and came to its end.

    What fell due while a candidate was on its way is answered by that candidate.
    """
    newest, schedule = world.newest, world.spec.training.schedule
    if schedule is None or newest is None or world.live is None or world.candidate:
        return None
    ended = newest.status.live_since if newest.phase is Phase.LIVE else newest.status.ended_at
    began = world.deployment.metadata.creation_timestamp
    return first_fire_after(schedule, max(by_now(world, newest.metadata.creation_timestamp, ended), default=began))


def _tend(world: World, version: ModelVersion) -> tuple[Action, ...]:
    job = world.jobs.get(names.train_job(version.name))
    begun = (_begun(world, version),) if version.status.phase is None else ()
    if job is None:
        return () if world.automation_paused else (Create(train_manifest(world, version)), *begun)
    if job.state is not JobState.RUNNING:
        return (_trained(world, version, job),)
    workers = world.jobs.get(names.workers_job(version.name))
    if workers and workers.state is JobState.FAILED and workers.labels.get(names.FOR_POD) == job.pod:
        return (fail(world, version, "WorkersFailed", _lost(workers), "Trained"),)
    return begun


def _begun(world: World, version: ModelVersion) -> SetStatus:
    message = f"training because of {version.spec.trigger.reason}: {version.spec.trigger.message}"
    image = job_image(world, version, version.spec.training.pod)
    return transition(world, version, Phase.TRAINING, "Training", message, ("Trained", None), image=image)


def _lost(workers: Job) -> str:
    because = workers.trouble or workers.reason
    return (
        f"the search has lost its workers: Job {workers.name} failed{f' ({because})' if because else ''}; see its log"
    )


def _trained(world: World, version: ModelVersion, job: Job) -> SetStatus:
    answer = read(job, Trained)
    if isinstance(answer, JobFailure):
        if answer.reason == NO_NEW_ROWS:
            condition = ("Trained", False)
            return transition(world, version, Phase.SUPERSEDED, answer.reason, answer.message, condition)
        return fail(world, version, answer.reason, answer.message, "Trained")
    if strayed := _elsewhere(world, answer):
        return fail(world, version, "BadAnswer", f"Job {job.name} {strayed}", "Trained")
    # The operator may have died before it noted the begin, and with it the image.
    image = version.status.image or job_image(world, version, version.spec.training.pod)
    made = {
        "image": image,
        "artifact": answer.artifact,
        "data": answer.data,
        "parameters": answer.parameters or None,
    }
    if told := known_bad(world, version, answer.artifact):
        return transition(world, version, Phase.REJECTED, "KnownBad", told, ("Trained", True), **made)
    return transition(world, version, Phase.VALIDATING, "Trained", answer.message, ("Trained", True), **made)


def _elsewhere(world: World, answer: Trained) -> str:
    """What the trainer says that it has stored outside of this ModelDeployment's folder, or nothing.

    Whoever may choose the image may choose the answer: it leads to no other model's files.
    """
    folder = f"/{world.deployment.metadata.namespace}/{world.name}/"
    for uri in (answer.artifact.uri, answer.data.holdout_uri):
        if folder not in uri or "::" in uri or ".." in uri.split("/"):
            return f"has stored {shown_addresses(uri)}; it may store below <storage>{folder} and nowhere else"
    return ""
