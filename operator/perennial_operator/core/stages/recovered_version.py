"""How does a version that the ledger has come back: as which object, and with which status?"""

from __future__ import annotations

from typing import Any

from perennial_operator.core import names
from perennial_operator.core.actions import Announcement, SetStatus
from perennial_operator.core.api.conditions import with_condition
from perennial_operator.core.api.meta import API_VERSION
from perennial_operator.core.api.model_version import ModelVersion, ModelVersionSpec, Phase, Trigger
from perennial_operator.core.manifests.owner import owner_reference
from perennial_operator.core.rules.job_results import Recovered, StoredVersion
from perennial_operator.core.rules.transitions import check_transition
from perennial_operator.core.world import World


def manifest(world: World, stored: StoredVersion) -> dict[str, Any]:
    """The version as it was made; but the pods' fields, for which storage is not believed, are those of now."""
    old, asked, recipe = stored.trigger, world.spec, stored.recipe
    told = f"found in the ledger; it was made because of {old.reason}: {old.message}"[:4000]
    how: dict[str, Any] = {"search": recipe.search, "calibration": recipe.calibration} if recipe else {}
    if recipe and recipe.search is None:
        how["engine"] = None  # which is for a search
    spec = ModelVersionSpec(
        model_deployment=world.name,
        number=stored.number,
        trigger=Trigger(
            reason="Recovered",
            message=old.message if old.reason == "Recovered" else told,
            request=old.request,
            drift_report=old.drift_report,
        ),
        model=recipe.model if recipe else asked.model,
        data=recipe.data if recipe else asked.data,
        training=asked.training.model_copy(update=how),
        parent=stored.parent,
    )
    return {
        "apiVersion": API_VERSION,
        "kind": "ModelVersion",
        "metadata": {
            "name": names.version_name(world.name, stored.number),
            "namespace": world.deployment.metadata.namespace,
            "labels": names.labels(world.name, "version"),
            "ownerReferences": [owner_reference(world)],
        },
        "spec": spec.to_api(),
    }


def status(world: World, version: ModelVersion, stored: StoredVersion, found: Recovered) -> SetStatus:
    """The version as it was. What was live is live again, unless a pin or another version decides about that."""
    before, message = stored.status, found.message
    updates: dict[str, Any] = {"recorded": stored.entry}
    if before.image and not _believed(world, before.image):
        updates["image"] = None
        message += f"; its image {before.image} is not used: neither the operator nor spec names one of its repository"
    if before.live_since:
        again = world.live is None and world.spec.pin is None
        updates |= {"phase": Phase.LIVE if again else Phase.SUPERSEDED, "reason": "Recovered", "message": message}
        updates["ended_at"] = None if again else world.now
    updates["conditions"] = with_condition((), "Recorded", True, "Recovered", message, world.now)
    restored = before.model_copy(update=updates)
    check_transition(version, restored.phase or Phase.TRAINING, restored.reason or "")
    announcement = Announcement("Recovered", f"{version.name}: {message}", warning=bool(found.passed_over))
    return SetStatus("ModelVersion", version.name, restored.to_api(), version.metadata.resource_version, announcement)


def _believed(world: World, image: str) -> bool:
    """Whether the image is of a repository that is in use now: storage alone makes no image run."""
    spec = world.spec
    known = (world.policy.trainer_image, spec.training.pod.image, spec.serving.pod.image)
    return _repository(image) in {_repository(each) for each in known if each}


def _repository(image: str) -> str:
    """The image's name without its tag and digest."""
    path, _, last = image.partition("@")[0].rpartition("/")
    return f"{path}/{last.partition(':')[0]}"
