"""How does a task name captured rows and their labels?"""

from __future__ import annotations

from typing import Any

from perennial_operator.core.api.data import Labels
from perennial_operator.core.api.places import Source
from perennial_operator.core.manifests.jobs import model_storage
from perennial_operator.core.manifests.pods import Mounts
from perennial_operator.core.world import World

SECRET = "PERENNIAL_CAPTURE_KEY"  # noqa: S105 - the name of the variable that has it
FOLDER = "captured"


def source_fields(world: World, source: Source, labels: Labels | None, mounts: Mounts) -> dict[str, Any]:
    """The place of the rows, and that of captured ones with their labels. What the pod needs is noted."""
    place = mounts.place(source)
    if not source.captured:
        return place
    capture = world.spec.serving.capture
    captured: dict[str, Any] = {"uri": f"{model_storage(world, mounts, writable=False)}/{FOLDER}"}
    if capture and capture.key_in_clear:
        captured["keyInClear"] = True
    elif capture:
        mounts.variables[SECRET] = {"secretKeyRef": {"name": capture.secret_ref.name, "key": SECRET}}
    if labels:
        fields = labels.model_dump(
            mode="json",
            by_alias=True,
            exclude_none=True,
            include={"key", "row", "time_column", "time_format", "mature"},
        )
        captured["labels"] = {**mounts.place(labels), **fields}
    return {**place, "captured": captured}
