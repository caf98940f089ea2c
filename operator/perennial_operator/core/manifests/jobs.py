"""The Jobs that train, validate and check: a version → a manifest whose pod carries its task and no cluster token."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from hashlib import sha256
from typing import Any

from perennial_operator.core import names
from perennial_operator.core.api.pod import PodSpec
from perennial_operator.core.api.resources import ModelVersion
from perennial_operator.core.api.spec import TrainingSpec
from perennial_operator.core.api.values import as_delta, as_text
from perennial_operator.core.manifests.pods import Mounts, pod_template
from perennial_operator.core.rules.training_admission import owner
from perennial_operator.core.world import Job, World, made_from

REFUSED_EXIT_CODE = 3
"""The trainer's word for: bad data or a bad task, the same again would be refused again."""

SCHEDULER_PORT = 8786
"""Where the pod that trains listens for its workers; the trainer has the same number."""


def train_manifest(world: World, version: ModelVersion) -> dict[str, Any]:
    """The Job that makes the version's model."""
    data, training = version.spec.data, version.spec.training
    mounts = Mounts()
    task = {
        "task": "train",
        **_about(world, version),
        "model": version.spec.model.to_api(),
        "data": {
            "uri": mounts.uri(data.training),
            **data.model_dump(
                mode="json",
                by_alias=True,
                exclude_none=True,
                include={"time_column", "window", "holdout", "cleaning", "min_rows", "max_missing"},
            ),
        },
        "storage": version_storage(world, version.name, mounts),
    }
    if training.search:
        task["search"] = training.search.to_api()
    if training.calibration:
        task["calibration"] = training.calibration
    if world.live and world.live.status.artifact:
        task["live"] = stored(world.live)
        if known := _known_rows(version, world.live):
            task["knownRows"] = known
    if training.engine:
        task["engine"] = training.engine.to_api()
    return job_manifest(
        world, names.train_job(version.name), "training", version, task, mounts, training, owner(world, version)
    )


def _known_rows(version: ModelVersion, live: ModelVersion) -> str | None:
    """The digest of the rows that would only make the live version again; None where a person or the spec asks."""
    same = version.spec.trigger.reason in ("Drift", "Schedule") and made_from(version) == made_from(live)
    return live.status.data.sha256 if same and live.status.data else None


def validate_manifest(world: World, version: ModelVersion) -> dict[str, Any]:
    """The Job that scores the candidate and the live version on the candidate's holdout."""
    assert version.status.artifact and version.status.data
    live, mounts = world.live, Mounts()
    storage = version_storage(world, version.name, mounts)
    task: dict[str, Any] = {
        "task": "validate",
        **_about(world, version),
        "model": version.spec.model.to_api(),
        "candidate": stored(version),
        "holdout": {"uri": version.status.data.holdout_uri, "sha256": version.status.data.holdout_sha256},
        "storage": storage,
    }
    if live:
        against = world.spec.validation.compared_by(version.spec.model.task)
        task["live"] = stored(live)
        task["against"] = against.model_dump(include={"metric", "confidence"})
        if world.spec.validation.slices:
            asked = [each.model_dump(include={"column", "metric"}) for each in world.spec.validation.slices]
            task["slices"] = asked
    manifest = job_manifest(
        world,
        names.validate_job(version.name),
        "validation",
        version,
        task,
        mounts,
        version.spec.training,
        owner(world, version),
    )
    manifest["metadata"]["labels"] |= comparison(world, version)
    return manifest


def comparison(world: World, version: ModelVersion) -> dict[str, str]:
    """Labels of a validation Job: what the candidate is compared with, and by what, as things are now."""
    if world.live is None:
        return {names.AGAINST: "none"}
    by = world.spec.validation.compared_by(version.spec.model.task)
    labels = {names.AGAINST: world.live.name, names.COMPARED_BY: f"{by.metric}-{by.confidence:g}"}
    if pairs := sorted((each.column, each.metric) for each in world.spec.validation.slices):
        labels[names.SLICED_BY] = sha256(json.dumps(pairs).encode()).hexdigest()[:16]
    return labels


