"""What must be there whatever else is decided: the live version's pods, the candidate's share, the Service.

What is of no use any more goes.
"""

from __future__ import annotations

from collections.abc import Iterator

from perennial_operator.core import names
from perennial_operator.core.actions import Action, Apply, Create, Delete
from perennial_operator.core.api.model_version import IN_FLIGHT, Phase
from perennial_operator.core.manifests.serving import deployment_manifest, differs, service_manifest
from perennial_operator.core.manifests.worker_job import workers_manifest
from perennial_operator.core.rules.phases import NO_NEW_ROWS
from perennial_operator.core.stages.drift import triage
from perennial_operator.core.traffic.kserve import KIND, held, inference_manifest
from perennial_operator.core.traffic.traffic_split import blocker, predictor, ready, replicas_of
from perennial_operator.core.weights import split
from perennial_operator.core.world import Job, JobState, World, failures_in_a_row


def upkeep(world: World) -> tuple[Action, ...]:
    """Only what differs from what is there."""
    serving = _inference(world) if world.kserve else _serving(world)
    return (*serving, *_stopped(world), *_workers(world), *_forgotten(world))


def replicas_wanted(world: World) -> dict[str, int]:
    """Version → replicas it should have now.

    The live version gives replicas up only when the candidate's own are ready,
    so that ready replicas never fall below what is asked for. Where a route leads the requests it gives none up.
    """
    replicas, live, candidate = world.spec.serving.replicas, world.live, world.candidate
    wanted = {live.name: replicas} if live else {}
    if world.pinned:
        return wanted | {world.pinned.name: replicas}
    if candidate is None or candidate.status.rollout is None:
        return wanted
    state = candidate.status.rollout
    wanted[candidate.name] = ours = replicas_of(world, state)
    if live and replicas and world.spec.rollout.gateway is None:
        held, there = world.serving.get(live.name), world.serving.get(candidate.name)
        if ready(world, candidate, ours):
            wanted[live.name] = max(split(replicas, state.weight)[1], 1)
        else:
            running = min(held.desired, replicas) if held else replicas
            wanted[live.name] = max(running, replicas - (there.ready if there else 0))
    return wanted


def _serving(world: World) -> Iterator[Action]:
    wanted = replicas_wanted(world)
    if wanted:
        yield from _services(world)
    for name, replicas in wanted.items():
        version = world.version(name)
        if version is None or version.status.artifact is None:
            continue
        manifest = deployment_manifest(world, version, replicas)
        held = world.serving.get(name)
        if differs(manifest, held.manifest if held else None):
            yield Apply(manifest)
    for name, held in world.serving.items():
        # `answering`, since `ready` is 0 also while the Deployment's status lags behind its spec.
        if name not in wanted and (held.answering == 0 or _dispensable(world, name)):
            yield Delete("Deployment", name)


def _inference(world: World) -> Iterator[Action]:
    """The InferenceService; it goes where what it serves came to nothing and no other version is live."""
    there = world.inference
    if there is None or there.unknown or there.refusal:
        return
    wanted = predictor(world)
    if wanted and wanted[0].status.artifact:
        manifest = inference_manifest(world, *wanted)
        if differs(manifest, there.body):
            yield Apply(manifest)
    elif wanted is None and world.version(held(world)):
        yield Delete(KIND, world.name)


def _services(world: World) -> Iterator[Action]:
    """The Service that people call; and with a route, one for each side of it.

    Where no candidate has a share, or its share cannot be steered, both lead to the live version, whatever the route's
    weights are. A Service that a route named once is kept, since the route may name it still.
    """
    gateway, live, candidate = world.spec.rollout.gateway, world.live, world.candidate
    rolls = candidate is not None and candidate.status.rollout is not None and not (world.pinned or blocker(world))
    called = service_manifest(world, world.name, live if gateway else None)
    if differs(called, world.service):
        yield Apply(called)
    if gateway or world.candidate_service:
        other = service_manifest(
            world, names.candidate_service(world.name), (candidate if rolls and live else live) if gateway else None
        )
        if differs(other, world.candidate_service):
            yield Apply(other)


def _dispensable(world: World, name: str) -> bool:
    """Whether the ready pods of a version that has left may go: the live one can do without them.

    Where none is live, what came to nothing goes, and what somebody removed the record of goes on serving.
    """
    if world.live:
        return ready(world, world.live, world.spec.serving.replicas)
    return world.version(name) is not None


def _stopped(world: World) -> Iterator[Action]:
    """Jobs that still run for a version that has ended."""
    for job in world.jobs.values():
        version = world.version(job.labels.get(names.MODEL_VERSION))
        ended = version is not None and version is not world.candidate
        if ended and job.state is JobState.RUNNING and job.labels.get(names.ROLE) in ("training", "validation"):
            yield Delete("Job", job.name)


def _workers(world: World) -> Iterator[Action]:
    """Workers are there for as long as the pod that they work for runs; a Job that is tried again gets new ones."""
    wanted = _employer(world)
    for job in world.jobs.values():
        if job.labels.get(names.ROLE) == "worker" and (wanted is None or job.labels.get(names.FOR_POD) != wanted.pod):
            yield Delete("Job", job.name)
    if wanted and world.candidate and names.workers_job(world.candidate.name) not in world.jobs:
        yield Create(workers_manifest(world, world.candidate, wanted))


def _employer(world: World) -> Job | None:
    """The training Job whose pod runs and asks for workers."""
    candidate = world.candidate
    if candidate is None or candidate.phase is not Phase.TRAINING:
        return None
    engine, job = candidate.spec.training.engine, world.jobs.get(names.train_job(candidate.name))
    asks = engine is not None and engine.dask.workers is not None
    return job if asks and job and job.state is JobState.RUNNING and job.pod else None


def _forgotten(world: World) -> Iterator[Action]:
    """Ended versions and handled reports beyond spec.history, oldest first; but none that a decision still rests on."""
    row = failures_in_a_row(world)[: world.spec.training.max_rejections]
    kept = {world.spec.pin, *world.serving, *(version.name for version in row)}
    ended = [v for v in world.versions if v.phase not in (*IN_FLIGHT, Phase.LIVE) and v.name not in kept]
    # Of those that found no new rows the last says all: they would push out what can be served again.
    idle = [version for version in ended if version.status.reason == NO_NEW_ROWS]
    others = [version for version in ended if version not in idle]
    for version in (*idle[:-1], *others[: max(0, len(others) - world.spec.history.versions)]):
        yield Delete("ModelVersion", version.name)
    waiting = triage(world).chain
    handled = [report for report in world.reports if report.outcome and report.name not in waiting]
    for report in handled[: max(0, len(handled) - world.spec.history.reports)]:
        yield Delete("DriftReport", report.name)
