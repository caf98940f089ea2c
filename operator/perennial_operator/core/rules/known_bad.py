"""Was the same model rejected or rolled back before?"""

from __future__ import annotations

from perennial_operator.core import names
from perennial_operator.core.api.analysis import FAILURES
from perennial_operator.core.api.model_version import UNSUCCESSFUL, Artifact, ModelVersion
from perennial_operator.core.rules.phases import REJECTED_BY_PERSON
from perennial_operator.core.world import World


def reason_not_to_repeat(world: World, version: ModelVersion, artifact: Artifact) -> str | None:
    """Why a model of these bytes is not tried again; None if it is a new one, or a person requested the training.

    The same data make the same bytes. A roll-back for reasons outside the model does not count.
    """
    if version.spec.trigger.reason == "Request":
        return None
    for other in world.versions:
        failed = other.phase in UNSUCCESSFUL and other.status.reason in (*FAILURES, REJECTED_BY_PERSON)
        if failed and other.status.artifact and other.status.artifact.sha256 == artifact.sha256:
            before = f"which was {other.phase} ({other.status.message})"
            fix = f"to try it again, annotate the ModelDeployment with {names.RETRAIN}=<time>"
            return f"it is the same model as {other.name}, byte by byte, {before}; {fix}"
    return None
