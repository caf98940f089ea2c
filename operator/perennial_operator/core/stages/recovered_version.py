"""Which object and which status does a version from the ledger get?"""

from __future__ import annotations

from typing import Any

from perennial_operator.core import names
from perennial_operator.core.actions import Announcement, SetStatus
from perennial_operator.core.api.conditions import with_condition
from perennial_operator.core.api.meta import API_VERSION
from perennial_operator.core.api.model_version import (
    ModelVersion,
    ModelVersionSpec,
    ModelVersionStatus,
    Phase,
    Trigger,
)
from perennial_operator.core.api.printable_text import printable
from perennial_operator.core.manifests.ledger_jobs import lasting_fields
from perennial_operator.core.manifests.owner import owner_reference
from perennial_operator.core.manifests.storage_addresses import foreign_addresses
from perennial_operator.core.rules.job_results import REASON, Recovered, StoredVersion
from perennial_operator.core.world import World


def recovered_manifest(world: World, stored: StoredVersion) -> dict[str, Any]:
    """The version as it was made; but with the current pod fields, since storage is not trusted for those."""
    old, current, recipe = stored.trigger, world.spec, stored.recipe
    message = f"found in the ledger; it was made because of {old.reason}: {old.message}"[:4000]
    how: dict[str, Any] = {"search": recipe.search, "calibration": recipe.calibration} if recipe else {}
    spec = ModelVersionSpec(
        model_deployment=world.name,
        number=stored.number,
        trigger=Trigger(
            reason="Recovered",
            message=old.message if old.reason == "Recovered" else message,
            request=old.request,
            drift_report=old.drift_report,
        ),
        model=recipe.model if recipe else current.model,
        data=recipe.data if recipe else current.data,
        training=current.training.model_copy(update=how),
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


def without_untrusted(world: World, result: Recovered) -> Recovered:
    """The result without versions that storage alone vouches for; the message says why each is passed over.

    What decides how bytes are read, and where they lie, comes from spec.
    """
    problems = {stored.number: problem for stored in result.versions if (problem := _problem(world, stored))}
    if not problems:
        return result
    passed_over = [names.version_name(world.name, number) for number in problems]
    return result.model_copy(
        update={
            "versions": [stored for stored in result.versions if stored.number not in problems],
            "message": f"{result.message}; passed over: {'; '.join(problems.values())}",
            "passed_over": [*result.passed_over, *passed_over],
        }
    )


def _problem(world: World, stored: StoredVersion) -> str:
    name, wanted = names.version_name(world.name, stored.number), world.spec.model
    recorded = stored.recipe.model if stored.recipe else wanted
    if (recorded.framework, recorded.format) != (wanted.framework, wanted.format):
        return (
            f"{name}: the ledger says model.framework {recorded.framework} and format {recorded.format}, spec "
            f"{wanted.framework} and {wanted.format}, which decide how its files are read"
        )
    status = stored.status
    ended = status.phase in (Phase.REJECTED, Phase.ROLLED_BACK) and REASON.fullmatch(status.reason or "")
    known = status.live_since if status.phase is Phase.LIVE else ended
    if not known or status.artifact is None or status.data is None:
        return f"{name}: the ledger does not say when it went live or that it failed, and with which model and rows"
    if stored.number < world.spec.recover.least_number and name != world.spec.pin:
        return f"{name} is older than spec.recover.atLeast {world.spec.recover.at_least}"
    refit = status.refit
    models = (status.artifact, *((refit.artifact, refit.proven) if refit else ()))
    foreign = foreign_addresses(world, [*(each.uri for each in models if each), status.data.holdout_uri])
    return f"{name}: the ledger {foreign}" if foreign else ""


def restore_status(world: World, version: ModelVersion, stored: StoredVersion, result: Recovered) -> SetStatus:
    """The stored status. A version that was live is live again, unless there is a pin or another live version."""
    before, message = _recorded_status(stored), result.message
    updates: dict[str, Any] = {"recorded": stored.entry}
    if before.image and not _is_trusted(world, before.image):
        updates["image"] = None
        message += f"; its image {before.image} is not used: neither the operator nor spec names one of its repository"
    message = printable(message)
    if before.live_since:
        live_again = world.live is None and world.spec.pin is None
        updates["live_since"] = min(before.live_since, world.now)  # a wrong clock may have written a later time
        updates |= {"phase": Phase.LIVE if live_again else Phase.SUPERSEDED, "reason": "Recovered", "message": message}
        updates["ended_at"] = None if live_again else world.now
    updates["conditions"] = with_condition((), "Recorded", True, "Recovered", message, world.now)
    restored = before.model_copy(update=updates).to_api()
    announcement = Announcement("Recovered", f"{version.name}: {message}", warning=bool(result.passed_over))
    return SetStatus("ModelVersion", version.name, restored, version.metadata.resource_version, announcement)


def _recorded_status(stored: StoredVersion) -> ModelVersionStatus:
    """What an entry has of a status: a page does not decide more, such as the state of a roll-out."""
    assert stored.status.phase
    fields = lasting_fields(stored.status.phase)
    return ModelVersionStatus.model_validate({name: getattr(stored.status, name) for name in fields})


def _is_trusted(world: World, image: str) -> bool:
    """Whether the image is of a repository that the operator or the spec names; storage alone is not trusted."""
    spec = world.spec
    known = (world.policy.trainer_image, spec.training.pod.image, spec.serving.pod.image)
    return _repository(image) in {_repository(each) for each in known if each}


def _repository(image: str) -> str:
    """The image's name without its tag and digest."""
    path, _, last = image.partition("@")[0].rpartition("/")
    return f"{path}/{last.partition(':')[0]}"
