"""How does a candidate begin? With a ModelVersion, which copies the spec, and the Job that trains it."""

from __future__ import annotations

from perennial_operator.core import names
from perennial_operator.core.actions import Create
from perennial_operator.core.api.meta import API_VERSION, Meta
from perennial_operator.core.api.model_version import ModelVersion, ModelVersionSpec, Trigger
from perennial_operator.core.manifests.owner import next_version_name, owner_reference
from perennial_operator.core.manifests.train_job import train_manifest
from perennial_operator.core.world import World


def begin(world: World, trigger: Trigger) -> tuple[Create, Create]:
    """The version and its Job. If only the first is created, the next pass creates the second."""
    spec = ModelVersionSpec(
        model_deployment=world.name,
        number=world.next_number,
        trigger=trigger,
        model=world.spec.model,
        data=world.spec.data,
        training=world.spec.training,
        adopt=world.spec.adopt if trigger.reason == "Adopted" else None,
        parent=world.live.name if world.live else None,
    )
    name, namespace = next_version_name(world), world.deployment.metadata.namespace
    version = ModelVersion(metadata=Meta(name=name, namespace=namespace, creation_timestamp=world.now), spec=spec)
    manifest = {
        "apiVersion": API_VERSION,
        "kind": "ModelVersion",
        "metadata": {
            "name": name,
            "namespace": namespace,
            "labels": names.labels(world.name, "version"),
            "ownerReferences": [owner_reference(world)],
        },
        "spec": spec.to_api(),
    }
    return Create(manifest), Create(train_manifest(world, version))
