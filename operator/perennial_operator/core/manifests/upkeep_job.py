"""Which Job keeps the model's folder in storage small? It runs the operator's own trainer image, as the ledger's do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from perennial_operator.core import names
from perennial_operator.core.api.model_version import ModelVersion
from perennial_operator.core.api.values import as_text
from perennial_operator.core.manifests.captured_rows import SECRET
from perennial_operator.core.manifests.jobs import job_manifest, model_fields, model_storage
from perennial_operator.core.manifests.ledger_jobs import little_training
from perennial_operator.core.manifests.owner import owner_reference
from perennial_operator.core.manifests.pods import Mounts
from perennial_operator.core.world import World


def upkeep_manifest(
    world: World, forget: Sequence[str] = (), without_files: Sequence[ModelVersion] = ()
) -> dict[str, Any]:
    """The Job that deletes what is too old, the rows of these keys and the files of these versions, and compacts."""
    mounts, capture = Mounts(), world.spec.serving.capture
    folder = model_storage(world, mounts, writable=True)
    task = {
        "task": "upkeep",
        **model_fields(world),
        "owner": {"uid": world.deployment.metadata.uid, "folder": folder},
        "now": as_text(world.now),
        **({"retain": capture.retain} if capture else {}),
        **({"forget": _forget(world, forget, mounts)} if forget else {}),
        **({"removed": [*map(_removed, without_files)]} if without_files else {}),
        "storage": folder,
    }
    name, training = names.upkeep_job(world.name), little_training(world)
    manifest = job_manifest(world, name, "upkeep", None, task, mounts, training, owner_reference(world))
    manifest["metadata"]["labels"][names.SCHEDULED] = str(int(world.now.timestamp()))
    return manifest


def _forget(world: World, keys: Sequence[str], mounts: Mounts) -> dict[str, Any]:
    """The HMACs of the keys. Keys that are stored as they are need the secret, to be compared with these."""
    capture = world.spec.serving.capture
    if capture is None:
        return {"keys": [*keys]}
    source = {"name": capture.secret_ref.name, "key": SECRET, "optional": True}
    mounts.variables[SECRET] = {"secretKeyRef": source}
    return {"keys": [*keys], **({"keyInClear": True} if capture.key_in_clear else {})}


def _removed(version: ModelVersion) -> dict[str, Any]:
    at = version.status.files_deleted_at
    assert at
    return {"number": version.spec.number, "at": as_text(at)}
