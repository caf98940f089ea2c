"""Which Job trains a version?"""

from __future__ import annotations

from typing import Any

from perennial_operator.core import names
from perennial_operator.core.api.data import DataSpec
from perennial_operator.core.api.model_version import ModelVersion
from perennial_operator.core.api.values import as_text
from perennial_operator.core.manifests.captured_rows import source_fields
from perennial_operator.core.manifests.jobs import (
    follows_contract,
    job_image,
    job_manifest,
    model_fields,
    owner_fields,
    stored_model,
    version_storage,
)
from perennial_operator.core.manifests.owner import owner_reference
from perennial_operator.core.manifests.pods import Mounts
from perennial_operator.core.rules.known_bad import rejected_before
from perennial_operator.core.rules.trainings.adoption import adopt_field
from perennial_operator.core.rules.trainings.blending import reason_without_blend
from perennial_operator.core.rules.trainings.new_rows import labels_are_late, newest_check_rows
from perennial_operator.core.rules.trainings.recipes import version_recipe
from perennial_operator.core.rules.trainings.refused_files import files_in_task
from perennial_operator.core.world import World

MOST_OF_MESSAGE = 1000
"""Characters of a trigger's message that the page of the version shows."""
FEWEST_HOLDOUT_ROWS = 100
"""Fewer rows seldom show that a candidate is as good as the live version."""
IN_TASK = {"time_column", "window", "holdout", "cleaning", "min_rows", "max_missing"}
IN_TASK_IF_SET = ("time_format", "csv", "group_column", "keep", "allow_leaks")  # an older trainer does not know them


def train_manifest(world: World, version: ModelVersion) -> dict[str, Any]:
    """The Job that makes the version's model."""
    training, mounts = version.spec.training, Mounts()
    task: dict[str, Any] = {
        "task": "train",
        **model_fields(world, version),
        "model": version.spec.model.to_api(),
        "data": training_data(world, version.spec.data, mounts),
        "storage": version_storage(world, version.name, mounts),
    }
    task |= owner_fields(world, version, world.live, take_over=version.spec.trigger.reason == "Request")
    if any(follows_contract(world, each, 2) for each in (version, world.live) if each):
        task["now"] = as_text(world.now)
    if version.spec.trigger.reason in ("Initial", "Adopted"):
        task |= files_in_task(world, version)
    task |= adopt_field(world, version)
    if training.search and not version.spec.adopt:
        task["search"] = training.search.to_api()
    if training.calibration and not version.spec.adopt:
        task["calibration"] = training.calibration
    if world.live and world.live.status.artifact:
        whole = any(follows_contract(world, each, 3) for each in (version, world.live))
        task["live"] = stored_model(world.live, whole=whole)
        task |= _known_rows(world, version, world.live)
    if any(follows_contract(world, each, 4) for each in (version, world.live) if each):
        trigger = version.spec.trigger
        task["trigger"] = {"reason": trigger.reason, "message": trigger.message[:MOST_OF_MESSAGE]}
    if not reason_without_refit(world, version):
        task["refit"] = True
        if rows := _holdout_rows(world):
            task["data"]["holdoutRows"] = rows
        if "live" in task and not reason_without_blend(world, version.spec, version.spec.number):
            task["blend"] = _blend(world, version)
    if training.engine and not version.spec.adopt:
        task["engine"] = training.engine.to_api()
    name, owner = names.train_job(version.name), owner_reference(world, version)
    return job_manifest(world, name, "training", version, task, mounts, training, owner)


def _blend(world: World, version: ModelVersion) -> str:
    """Other weights alone, or new fits, too; of these, where labels are late, one to the whole history first of all."""
    if version.spec.trigger.reason == "Reweighing":
        return "weights"
    knows = any(follows_contract(world, each, 5) for each in (version, world.live) if each)
    return "whole" if knows and labels_are_late(world) else "fits"


def _holdout_rows(world: World) -> int | None:
    """So many of the newest rows prove a candidate, if they are fewer than data.holdout; None without a limit.

    As many as the newest check has: what served before was measured on so many, and the newest rows are those that show
    a change. The refit learns them after the gate, so nothing is lost by them.
    """
    rows = newest_check_rows(world) if world.live else None
    return max(rows, FEWEST_HOLDOUT_ROWS) if rows else None


def training_data(world: World, data: DataSpec, mounts: Mounts) -> dict[str, Any]:
    """The labelled rows, and how they are read, cleaned and split, as tasks have it."""
    return {**source_fields(world, data.training, data.labels, mounts), **reading_fields(data)}


def reading_fields(data: DataSpec) -> dict[str, Any]:
    """How rows are read, cleaned and split, wherever they are."""
    include = IN_TASK | {name for name in IN_TASK_IF_SET if getattr(data, name)}
    return data.model_dump(mode="json", by_alias=True, exclude_none=True, include=include)


def reason_without_refit(world: World, version: ModelVersion) -> str:
    """Why the training of this version makes no refit, or an empty text."""
    spec = version.spec
    if spec.adopt:
        return "the model was adopted"
    if not spec.training.refit:
        return "spec.training.refit is false"
    if spec.model.framework == "custom":
        return "framework custom has none"
    if spec.data.time_column is None:
        return "it needs data.timeColumn: without it the same rows stay in the holdout of every version"
    if not any(follows_contract(world, each, 4) for each in (version, world.live) if each):
        return "the trainer's image is not known to make one (contract 4)"
    return ""


def _known_rows(world: World, version: ModelVersion, live: ModelVersion) -> dict[str, Any]:
    """The digests of rows that would make a known model, unless a person or a changed spec asks for the training."""
    fields: dict[str, Any] = {}
    if version.spec.trigger.reason not in ("Drift", "Growth", "Schedule"):
        return fields
    if version_recipe(version) == version_recipe(live) and live.has_fits and live.status.data:
        fields["knownRows"] = live.status.data.sha256
    image = job_image(world, version, version.spec.training.pod)
    rejected = [
        {"name": other.name, "sha256": other.status.data.sha256}
        for other in rejected_before(world, version, image)
        if other.status.data and follows_contract(world, other, 2)
    ]
    return fields | ({"rejectedRows": rejected} if rejected else {})
