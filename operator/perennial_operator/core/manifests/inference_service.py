"""Which InferenceService serves a version in KServe's Knative mode?"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from math import ceil
from typing import Any

from perennial_operator.core import names
from perennial_operator.core.api.model_version import ModelVersion
from perennial_operator.core.manifests.serving import digest, metadata_of, outdated, template_that_serves, with_digest
from perennial_operator.core.manifests.serving_defaults import CURRENT, FIRST, ServingDefaults
from perennial_operator.core.world import World

KIND = "InferenceService"
MODE = "serving.kserve.io/deploymentMode"
MODES = ("Knative", "Serverless")
"""Both names of the Knative mode; the second is that of KServe before 0.17."""
ON_THE_CONTAINER = ("runAsNonRoot", "runAsUser", "runAsGroup", "seccompProfile")
"""Fields of a pod's security context that Knative by default allows on the container only."""


def inference_manifest(world: World, version: ModelVersion, percent: int) -> dict[str, Any]:
    """The InferenceService with the predictor of one version, which gets `percent` of the requests once it is ready.

    One that an older release made of the same version and spec keeps the defaults of that release.
    """
    observed = world.routing.body if world.routing else None
    if observed:
        kept = _inference_service(world, version, percent, FIRST)
        if not outdated(kept, observed):
            return kept
    return _inference_service(world, version, percent, CURRENT)


def _inference_service(world: World, version: ModelVersion, percent: int, defaults: ServingDefaults) -> dict[str, Any]:
    template = template_that_serves(world, version, defaults)
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
            "metadata": {**metadata, "annotations": {MODE: MODES[0]}},
            "spec": {"predictor": predictor},
        }
    )
    # Not with_digest: KServe hands the annotations on to the revision, and another share is to make no other one.
    predictor["canaryTrafficPercent"] = percent
    return manifest


def _for_knative(pod: Mapping[str, Any]) -> dict[str, Any]:
    """The pod with only what Knative allows by default, and equally restricted."""
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
    """The number of processors itself: Knative does not allow a reference to a field of the pod."""
    field = (variable.get("valueFrom") or {}).get("resourceFieldRef") or {}
    if limit is None or field.get("resource") != "limits.cpu":
        return dict(variable)
    text = str(limit)
    count = Decimal(text.removesuffix("m")) / (1000 if text.endswith("m") else 1)
    return {"name": variable["name"], "value": str(ceil(count))}


def _read_only(volume: Mapping[str, Any]) -> dict[str, Any]:
    """The volume with its claim read-only: Knative allows no other."""
    claim = volume.get("persistentVolumeClaim")
    return {**volume, "persistentVolumeClaim": {**claim, "readOnly": True}} if claim else dict(volume)
