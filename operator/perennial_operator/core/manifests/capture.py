"""What does a serving pod need to capture the requests of a version?"""

from __future__ import annotations

from typing import Any

from perennial_operator.core.api.model_version import ModelVersion
from perennial_operator.core.manifests.jobs import follows_contract, model_storage
from perennial_operator.core.manifests.pods import Mounts
from perennial_operator.core.world import World

LAST_PORT = 65535


def captures(world: World, version: ModelVersion) -> bool:
    """Whether the server of the version captures; that of an older image cannot."""
    serving = world.spec.serving
    return serving.capture is not None and follows_contract(world, version, 5, serving.pod)


def capture_fields(world: World, version: ModelVersion, mounts: Mounts) -> dict[str, Any]:
    """The field `capture` of the task, if it captures. Its Secret and its claim are noted."""
    capture = world.spec.serving.capture
    if capture is None or not captures(world, version):
        return {}
    mounts.capture_secret = capture.secret_ref.name
    fields = {
        "share": capture.share,
        "key": capture.key,
        "exclude": capture.exclude,
        "keyInClear": capture.key_in_clear,
        "storage": f"{model_storage(world, mounts, writable=True)}/captured",
        "shadowPort": shadow_port(world, version).get("shadow"),
    }
    return {"capture": {name: value for name, value in fields.items() if value is not None}}


def shadow_port(world: World, version: ModelVersion) -> dict[str, int]:
    """The port, by its name, to which requests are mirrored, so that their rows can be marked."""
    if not world.spec.rollout.shadow or not captures(world, version):
        return {}
    port = world.spec.serving.port
    return {"shadow": port + 1 if port < LAST_PORT else port - 1}
