"""Which candidates failed in a row, and does the cause lie in them or in their surroundings?"""

from __future__ import annotations

import hashlib
import json

from perennial_operator.core.api.analysis import ERRORS_ROSE, NO_DATA
from perennial_operator.core.api.model_deployment import ModelDeploymentSpec
from perennial_operator.core.api.model_version import UNSUCCESSFUL, ModelVersion
from perennial_operator.core.rules.phases import NOT_READY, NOT_STARTED
from perennial_operator.core.rules.trainings.recipes import is_made_from_spec
from perennial_operator.core.world import World

STORE = frozenset({"StorageUnreachable", "StorageNotWritable", "DataUnreachable"})
"""Reasons of the trainer when a store did not answer or refused."""
SURROUNDINGS = STORE | {
    "StoreNotConfigured",
    "EngineUnreachable",
    "NoWorkers",
    "WorkersLost",
    "WorkersFailed",
    "Interrupted",
    "ArtifactMissing",
    "DigestMismatch",
    "CannotListen",
    "OwnedElsewhere",
    "FolderTaken",
    "ResultLost",
    NOT_STARTED,
    NOT_READY,
    NO_DATA,
    ERRORS_ROSE,
}
"""Reasons that say nothing about the model, its recipe or its rows. Want of memory is not among them: spec sets it."""


def surroundings_of(spec: ModelDeploymentSpec) -> str:
    """Digest of what a person changes to repair the surroundings; without the replicas, which autoscalers change."""
    repaired = spec.serving.model_copy(update={"replicas": 1}).to_api(), spec.storage.to_api()
    return hashlib.sha256(json.dumps(repaired, sort_keys=True).encode()).hexdigest()[:16]


def surroundings_after(reason: str, spec: ModelDeploymentSpec) -> str | None:
    """What a version that fails for this reason records in status.surroundings: nothing if the cause lies in it."""
    return surroundings_of(spec) if reason in SURROUNDINGS else None


def failed_in_a_row(world: World) -> tuple[ModelVersion, ...]:
    """The newest candidates that failed or were rejected, newest first, since one went live or the spec changed.

    A superseded version is neither a success nor a failure; nor is one whose files wait to be repaired, before one is
    live.
    """
    failures: list[ModelVersion] = []
    for version in reversed(world.versions):
        if version.status.refused_files and world.live is None:
            continue
        if version.phase in UNSUCCESSFUL:
            if not is_made_from_spec(version, world.spec):
                break
            failures.append(version)
        elif version.status.live_since:
            break
    return tuple(failures)


def rejected_in_a_row(world: World) -> tuple[ModelVersion, ...]:
    """Those of them whose cause lies in the model, its recipe or its rows: only they count for maxRejections.

    Versions that an older release recorded count too, whatever their reason was.
    """
    return tuple(version for version in failed_in_a_row(world) if version.status.surroundings is None)


def stopped_by_surroundings(world: World) -> tuple[ModelVersion, ...]:
    """The newest failures, newest first, as far as all of them have their cause in the present surroundings."""
    present, stopped = surroundings_of(world.spec), list[ModelVersion]()
    for version in failed_in_a_row(world):
        if version.status.surroundings != present:
            break
        stopped.append(version)
    return tuple(stopped)
