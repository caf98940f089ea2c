"""What does KServe serve, and whom does it lead the requests to, where serving.runtime is kserve?

In its Knative mode KServe keeps a revision for each predictor that it was given. `canaryTrafficPercent` of the requests
go to the newest one that is ready, the rest to the one that had all of them last. That is always one of the live
version's, since a candidate gets everything only after it has been promoted: so a roll-back waits for no pod.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from math import ceil
from typing import Any

from perennial_operator.core import names
from perennial_operator.core.api.model_version import ModelVersion
from perennial_operator.core.manifests.serving import digest, metadata_of, template_that_serves, with_digest
from perennial_operator.core.traffic.http_route import Blocker
from perennial_operator.core.world import World

KIND = "InferenceService"
MODE = "serving.kserve.io/deploymentMode"
KNATIVE = ("Knative", "Serverless")
"""Both names of the mode, the second of KServe before 0.17."""
ON_THE_CONTAINER = ("runAsNonRoot", "runAsUser", "runAsGroup", "seccompProfile")
"""What Knative takes of a pod's security context on the container alone, unless its administrator allows more."""


def inference_manifest(world: World, version: ModelVersion, percent: int) -> dict[str, Any]:
    """The InferenceService with the predictor of one version, which gets so much of the requests once it is ready."""
    template = template_that_serves(world, version)
    predictor = {
        **_for_knative(template["spec"]),
        "labels": template["metadata"]["labels"],
        "annotations": template["metadata"].get("annotations", {}),
        "minReplicas": world.spec.serving.replicas,
    }
    predictor["annotations"] = {**predictor["annotations"], names.PREDICTOR: digest(predictor)}
    metadata = metadata_of(world, world.name, names.labels(world.name, "serving"))
    manifest = with_digest(
        {
            "apiVersion": "serving.kserve.io/v1beta1",
            "kind": KIND,
            "metadata": {**metadata, "annotations": {MODE: KNATIVE[0]}},
            "spec": {"predictor": predictor},
        }
    )
    # Not with_digest: KServe hands the annotations on to the revision, and another share is to make no other one.
    predictor["canaryTrafficPercent"] = percent
    return manifest


def held(world: World) -> str | None:
    """The version that the InferenceService holds; None where there is none, or it is not the ModelDeployment's."""
    body = (world.inference.body if world.inference else None) or {}
    owners = [owner["uid"] for owner in (body.get("metadata") or {}).get("ownerReferences") or []]
    if world.deployment.metadata.uid not in owners:
        return None
    version: str | None = (body["spec"]["predictor"].get("labels") or {}).get(names.MODEL_VERSION)
    return version


def newest(world: World) -> str | None:
    """The version of the newest revision that is ready; None where that is not known."""
    return _revisions(world).get(_status(world).get("latestReadyRevision", ""))


def had_all(world: World) -> bool:
    """Whether the newest revision that is ready is also the one that had all requests last, or there is none."""
    status = _status(world)
    return status.get("latestReadyRevision") in (None, "", status.get("latestRolledoutRevision"))


def led(world: World, version: ModelVersion) -> int:
    """Per cent of the requests that KServe says it leads to the version."""
    revisions = _revisions(world)
    return sum(
        target.get("percent") or 0
        for target in _status(world).get("traffic") or []
        if revisions.get(target.get("revisionName")) == version.name
    )


def address(world: World) -> str:
    """Where KServe serves the model, or nothing while it does not say."""
    return str(_body_status(world).get("url") or "")


def blocker(world: World) -> Blocker | None:
    """Why there can be no InferenceService that is steered, and the mend."""
    there = world.inference
    told = f"{KIND} {world.name}"
    if there is None:
        return None
    if there.unknown:
        message = (
            f"the cluster has no {KIND}; install KServe with Knative, or make another ModelDeployment "
            "with serving.runtime deployment"
        )
        return Blocker("KServeNotFound", message)
    if there.refusal:
        message = f"{told} cannot be read: {there.refusal}; let the operator's role get, create, patch and delete them"
        return Blocker("KServeForbidden", message)
    mode = _body_status(world).get("deploymentMode") or KNATIVE[0]
    if mode not in KNATIVE:
        message = f"KServe runs {told} in its mode {mode}, which leads by no weight; remove it to have it made anew"
        return Blocker("WrongDeploymentMode", message)
    return None


def _for_knative(pod: Mapping[str, Any]) -> dict[str, Any]:
    """The pod as Knative takes it without an administrator's leave, as restricted as before."""
    spec = dict(pod)
    of_pod = spec.pop("securityContext")
    container = dict(spec["containers"][0])
    limit = ((container.get("resources") or {}).get("limits") or {}).get("cpu")
    container |= {
        "name": "kserve-container",
        "ports": [{**container["ports"][0], "name": "http1"}],
        "env": [_without_field(variable, limit) for variable in container["env"]],
        "securityContext": container["securityContext"] | {field: of_pod[field] for field in ON_THE_CONTAINER},
    }
    return {**spec, "containers": [container], "volumes": [_read_only(volume) for volume in spec["volumes"]]}


def _without_field(variable: Mapping[str, Any], limit: int | str | None) -> dict[str, Any]:
    """The processors of the container as a number: Knative takes no reference to a field of the pod."""
    field = (variable.get("valueFrom") or {}).get("resourceFieldRef") or {}
    if limit is None or field.get("resource") != "limits.cpu":
        return dict(variable)
    text = str(limit)
    count = Decimal(text.removesuffix("m")) / (1000 if text.endswith("m") else 1)
    return {"name": variable["name"], "value": str(ceil(count))}


def _read_only(volume: Mapping[str, Any]) -> dict[str, Any]:
    """Knative takes a claim only where it is to be read."""
    claim = volume.get("persistentVolumeClaim")
    return {**volume, "persistentVolumeClaim": {**claim, "readOnly": True}} if claim else dict(volume)


def _revisions(world: World) -> Mapping[str, str]:
    return world.inference.revisions if world.inference else {}


def _body_status(world: World) -> Mapping[str, Any]:
    body = (world.inference.body if world.inference else None) or {}
    return body.get("status") or {}


def _status(world: World) -> Mapping[str, Any]:
    """What KServe says of its predictor."""
    return (_body_status(world).get("components") or {}).get("predictor") or {}