def workers_manifest(world: World, version: ModelVersion, train: Job) -> dict[str, Any]:
    """The Job whose pods try the candidates of a search; the pod that trains deals them out.

    They get no Secret and no claim: the rows come from the pod that trains.
    """
    engine = version.spec.training.engine
    assert engine and engine.dask.workers and train.pod
    host = f"[{train.address}]" if ":" in train.address else train.address
    task = {"task": "work", **_about(world, version), "scheduler": f"tcp://{host}:{SCHEDULER_PORT}"}
    manifest = job_manifest(
        world,
        names.workers_job(version.name),
        "worker",
        version,
        task,
        Mounts(),
        version.spec.training,
        owner(world, version),
    )
    manifest["metadata"]["labels"][names.FOR_POD] = train.pod
    count = engine.dask.workers
    manifest["spec"] |= {
        "parallelism": count,
        "completions": count,
        "backoffLimit": count * (version.spec.training.retries + 1),
    }
    return manifest


def check_manifest(world: World, live: ModelVersion, scheduled: datetime) -> dict[str, Any]:
    """The Job that measures how recent data differ from what the live version was trained on."""
    assert world.spec.drift and world.spec.drift.check
    check, mounts = world.spec.drift.check, Mounts()
    name = names.check_job(world.name, scheduled)
    data: dict[str, Any] = {"uri": mounts.uri(check.data), "window": check.window}
    if live.spec.data.time_column:
        data["timeColumn"] = live.spec.data.time_column
    task: dict[str, Any] = {
        "task": "check",
        **_about(world, live),
        "model": live.spec.model.to_api(),
        "live": stored(live),
        "data": data,
        "storage": version_storage(world, f"checks/{name}", mounts),
    }
    if not check.predictions:  # left out else: the trainer of an older version knows no such field
        task["predictions"] = False
    manifest = job_manifest(world, name, "check", live, task, mounts, world.spec.training, owner(world))
    manifest["metadata"]["labels"][names.SCHEDULED] = str(int(scheduled.timestamp()))
    manifest["metadata"]["annotations"] = {names.SCHEDULED: as_text(scheduled)}
    return manifest


def job_image(world: World, version: ModelVersion | None, pod: PodSpec) -> str:
    """The image of a pod that has to do with the version: the one asked for, or the one that trained it."""
    return pod.image or (version and version.status.image) or world.policy.trainer_image


def stored(version: ModelVersion) -> dict[str, str]:
    assert version.status.artifact
    return {"name": version.name, "uri": version.status.artifact.uri, "sha256": version.status.artifact.sha256}


def version_storage(world: World, folder: str, mounts: Mounts) -> str:
    """The folder `<storage>/<namespace>/<deployment>/<folder>`."""
    return f"{model_storage(world, mounts, writable=True)}/{folder}"


def model_storage(world: World, mounts: Mounts, *, writable: bool) -> str:
    """The folder `<storage>/<namespace>/<deployment>`, in which everything of the model lies."""
    root = mounts.uri(world.spec.storage, writable=writable).rstrip("/")
    return f"{root}/{world.deployment.metadata.namespace}/{world.name}"


def _about(world: World, version: ModelVersion) -> dict[str, str]:
    return {
        "namespace": world.deployment.metadata.namespace,
        "modelDeployment": world.name,
        "version": version.name,
    }


def job_manifest(
    world: World,
    name: str,
    role: str,
    version: ModelVersion | None,
    task: Mapping[str, Any],
    mounts: Mounts,
    training: TrainingSpec,
    of: Mapping[str, Any],
) -> dict[str, Any]:
    """A Job that runs the trainer's image on one task."""
    labels = names.labels(world.name, role, version.name if version else None)
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
            "labels": labels | queue,
            "ownerReferences": [dict(of)],
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
