"""Of which versions are the files in storage deleted, as spec.history.artifacts says, and of which are they needed?

A version is marked in its status first, and is final from then on; then the ledger says so, and then its files go.
"""

from __future__ import annotations

from collections.abc import Iterator

from perennial_operator.core.actions import Announcement, SetStatus
from perennial_operator.core.api.model_version import IN_FLIGHT, ModelVersion, Phase
from perennial_operator.core.api.upkeep import UpkeepFacts
from perennial_operator.core.manifests.jobs import model_storage
from perennial_operator.core.manifests.ledger_jobs import entry_name
from perennial_operator.core.manifests.pods import Mounts
from perennial_operator.core.manifests.storage_addresses import is_below
from perennial_operator.core.rules.phases import FILES_UNCHANGED, NO_NEW_ROWS
from perennial_operator.core.traffic.predecessor import watch_of
from perennial_operator.core.world import JobState, World


def ended_versions(world: World) -> tuple[list[ModelVersion], list[ModelVersion]]:
    """Those that have ended, by number: what has files or may have some, and what read no new rows and has none."""
    ended = [version for version in world.versions if version.phase not in (*IN_FLIGHT, Phase.LIVE)]
    idle = [version for version in ended if version.status.reason in (NO_NEW_ROWS, FILES_UNCHANGED)]
    return [version for version in ended if version not in idle], idle


def marks(world: World) -> tuple[SetStatus, ...]:
    """The marks of versions whose files may go now."""
    most = world.spec.history.artifacts
    ended, _ = ended_versions(world)
    if most is None or len(ended) <= most:
        return ()
    old = [each for each in ended[:-most] if each.status.files_deleted_at is None and _stored_here(world, each)]
    kept = set(_in_use(world)) | _in_folders_of(world, [version.name for version in old])
    return tuple(_mark(world, version, most) for version in old if version.name not in kept)


def without_files(world: World, facts: UpkeepFacts | None) -> tuple[list[ModelVersion], list[ModelVersion]]:
    """The marked versions: those whose files are still to be deleted by an upkeep, and those whose files are gone."""
    last = facts.last_time if facts else None
    marked = [(version, at) for version in world.versions if (at := version.status.files_deleted_at)]
    gone = [version for version, at in marked if last and last >= at]
    return [version for version, _ in marked if version not in gone], gone


def _in_use(world: World) -> Iterator[str]:
    """What serves, may serve again by itself, or is read by a Job or yet to be written into the ledger."""
    watch, candidate = watch_of(world), world.candidate
    yield from (world.spec.pin or "", watch.predecessor if watch else "", *world.serving)
    yield (candidate.spec.parent or "") if candidate else ""
    served = [version for version in world.versions if version.phase is Phase.SUPERSEDED and version.status.live_since]
    yield from (last.name for last in sorted(served, key=lambda version: version.status.ended_at or world.now)[-1:])
    yield from (
        version.name for version in world.versions if entry_name(version) not in (None, version.status.recorded)
    )
    for job in world.jobs.values():
        if job.state is JobState.RUNNING:
            yield from job.labels.values()


def _stored_here(world: World, version: ModelVersion) -> bool:
    """Whether its files, if it has any, are in its folder in spec.storage, which may have been another one."""
    folder = f"{model_storage(world, Mounts(), writable=False)}/{version.name}"
    return version.status.artifact is None or is_below(version.status.artifact.uri, folder)


def _in_folders_of(world: World, names: list[str]) -> set[str]:
    """In whose folders there are files of others: of a version of a trainer of one's own, or an adopted model."""
    uses = [("", world.spec.adopt.uri)] if world.spec.adopt else []
    for version in world.versions:
        status = version.status
        if status.files_deleted_at is None:
            refit = (status.refit.artifact, status.refit.proven) if status.refit else ()
            uses += [(version.name, model.uri) for model in (status.artifact, *refit) if model]
            uses += [(version.name, status.data.holdout_uri)] if status.data else []
            uses += [("", version.spec.adopt.uri)] if version.spec.adopt else []
    return {name for name in names for owner, uri in uses if name != owner and f"/{name}/" in uri}


def _mark(world: World, version: ModelVersion, most: int) -> SetStatus:
    status = version.status.model_copy(update={"files_deleted_at": world.now.replace(microsecond=0)}).to_api()
    message = f"{version.name}: its files in storage are deleted, since spec.history.artifacts is {most}"
    return SetStatus(
        "ModelVersion", version.name, status, version.metadata.resource_version, Announcement("FilesDeleted", message)
    )
