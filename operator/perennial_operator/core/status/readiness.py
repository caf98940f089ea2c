"""Does the model serve, and is what serves what the spec asks for?"""

from __future__ import annotations

from dataclasses import dataclass

from perennial_operator.core import names
from perennial_operator.core.api.conditions import find
from perennial_operator.core.api.drift_report import Outcome
from perennial_operator.core.api.model_version import UNSUCCESSFUL, ModelVersion, Phase
from perennial_operator.core.rules.training_admission import Deferral
from perennial_operator.core.stages.recovery import incomplete_versions_suffix, recovery_deferral
from perennial_operator.core.traffic.registry import runtime_of
from perennial_operator.core.world import JobState, World, recipe, version_recipe


@dataclass(frozen=True, slots=True)
class Statement:
    """One condition before it has a time."""

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


def ready(world: World, waits: Deferral | None) -> Statement:
    """Whether what serves is what the spec asks for; neither a retraining by drift nor a roll-out changes that."""
    live, spec = world.live, world.spec
    if spec.pin and (live is None or live.name != spec.pin):
        if world.pinned is None:
            return Statement("Ready", False, *missing_pin(world))
        message = f"spec.pin names {spec.pin}, which is not ready yet{trouble_of(world, spec.pin)}"
        return Statement("Ready", False, "PinNotReady", message)
    if live is None or (spec.pin is None and version_recipe(live) != recipe(spec)):
        return Statement("Ready", False, *_progress(world, waits))
    answering = sum(held.answering for held in world.serving.values())
    if answering < spec.serving.replicas:
        message = f"{answering} of {spec.serving.replicas} replicas are ready{trouble_of(world, live.name)}"
        return Statement("Ready", False, "NotEnoughReplicas", message)
    if _as_asked(world, live):
        return Statement("Ready", True, "Serving", f"{live.name} is what spec asks for and serves")
    before = find(world.deployment.status.conditions, "Ready")
    if before and before.status == "True" and before.observed_generation == world.deployment.metadata.generation:
        # The same spec was served a moment ago: pods come and go in a roll-out, what serves stays what is asked for.
        return Statement("Ready", True, before.reason, before.message)
    message = f"{live.name} is being brought to the present spec.serving{trouble_of(world, live.name)}"
    return Statement("Ready", False, "Updating", message)


PIN_NOT_FOUND = "PinNotFound"


def missing_pin(world: World) -> tuple[str, str]:
    """Why the pinned version does not serve although nothing of it is here: a reason and a message."""
    look_up = recovery_deferral(world)
    if look_up and look_up.reason is not Outcome.STALLED:
        return "PinNotReady", f"spec.pin names {world.spec.pin}, which is not here; {look_up.message}"
    because = f"; {look_up.message}" if look_up else incomplete_versions_suffix(world)
    return PIN_NOT_FOUND, (
        f"spec.pin names {world.spec.pin}, which is no version with a stored model{because}; "
        "name one that kubectl get modelversions shows, or remove spec.pin"
    )


def progress_of(world: World, version: ModelVersion) -> str:
    """The progress of the version, and its blocker."""
    train, validate = names.train_job(version.name), names.validate_job(version.name)
    job = world.jobs.get(train if version.phase is Phase.TRAINING else validate)
    blocker = trouble_of(world, version.name)
    if job and job.state is JobState.RUNNING and version.phase in (Phase.TRAINING, Phase.VALIDATING):
        blocker = "; its Job waits in a queue" if job.queued else f"; {job.trouble}" if job.trouble else ""
    said = find(version.status.conditions, "Analysed") if version.phase is Phase.ROLLING_OUT else None
    analysed = f"; {said.reason}: {said.message}" if said else ""
    return f"{version.name}: {version.status.message or 'about to be trained'}{blocker}{analysed}"


def trouble_of(world: World, name: str) -> str:
    """What keeps the pods of a version from being ready, to be hung onto a sentence."""
    held = world.serving.get(name)
    told = (held.refusal or {}).get("message") or held.trouble if held else ""
    return f": {told}" if told else ""


def _as_asked(world: World, live: ModelVersion) -> bool:
    """Whether the live version's pods are those that the present spec makes."""
    held = world.serving.get(live.name)
    return held is not None and held.settled and runtime_of(world.spec).settled(world)


def _progress(world: World, waits: Deferral | None) -> tuple[str, str]:
    """How far the version that the spec asks for has come: a reason and a message."""
    newest = world.newest
    if world.candidate:
        return world.candidate.phase.value, progress_of(world, world.candidate)
    if newest and newest.phase in UNSUCCESSFUL:
        then = f"; {waits.message}" if waits else ""
        return newest.status.reason or newest.phase.value, f"{progress_of(world, newest)}{then}"
    return (waits.reason.value, waits.message) if waits else ("Pending", "a version is about to be trained")
