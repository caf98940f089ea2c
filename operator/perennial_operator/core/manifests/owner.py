"""What are the objects that the operator creates called, and which object owns them?"""

from __future__ import annotations

from perennial_operator.core import names
from perennial_operator.core.api.meta import API_VERSION
from perennial_operator.core.api.model_version import ModelVersion
from perennial_operator.core.world import World


def next_version_name(world: World) -> str:
    return names.version_name(world.name, world.next_number)


def owner_reference(world: World, version: ModelVersion | None = None) -> dict[str, object]:
    """The reference by which Kubernetes deletes an object together with its ModelVersion or its ModelDeployment."""
    kind, metadata = ("ModelVersion", version.metadata) if version else ("ModelDeployment", world.deployment.metadata)
    return {
        "apiVersion": API_VERSION,
        "kind": kind,
        "name": metadata.name,
        "uid": metadata.uid,
        "controller": True,
        "blockOwnerDeletion": False,
    }
