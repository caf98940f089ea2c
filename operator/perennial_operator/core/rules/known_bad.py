"""Is this the very model that was found bad before?"""

from __future__ import annotations

from perennial_operator.core import names
from perennial_operator.core.api.analysis import FAILURES
from perennial_operator.core.api.model_version import UNSUCCESSFUL, Artifact, ModelVersion
from perennial_operator.core.rules.phases import REJECTED_BY_PERSON
from perennial_operator.core.world import World


def known_bad(world: World, version: ModelVersion, artifact: Artifact) -> str | None:
    """Why a model of these bytes need not be tried again; None if it is another one, or a person asked for it.

    The same data make the same bytes. What a roll-out's surroundings were to blame for is no fault of the model.
    """
    if version.spec.trigger.reason == "Request":
        return None
    for other in world.versions:
        judged = other.phase in UNSUCCESSFUL and other.status.reason in (*FAILURES, REJECTED_BY_PERSON)
        if judged and other.status.artifact and other.status.artifact.sha256 == artifact.sha256:
            found = f"which was {other.phase} ({other.status.message})"
            mend = f"to try it all the same, annotate the ModelDeployment with {names.RETRAIN}=<time>"
            return f"it is the same model as {other.name}, byte by byte, {found}; {mend}"
    return None
