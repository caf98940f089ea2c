"""Which Job checks the live version for drift, or a version against the one that it replaces?"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from perennial_operator.core import names
from perennial_operator.core.api.model_version import ModelVersion
from perennial_operator.core.api.places import Source
from perennial_operator.core.api.values import as_text
from perennial_operator.core.manifests.captured_rows import source_fields
from perennial_operator.core.manifests.check_page import page_fields, thresholds_in_task
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
from perennial_operator.core.manifests.train_job import training_data
from perennial_operator.core.rules.trainings.blending import reason_without_blend
from perennial_operator.core.world import World

VERSION_CHECK = "version-check"
"""The role of Jobs that check a version against the one that it replaces."""
CONTRACT = 6
"""That of images which know such checks."""
REQUEST_TIME = "perennial.time"
"""The column with the time of the request, which no input of a model has."""


def check_manifest(world: World, live: ModelVersion, scheduled: datetime) -> dict[str, Any]:
    """The Job that measures how recent data differ from the training data of the live version."""
    assert world.spec.drift and world.spec.drift.check
    check, mounts = world.spec.drift.check, Mounts()
    name = names.check_job(world.name, scheduled)
    data: dict[str, Any] = {
        **source_fields(world, check.data, world.spec.data.labels, mounts),
        "window": check.window,
    }
    if live.spec.data.time_column:
        data["timeColumn"] = live.spec.data.time_column
    data |= live.spec.data.model_dump(mode="json", by_alias=True, exclude_none=True, include={"time_format", "csv"})
    task: dict[str, Any] = {
        "task": "check",
        **model_fields(world, live),
        "model": live.spec.model.to_api(),
        "live": stored_model(live, whole=follows_contract(world, live, 3)),
        "data": data,
        "storage": version_storage(world, f"checks/{name}", mounts),
        **owner_fields(world, live),
    }
    if follows_contract(world, live, 2):
        task["thresholds"] = thresholds_in_task(world.spec.drift, live, with_growth=follows_contract(world, live, 4))
        task["now"] = as_text(world.now)
    if follows_contract(world, live, 4):
        task |= page_fields(world, live)
    if _has_challenger(world, live):
        task["challenger"] = {
            "data": training_data(world, live.spec.data, mounts),
            "parameters": live.status.parameters or {},
            "checks": world.spec.drift.challenger.checks,
            "weights": not reason_without_blend(world, world.spec, world.next_number),
        }
    if not check.predictions:  # only then: the trainer of an older version does not know the field
        task["predictions"] = False
    manifest = job_manifest(world, name, "check", live, task, mounts, world.spec.training, owner_reference(world))
    return _scheduled(manifest, scheduled)


def version_check_manifest(
    world: World, version: ModelVersion, other: ModelVersion, since: datetime, scheduled: datetime
) -> dict[str, Any]:
    """The Job that measures how good a version is on the rows that it answered, and the other one on the same rows.

    Without what makes only ordinary checks: columns, and rows of before, are not compared.
    """
    assert world.spec.drift
    mounts, name = Mounts(), names.version_check_job(version.name, scheduled)
    source = source_fields(world, Source(captured=True), world.spec.data.labels, mounts)
    data = {**source, "window": "all", "timeColumn": REQUEST_TIME}
    data["captured"] |= {"version": version.name, "since": as_text(since)}
    data |= version.spec.data.model_dump(mode="json", by_alias=True, exclude_none=True, include={"csv"})
    task: dict[str, Any] = {
        "task": "check",
        **model_fields(world, version),
        "model": version.spec.model.to_api(),
        "live": stored_model(version, whole=True),
        "against": stored_model(other, whole=True),
        "data": data,
        "storage": version_storage(world, f"checks/{name}", mounts),
        **owner_fields(world, version),
        "thresholds": thresholds_in_task(world.spec.drift, version, with_growth=True, against=True),
        "minSamples": world.spec.drift.min_samples,
        "predictions": False,
        "now": as_text(world.now),
    }
    training, owner = world.spec.training, owner_reference(world)
    manifest = job_manifest(world, name, VERSION_CHECK, version, task, mounts, training, owner)
    manifest["metadata"]["labels"][names.AGAINST] = other.name
    return _scheduled(manifest, scheduled)


def _scheduled(manifest: dict[str, Any], at: datetime) -> dict[str, Any]:
    manifest["metadata"]["labels"][names.SCHEDULED] = str(int(at.timestamp()))
    manifest["metadata"]["annotations"] = {names.SCHEDULED: as_text(at)}
    return manifest


def _has_challenger(world: World, live: ModelVersion) -> bool:
    """Whether a model of newer rows can be made in the check: rows need a time, and the image the field."""
    assert world.spec.drift
    return (
        world.spec.drift.challenger.enabled
        and live.spec.data.time_column is not None
        and live.spec.model.framework != "custom"
        and follows_contract(world, live, 4)
    )
