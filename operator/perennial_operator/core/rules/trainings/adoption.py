"""Is the first version to be an existing model, and may it be?"""

from __future__ import annotations

from typing import Any

from perennial_operator.core.api.artifacts import Blend
from perennial_operator.core.api.model_version import ModelVersion, Trigger
from perennial_operator.core.world import World

NOT_FITTED = Blend(
    models=1, fits=0, message="no blend: the model was adopted; it may know its holdout, so its metrics may flatter it"
)


def adoption_of(world: World, request: str | None) -> Trigger | None:
    """The adoption of spec.adopt, until a version has been live."""
    adopt = world.spec.adopt
    if adopt is None or any(version.status.live_since for version in world.versions):
        return None
    message = f"spec.adopt names the {adopt.format} model {adopt.uri}, and no version has been live"
    return Trigger(reason="Adopted", request=request, message=message)


def reason_not_to_adopt(world: World) -> str:
    """Why the file may not be loaded, or an empty text."""
    adopt = world.spec.adopt
    if adopt is None or adopt.format != "joblib" or world.policy.adopt_joblib:
        return ""
    return (
        "spec.adopt.format is joblib, which runs the code in the file; give the model as skops, or let the operator's "
        "administrator allow it (adoptJoblib of the chart, PERENNIAL_ADOPT_JOBLIB)"
    )


def is_adopted_otherwise(world: World, version: ModelVersion) -> bool:
    """Whether the version adopts another model than spec.adopt names now."""
    return version.spec.adopt is not None and version.spec.adopt != world.spec.adopt


def adopt_field(world: World, version: ModelVersion) -> dict[str, Any]:
    """What the version's task has instead of a search, a refit or a blend; empty if its model is trained."""
    if version.spec.adopt is None:
        return {}
    return {"adopt": version.spec.adopt.to_api() | ({"allowCode": True} if world.policy.adopt_joblib else {})}
