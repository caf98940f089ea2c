"""What do all Jobs have in common? A pod that runs one task and has no token of the cluster."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from perennial_operator.core import names
from perennial_operator.core.api.artifacts import Artifact
from perennial_operator.core.api.model_version import ModelVersion
from perennial_operator.core.api.pod import PodSpec
from perennial_operator.core.api.training import TrainingSpec
from perennial_operator.core.api.values import as_delta
from perennial_operator.core.manifests.pods import Mounts, pod_template
from perennial_operator.core.world import World

REFUSED_EXIT_CODE = 3
"""The trainer rejects the data or the task; it would reject them again, so the Job is not retried."""


def job_manifest(
    world: World,
    name: str,
    role: str,
    version: ModelVersion | None,
    task: Mapping[str, Any],
    mounts: Mounts,
    training: TrainingSpec,
    owner: Mapping[str, Any],
) -> dict[str, Any]:
    """A Job that runs the trainer's image on one task."""
    labels = names.labels(world.name, role, version.name if version else None)
    stored = {names.STORAGE: storage_digest(model_storage(world, Mounts(), writable=False))}
    queue = {"kueue.x-k8s.io/queue-name": training.queue} if training.queue else {}
    image = job_image(world, version, training.pod)
    template = pod_template(world.policy, training.pod, image, labels, task, mounts)
    template["spec"]["restartPolicy"] = "Never"
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": name,
            "namespace": world.deployment.metadata.namespace,
            "labels": labels | stored | queue,
            "ownerReferences": [dict(owner)],
        },
        "spec": {
            "backoffLimit": training.retries,
            "activeDeadlineSeconds": int(as_delta(training.timeout).total_seconds()),
            "podFailurePolicy": {
                "rules": [
                    {"action": "FailJob", "onExitCodes": {"operator": "In", "values": [REFUSED_EXIT_CODE]}},
                    {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]},
                ]
            },
            "template": template,
        },
    }


def job_image(world: World, version: ModelVersion | None, pod: PodSpec) -> str:
    """The image that spec names, else the one that trained the version, else the operator's default."""
    return pod.image or (version and version.status.image) or world.policy.trainer_image


def follows_contract(world: World, version: ModelVersion, number: int, pod: PodSpec | None = None) -> bool:
    """Whether the image of the version's Jobs, or of this pod, knows the fields of this contract.

    Trainers reject unknown ones.
    """
    image = job_image(world, version, pod or world.spec.training.pod)
    return image == world.policy.trainer_image or (
        image == version.status.image and (version.status.contract or 1) >= number
    )


def model_fields(world: World, version: ModelVersion | None = None) -> dict[str, str]:
    """The fields of every task that name the model and the version that it is about."""
    return {
        "namespace": world.deployment.metadata.namespace,
        "modelDeployment": world.name,
        **({"version": version.name} if version else {}),
    }


def stored_model(version: ModelVersion, *, whole: bool = False, artifact: Artifact | None = None) -> dict[str, str]:
    """The version's artifact, or another of its models, as tasks name it.

    If `whole`, with what its other files and its format need.
    """
    artifact, model = artifact or version.status.artifact, version.spec.model
    assert artifact
    fields = {"name": version.name, "uri": artifact.uri, "sha256": artifact.sha256}
    if whole and model.framework != "custom":
        fields["format"] = "keras" if model.framework == "keras" else model.format
    if whole and artifact.metadata_sha256:
        fields["metadataSha256"] = artifact.metadata_sha256
    return fields


def owner_fields(world: World, *versions: ModelVersion | None, take_over: bool = False) -> dict[str, Any]:
    """The field `owner` of a task that writes, if the image that does it knows the field."""
    if not any(follows_contract(world, each, 3) for each in versions if each):
        return {}
    folder = model_storage(world, Mounts(), writable=True)
    owner = {"uid": world.deployment.metadata.uid, "folder": folder}
    return {"owner": {**owner, "takeOver": True} if take_over else owner}


def version_storage(world: World, folder: str, mounts: Mounts) -> str:
    """The folder `<storage>/<namespace>/<deployment>/<folder>`."""
    return f"{model_storage(world, mounts, writable=True)}/{folder}"


def model_storage(world: World, mounts: Mounts, *, writable: bool) -> str:
    """The folder `<storage>/<namespace>/<deployment>`, which holds all files of the model."""
    root = mounts.uri(world.spec.storage, writable=writable).rstrip("/")
    return f"{root}/{world.deployment.metadata.namespace}/{world.name}"


def storage_digest(folder: str) -> str:
    """The digest of a folder's address, as a label."""
    return hashlib.sha256(folder.encode()).hexdigest()[:16]
