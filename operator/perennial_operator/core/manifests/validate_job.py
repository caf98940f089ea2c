"""Which Job validates a candidate, and what is the candidate compared with?"""

from __future__ import annotations

import json
from hashlib import sha256
from typing import Any

from perennial_operator.core import names
from perennial_operator.core.api.artifacts import Artifact
from perennial_operator.core.api.model_version import ModelVersion
from perennial_operator.core.manifests.jobs import (
    follows_contract,
    job_manifest,
    model_fields,
    owner_fields,
    stored_model,
    version_storage,
)
from perennial_operator.core.manifests.owner import owner_reference
from perennial_operator.core.manifests.pods import Mounts
from perennial_operator.core.world import World


def validate_manifest(world: World, version: ModelVersion) -> dict[str, Any]:
    """The Job that scores the candidate and the live version on the candidate's holdout."""
    assert version.status.artifact and version.status.data
    live, mounts, whole = world.live, Mounts(), follows_contract(world, version, 3)
    storage = version_storage(world, version.name, mounts)
    task: dict[str, Any] = {
        "task": "validate",
        **model_fields(world, version),
        "model": version.spec.model.to_api(),
        "candidate": stored_model(version, whole=whole),
        "holdout": {"uri": version.status.data.holdout_uri, "sha256": version.status.data.holdout_sha256},
        "storage": storage,
        **owner_fields(world, version),
    }
    if (refit := version.status.refit) and refit.artifact and follows_contract(world, version, 4):
        task["refit"] = stored_model(version, whole=True, artifact=refit.artifact)
    if live:
        against = world.spec.validation.compared_by(version.spec.model.task)
        task["live"] = stored_model(live, whole=whole, artifact=_model_to_beat(world, version, live))
        task["against"] = against.model_dump(include={"metric", "confidence"})
        if world.spec.validation.slices:
            task["slices"] = [each.model_dump(include={"column", "metric"}) for each in world.spec.validation.slices]
    name, owner = names.validate_job(version.name), owner_reference(world, version)
    manifest = job_manifest(world, name, "validation", version, task, mounts, version.spec.training, owner)
    manifest["metadata"]["labels"] |= comparison_labels(world, version)
    return manifest


def _model_to_beat(world: World, version: ModelVersion, live: ModelVersion) -> Artifact | None:
    """None for the model that serves; the validated one where the image cannot tell which rows a refit has learned."""
    refit = live.status.refit
    return refit.proven if refit and refit.serves and not follows_contract(world, version, 4) else None


def comparison_labels(world: World, version: ModelVersion) -> dict[str, str]:
    """Labels of a validation Job: which version the candidate is compared with now, and by which metrics."""
    if world.live is None:
        return {names.AGAINST: "none"}
    by = world.spec.validation.compared_by(version.spec.model.task)
    labels = {names.AGAINST: world.live.name, names.COMPARED_BY: f"{by.metric}-{by.confidence:g}"}
    if pairs := sorted((each.column, each.metric) for each in world.spec.validation.slices):
        labels[names.SLICED_BY] = sha256(json.dumps(pairs).encode()).hexdigest()[:16]
    return labels
