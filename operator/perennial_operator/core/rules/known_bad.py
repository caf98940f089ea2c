"""Is a model made of rows that a version was rejected or rolled back for before?"""

from __future__ import annotations

from perennial_operator.core import names
from perennial_operator.core.api.analysis import FAILURES
from perennial_operator.core.api.model_version import UNSUCCESSFUL, DataFacts, ModelVersion, Phase
from perennial_operator.core.rules.phases import GATE_FAILED, REJECTED_BY_PERSON
from perennial_operator.core.rules.trainings.recipes import version_recipe
from perennial_operator.core.rules.validation_gate import gate_digest
from perennial_operator.core.world import World


def reason_not_to_repeat(world: World, version: ModelVersion, data: DataFacts, image: str) -> str | None:
    """Why the same model is not tried again; None if it is a new one, or a person requested the training.

    The same recipe, rows and image make the same model; its bytes may differ, as by the number of threads. A roll-back
    for reasons outside the model does not count.
    """
    if version.spec.trigger.request or version.spec.trigger.reason == "Request":
        return None
    for other in world.versions:
        if _is_bad(other, version, image) and other.status.data and other.status.data.sha256 == data.sha256:
            before = f"which was {other.phase} ({other.status.message})"
            fix = f"to try it again, annotate the ModelDeployment with {names.RETRAIN}=<time>"
            return f"it is the same model as {other.name}, of the same rows, recipe and image, {before}; {fix}"
    return None


def rejected_before(world: World, version: ModelVersion, image: str) -> list[ModelVersion]:
    """The candidates whose rows give a known bad model, or one that the gate would reject again beside this version."""
    gate = gate_digest(world.spec.validation, world.live)
    return [
        other
        for other in world.versions
        if _is_bad(other, version, image)
        or (
            other.phase in (Phase.REJECTED, Phase.ROLLED_BACK)
            and other.status.reason in GATE_FAILED
            and other.status.gate == gate
            and _is_made_alike(other, version, image)
        )
    ]


def _is_bad(other: ModelVersion, version: ModelVersion, image: str) -> bool:
    """Whether a roll-out found it bad or a person rejected it, and this version is made in the same way."""
    failed = other.phase in UNSUCCESSFUL and other.status.reason in (*FAILURES, REJECTED_BY_PERSON)
    return failed and _is_made_alike(other, version, image)


def _is_made_alike(other: ModelVersion, version: ModelVersion, image: str) -> bool:
    # Before a training it counts what that would do, and afterwards what it has done.
    does_the_same = (
        other.has_fits == version.has_fits if version.status.blend else other.asks_for_fits == version.asks_for_fits
    )
    does_the_same &= other.spec.adopt == version.spec.adopt
    return other.status.image == image and version_recipe(other) == version_recipe(version) and does_the_same
