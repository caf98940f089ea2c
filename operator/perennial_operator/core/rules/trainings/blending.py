"""May a version be a blend of models of the live version and new fits, and if not, why?"""

from __future__ import annotations

from perennial_operator.core.api.model_deployment import ModelDeploymentSpec
from perennial_operator.core.api.model_version import UNSUCCESSFUL, ModelVersion, ModelVersionSpec
from perennial_operator.core.world import World


def reason_without_blend(world: World, spec: ModelDeploymentSpec | ModelVersionSpec, number: int) -> str:
    """Why the version of this number, made from this spec, is one fit; an empty text if it may be a blend.

    Only what the operator knows: the trainer has more reasons.
    """
    if world.live is None:
        return "no version was live"
    if blocker := _field_without_blend(spec):
        return blocker
    if missed := _missed_limit(world, number):
        return f"{missed.name} missed a limit of spec.validation.thresholds, so its successor is one fit"
    return ""


def _field_without_blend(spec: ModelDeploymentSpec | ModelVersionSpec) -> str:
    """The models that stay must know no more rows than one fit may, and the newest rows must be learned afterwards."""
    data, training = spec.data, spec.training
    blockers = {
        "spec.training.blend is false": not training.blend,
        "spec.training.refit is false": not training.refit,
        f"framework {spec.model.framework} has none": spec.model.framework != "sklearn",
        "it needs data.timeColumn": data.time_column is None,
        f"data.window is {data.window}": data.window != "auto",
        "data.groupColumn is set": data.group_column is not None,
    }
    return next((text for text, blocks in blockers.items() if blocks), "")


def _missed_limit(world: World, number: int) -> ModelVersion | None:
    """The fit before it, if that failed an absolute limit: the next one is a fit of its own, to the best window.

    A fit that its surroundings stopped was not judged, and is the same when it is tried again.
    """
    fits = (v for v in reversed(world.versions) if v.has_fits and not v.status.surroundings)
    before = next((v for v in fits if v.spec.number < number), None)
    missed = before is not None and before.phase in UNSUCCESSFUL and before.status.reason == "ThresholdNotMet"
    return before if missed else None
