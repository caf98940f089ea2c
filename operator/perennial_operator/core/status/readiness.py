"""Does the model serve, and is the live version made from the current spec?"""

from __future__ import annotations

from dataclasses import dataclass

from perennial_operator.core import names
from perennial_operator.core.api.conditions import find
from perennial_operator.core.api.drift_report import Outcome
from perennial_operator.core.api.model_version import UNSUCCESSFUL, ModelVersion, Phase
from perennial_operator.core.rules.job_starts import not_started
from perennial_operator.core.rules.trainings.admission import Deferral
from perennial_operator.core.rules.trainings.recipes import recipe, version_recipe
from perennial_operator.core.rules.trainings.refused_files import refused_version
from perennial_operator.core.stages.recovery import incomplete_versions_suffix, recovery_deferral
from perennial_operator.core.traffic.registry import runtime_of
from perennial_operator.core.world import Job, JobState, World


@dataclass(frozen=True, slots=True)
class Statement:
    """A condition without its times."""

    kind: str
    holds: bool | None
    reason: str
    message: str


def available(world: World) -> Statement:
    """Whether a replica of the live version answers."""
    live = world.live
    if live is None:
        return Statement("Available", False, "NoLiveVersion", "no version is live")
    serving = world.serving.get(live.name)
    if serving and serving.answering:
        return Statement("Available", True, "Serving", f"{live.name} serves")
    if world.spec.serving.replicas == 0:
        return Statement("Available", False, "ScaledToZero", "spec.serving.replicas is 0")
    message = f"no replica of {live.name} is ready{trouble_of(world, live.name)}"
    return Statement("Available", False, "NoReadyReplicas", message)


def ready(world: World, deferral: Deferral | None) -> Statement:
    """Whether the current spec is served; neither a retraining because of drift nor a roll-out changes that."""
    live, spec = world.live, world.spec
    if spec.pin and (live is None or live.name != spec.pin):
        if world.pinned is None:
            return Statement("Ready", False, *missing_pin(world))
        message = f"spec.pin names {spec.pin}, which is not ready yet{trouble_of(world, spec.pin)}"
        return Statement("Ready", False, "PinNotReady", message)
    if live is None or (spec.pin is None and version_recipe(live) != recipe(spec)):
        return Statement("Ready", False, *_progress(world, deferral))
    answering = sum(serving.answering for serving in world.serving.values())
    if answering < spec.serving.replicas:
        message = f"{answering} of {spec.serving.replicas} replicas are ready{trouble_of(world, live.name)}"
        return Statement("Ready", False, "NotEnoughReplicas", message)
    if _serves_current_spec(world, live):
        return Statement("Ready", True, "Serving", f"{live.name} serves the current spec")
    before = find(world.deployment.status.conditions, "Ready")
    if before and before.status == "True" and before.observed_generation == world.deployment.metadata.generation:
        # The same spec was served before: a roll-out replaces pods, but the spec stays served.
        return Statement("Ready", True, before.reason, before.message)
    message = f"{live.name} is being updated to the current spec.serving{trouble_of(world, live.name)}"
    return Statement("Ready", False, "Updating", message)


PIN_NOT_FOUND = "PinNotFound"


def missing_pin(world: World) -> tuple[str, str]:
    """The reason and the message for a pinned version that does not exist in the cluster."""
    version = world.version(world.spec.pin)
    if version and (at := version.status.files_deleted_at):
        return PIN_NOT_FOUND, (
            f"spec.pin names {version.name}, whose files are deleted since {at:%Y-%m-%d} because of "
            "spec.history.artifacts; name another version, or remove spec.pin"
        )
    deferral = recovery_deferral(world)
    if deferral and deferral.reason is not Outcome.STALLED:
        return "PinNotReady", f"spec.pin names {world.spec.pin}, which does not exist here; {deferral.message}"
    because = f"; {deferral.message}" if deferral else incomplete_versions_suffix(world)
    return PIN_NOT_FOUND, (
        f"spec.pin names {world.spec.pin}, which is not a version with a stored model{because}; "
        "name one that kubectl get modelversions shows, or remove spec.pin"
    )


def progress_of(world: World, version: ModelVersion) -> str:
    """The progress of the version, and its blocker."""
    job, blocker = job_of_phase(world, version), trouble_of(world, version.name)
    if job:
        if job.blocked:
            return f"{version.name}: {not_started(version.phase, job)}"
        blocker = "; its Job waits in a queue" if job.queued else f"; {job.trouble}" if job.trouble else ""
    analysed = find(version.status.conditions, "Analysed") if version.phase is Phase.ROLLING_OUT else None
    analysis = f"; {analysed.reason}: {analysed.message}" if analysed else ""
    return f"{version.name}: {version.status.message or 'its training starts soon'}{blocker}{analysis}"


def job_of_phase(world: World, version: ModelVersion) -> Job | None:
    """The running Job of the phase in which the version is, or None."""
    of_phase = {Phase.TRAINING: names.train_job, Phase.VALIDATING: names.validate_job}
    job = world.jobs.get(of_phase[version.phase](version.name)) if version.phase in of_phase else None
    return job if job and job.state is JobState.RUNNING else None


def trouble_of(world: World, name: str) -> str:
    """Message suffix: why the version's pods are not ready."""
    serving = world.serving.get(name)
    message = (serving.refusal or {}).get("message") or serving.trouble if serving else ""
    return f": {message}" if message else ""


def _serves_current_spec(world: World, live: ModelVersion) -> bool:
    """Whether the live version's pods are made from the current spec.serving."""
    serving = world.serving.get(live.name)
    return serving is not None and serving.settled and runtime_of(world.spec).settled(world)


def _progress(world: World, deferral: Deferral | None) -> tuple[str, str]:
    """The reason and the message about the progress towards the current spec."""
    newest = refused_version(world) or world.newest
    if world.candidate:
        return world.candidate.phase.value, progress_of(world, world.candidate)
    if newest and newest.phase in UNSUCCESSFUL:
        then = f"; {deferral.message}" if deferral else ""
        return newest.status.reason or newest.phase.value, f"{progress_of(world, newest)}{then}"
    return (deferral.reason.value, deferral.message) if deferral else ("Pending", "a training starts soon")
