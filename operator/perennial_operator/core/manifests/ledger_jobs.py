"""Which entry does the ledger have of a version, and which Jobs write and read the ledger?

The Jobs run the operator's own trainer image, whatever image trains, with few resources: they read and hash files.
"""

from __future__ import annotations

import hashlib
import json
from datetime import datetime, timedelta
from typing import Any

from perennial_operator.core import names
from perennial_operator.core.api.data import DataSpec
from perennial_operator.core.api.model import ModelSpec
from perennial_operator.core.api.model_version import ModelVersion, Phase
from perennial_operator.core.api.pod import Resources
from perennial_operator.core.api.training import TrainingSpec
from perennial_operator.core.api.values import as_text
from perennial_operator.core.manifests.jobs import job_manifest, model_fields, model_storage
from perennial_operator.core.manifests.owner import owner_reference
from perennial_operator.core.manifests.pods import Mounts
from perennial_operator.core.world import Job, World

PAUSE = timedelta(minutes=5)
"""How long after the start of a failed ledger Job, its retries included, another one starts."""
HOW = {"search", "calibration"}
"""The fields of spec.training that change the model."""
LASTING = {"phase", "image", "artifact", "refit", "blend", "data", "parameters", "metrics", "metric"}
LITTLE = Resources(requests={"cpu": "100m", "memory": "128Mi"}, limits={"cpu": "1", "memory": "512Mi"})


def entry_name(version: ModelVersion) -> str | None:
    """The entry that the ledger should have now: that the version went live, was rejected or was rolled back; or None.

    Sorted by name, entries are in the order of time.
    """
    event = _event(version)
    if event is None:
        return None
    phase, at = event
    return f"{as_text(at).replace('-', '').replace(':', '')}-v{version.spec.number}-{phase}"


def again_at(world: World, job: Job) -> datetime:
    """When a failed Job is started again; at once if its start is in the future, by a clock that was wrong."""
    began = names.scheduled_at(job.labels)
    return began + PAUSE if began <= world.now else world.now


def record_manifest(world: World, version: ModelVersion) -> dict[str, Any]:
    """The Job that writes the version's entry, which is the same whenever it runs."""
    name, mounts, spec = entry_name(version), Mounts(), version.spec
    assert name
    task = {
        "task": "record",
        **model_fields(world, version),
        "entry": {
            "name": name,
            "trigger": spec.trigger.to_api(),
            **({"parent": spec.parent} if spec.parent else {}),
            "recipe": recipe(spec.model, spec.data, spec.training),
            "status": _lasting(version),
        },
        "owner": {"uid": world.deployment.metadata.uid, "folder": model_storage(world, mounts, writable=True)},
        "storage": model_storage(world, mounts, writable=True),
    }
    job, owner = names.record_job(version.name), owner_reference(world, version)
    manifest = job_manifest(world, job, "record", version, task, mounts, little_training(world), owner)
    manifest["metadata"]["labels"] |= {names.ENTRY: name, names.SCHEDULED: str(int(world.now.timestamp()))}
    return manifest


def recover_manifest(world: World, wanted: str) -> dict[str, Any]:
    """The Job that looks for the version `wanted`, or for the one that was live last if the name is empty."""
    mounts, spec = Mounts(), world.spec
    takes_over = not world.versions and not world.deployment.status.last_version_number  # a new cluster
    task = {
        "task": "recover",
        **model_fields(world),
        **({"version": wanted} if wanted else {}),
        **({"atLeast": spec.recover.least_number} if spec.recover.least_number else {}),
        "recipe": recipe(spec.model, spec.data, spec.training),
        "storage": model_storage(world, mounts, writable=takes_over),
    }
    if takes_over:
        owner = {"uid": world.deployment.metadata.uid, "folder": model_storage(world, mounts, writable=True)}
        task["owner"] = {**owner, "takeOver": True}
    name = names.recover_job(world.name)
    manifest = job_manifest(world, name, "recovery", None, task, mounts, little_training(world), owner_reference(world))
    # A person's request for a training starts the search again, too.
    asked = json.dumps([manifest["spec"], world.request], sort_keys=True)
    manifest["metadata"]["labels"] |= {
        names.TASK_DIGEST: hashlib.sha256(asked.encode()).hexdigest()[:16],
        names.SCHEDULED: str(int(world.now.timestamp())),
    }
    return manifest


def recipe(model: ModelSpec, data: DataSpec, training: TrainingSpec) -> dict[str, Any]:
    """What a model is made from, as JSON."""
    how = training.model_dump(mode="json", by_alias=True, exclude_none=True, include=HOW)
    return {"model": model.to_api(), "data": data.to_api(), **how}


def _event(version: ModelVersion) -> tuple[Phase, datetime] | None:
    status = version.status
    if status.artifact is None or status.data is None:
        return None
    if version.phase in (Phase.REJECTED, Phase.ROLLED_BACK) and status.ended_at:
        return version.phase, status.ended_at  # also of one that was live, and failed while it was watched
    return (Phase.LIVE, status.live_since) if status.live_since else None


def lasting_fields(phase: Phase) -> set[str]:
    """The fields of the status that an entry with this phase has, and a version from the ledger gets."""
    return LASTING | ({"live_since"} if phase is Phase.LIVE else {"ended_at", "reason", "message"})


def _lasting(version: ModelVersion) -> dict[str, Any]:
    """The fields of the status that never change after the event, so that a late entry is the same as an early one."""
    event = _event(version)
    assert event
    include = lasting_fields(event[0])
    return {
        **version.status.model_dump(mode="json", by_alias=True, exclude_none=True, include=include),
        "phase": event[0].value,
    }


def little_training(world: World) -> TrainingSpec:
    """The training's pod with the operator's image, few resources, no queue, and more retries.

    Its volumes are mounted only if the storage may be on one: a volume with data may be missing or slow to attach.
    """
    little: dict[str, Any] = {"image": world.policy.trainer_image, "resources": LITTLE}
    if not (world.spec.storage.uri or "").startswith("file://"):
        little |= {"volumes": None, "volume_mounts": None}
    pod = world.spec.training.pod.model_copy(update=little)
    return world.spec.training.model_copy(update={"pod": pod, "queue": None, "timeout": "1h", "retries": 3})
