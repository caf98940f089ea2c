"""Before a version is live: which files was the training refused for, and when does a training look at them again?

The operator cannot list files. A training that is started for files that have not changed ends before it reads a row.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from perennial_operator.core.api.model_version import ModelVersion, Phase
from perennial_operator.core.rules.phases import FILES_UNCHANGED
from perennial_operator.core.rules.trainings.recipes import is_made_from_spec
from perennial_operator.core.world import World

FIRST_LOOK = timedelta(minutes=1)
"""After the refusal; the interval doubles until it is that of the cool-down."""


def refused_version(world: World, before: str | None = None) -> ModelVersion | None:
    """The version whose files the newest training was refused for, if the spec is the same and no version is live.

    With `before`, the name of a version, the newest training is the one before it.
    """
    ended = [each for each in world.versions if each.name != before]
    if world.live or not ended or not is_made_from_spec(ended[-1], world.spec):
        return None
    newest, files = ended[-1], ended[-1].status.refused_files
    if not files or (newest.phase is not Phase.FAILED and newest.status.reason != FILES_UNCHANGED):
        return None
    failed = (each for each in reversed(ended) if each.phase is Phase.FAILED)
    return next((each for each in failed if each.status.refused_files == files), None)


def next_look(world: World, refused: ModelVersion, longest: timedelta) -> datetime:
    """When a training looks at the files again: the time since the refusal has doubled."""
    since, last = (each.status.ended_at or world.now for each in (refused, world.versions[-1]))
    return last + min(max(last - since, FIRST_LOOK), longest)


def files_in_task(world: World, version: ModelVersion) -> dict[str, Any]:
    """The files for which the version's task is to be refused again; none for another image, which may read them."""
    refused = refused_version(world, version.name)
    image = version.spec.training.pod.image or world.policy.trainer_image
    if refused is None or refused.status.image != image:
        return {}
    return {"refusedFiles": {"name": refused.name, "sha256": refused.status.refused_files}}
