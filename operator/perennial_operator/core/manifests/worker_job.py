"""Which Job runs the workers of a training?"""

from __future__ import annotations

from typing import Any

from perennial_operator.core import names
from perennial_operator.core.api.model_version import ModelVersion
from perennial_operator.core.manifests.jobs import job_manifest, model_fields
from perennial_operator.core.manifests.owner import owner_reference
from perennial_operator.core.manifests.pods import Mounts
from perennial_operator.core.world import Job, World

SCHEDULER_PORT = 8786
"""The port on which the training pod listens for its workers, as in the trainer."""


def workers_manifest(world: World, version: ModelVersion, train: Job) -> dict[str, Any]:
    """The Job whose pods fit what the training pod distributes: candidates of a search, or a model together.

    They get no Secret and no volume claim: the training pod sends them the rows.
    """
    engine = version.spec.training.engine
    assert engine and engine.dask.workers and train.pod
    host = f"[{train.address}]" if ":" in train.address else train.address
    task = {"task": "work", **model_fields(world, version), "scheduler": f"tcp://{host}:{SCHEDULER_PORT}"}
    name, owner = names.workers_job(version.name), owner_reference(world, version)
    manifest = job_manifest(world, name, "worker", version, task, Mounts(), version.spec.training, owner)
    manifest["metadata"]["labels"][names.FOR_POD] = train.pod
    count = engine.dask.workers
    manifest["spec"] |= {
        "parallelism": count,
        "completions": count,
        "backoffLimit": count * (version.spec.training.retries + 1),
    }
    return manifest
