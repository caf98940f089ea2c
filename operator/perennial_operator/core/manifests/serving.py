"""Which Deployment serves a version, which Service selects its pods, and does an object differ from its manifest?"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from perennial_operator.core import names
from perennial_operator.core.api.model_version import ModelVersion
from perennial_operator.core.manifests.capture import capture_fields, shadow_port
from perennial_operator.core.manifests.jobs import job_image, model_fields, stored_model
from perennial_operator.core.manifests.owner import owner_reference
from perennial_operator.core.manifests.pods import Mounts, pod_template
from perennial_operator.core.manifests.serving_defaults import CURRENT, FIRST, ServingDefaults
from perennial_operator.core.world import World

WORKERS = "PERENNIAL_SERVING_WORKERS"
GRACE_SECONDS = 30
"""Longer than the server's drain time, so that requests in flight are answered before the pod ends."""


def deployment_manifest(world: World, version: ModelVersion, replicas: int) -> dict[str, Any]:
    """The Deployment that serves one version; the ModelDeployment owns it, so serving outlives its ModelVersion.

    One that an older release made of the same spec keeps the defaults of that release.
    """
    manifest, observed = _deployment(world, version, replicas, CURRENT), world.serving.get(version.name)
    if observed is None or not outdated(manifest, observed.manifest):
        return manifest
    replicas_now = (observed.manifest.get("spec") or {}).get("replicas", replicas)
    of_older_release = not outdated(_deployment(world, version, replicas_now, FIRST), observed.manifest)
    return _deployment(world, version, replicas, FIRST) if of_older_release else manifest


def _deployment(world: World, version: ModelVersion, replicas: int, defaults: ServingDefaults) -> dict[str, Any]:
    template = template_that_serves(world, version, defaults)
    template["spec"] |= defaults.topology(world.spec.serving, world.name, version.name)
    template["spec"]["terminationGracePeriodSeconds"] = GRACE_SECONDS
    return with_digest(
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": metadata_of(world, version.name, names.labels(world.name, "serving", version.name)),
            "spec": {
                "replicas": replicas,
                "selector": {"matchLabels": {**names.serving_selector(world.name), names.MODEL_VERSION: version.name}},
                "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}},
                "template": template,
            },
        }
    )


def template_that_serves(world: World, version: ModelVersion, defaults: ServingDefaults) -> dict[str, Any]:
    """The template of the pods that serve one version, whichever runtime runs them."""
    mounts = Mounts()
    mounts.uri(world.spec.storage)
    serving = world.spec.serving
    task = {
        "task": "serve",
        **model_fields(world, version),
        "model": version.spec.model.to_api(),
        "artifact": stored_model(version),
        "port": serving.port,
        **capture_fields(world, version, mounts),
    }
    labels = names.labels(world.name, "serving", version.name)
    # The image that trained it: other libraries may reject the artifact, and an upgrade of the operator restarts no
    # serving pod.
    image = job_image(world, version, serving.pod)
    template = pod_template(world.policy, serving.pod, image, labels, task, mounts)
    ports = {"http": serving.port, **shadow_port(world, version)}
    container = template["spec"]["containers"][0]
    if serving.workers != 1:  # a variable, which servers of earlier releases ignore
        others = [each for each in container["env"] if each["name"] != WORKERS]
        container["env"] = [*others, {"name": WORKERS, "value": str(serving.workers)}]
    container |= {
        "ports": [{"name": name, "containerPort": port, "protocol": "TCP"} for name, port in ports.items()],
        **defaults.probes(serving),
        **defaults.resources(serving),
    }
    return template


def service_manifest(
    world: World, name: str, version: ModelVersion | None, more_ports: Sequence[int] = ()
) -> dict[str, Any]:
    """The Service `name`, which selects the pods of one version, or of every version if it is None."""
    ports = [("http", world.spec.serving.port, "http"), *((f"http-{port}", port, "http") for port in more_ports)]
    if version and name == names.candidate_service(world.name):
        ports += [(title, port, title) for title, port in shadow_port(world, version).items()]
    of_version = {names.MODEL_VERSION: version.name} if version else {}
    return with_digest(
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": metadata_of(world, name, names.labels(world.name, "serving")),
            "spec": {
                "selector": names.serving_selector(world.name) | of_version,
                # By name: while an edit of the port rolls out, each pod is reached at its own port.
                "ports": [
                    {"name": title, "port": port, "targetPort": target, "protocol": "TCP"}
                    for title, port, target in ports
                ],
            },
        }
    )


def differs(desired: Mapping[str, Any], observed: Mapping[str, Any] | None) -> bool:
    """Whether the object must be applied: it is missing, its manifest has changed, or another client has changed it.

    A change of what Kubernetes rewrites (quantities) is recognized only by the digest.
    """
    return observed is None or outdated(desired, observed) or not _holds(desired["spec"], observed.get("spec"))


def outdated(desired: Mapping[str, Any], observed: Mapping[str, Any]) -> bool:
    """Whether another manifest was applied last, or the object has lost its owner since."""
    metadata, wanted = observed.get("metadata", {}), desired["metadata"]
    applied = (metadata.get("annotations") or {}).get(names.APPLIED) == wanted["annotations"][names.APPLIED]
    owners = {owner["uid"] for owner in metadata.get("ownerReferences") or []}
    return not applied or not owners >= {owner["uid"] for owner in wanted["ownerReferences"]}


def _holds(desired: Any, observed: Any) -> bool:
    """Whether all desired fields are present; others may be too, such as a sidecar that a webhook adds."""
    if desired == observed:
        return True
    if isinstance(desired, dict):
        inside = observed if isinstance(observed, dict) else {}
        return all(key == "resources" or _holds(value, inside.get(key)) for key, value in desired.items())
    if isinstance(desired, list):
        there = observed or []
        if desired and all(isinstance(item, dict) and "name" in item for item in [*desired, *there]):
            by_name = {item["name"]: item for item in there}
            return all(_holds(item, by_name.get(item["name"])) for item in desired)
        return len(there) == len(desired) and all(_holds(a, b) for a, b in zip(desired, there, strict=True))
    return False


def with_digest(manifest: dict[str, Any]) -> dict[str, Any]:
    """The manifest with its own digest."""
    manifest["metadata"].setdefault("annotations", {})[names.APPLIED] = digest(manifest)
    return manifest


def digest(value: Mapping[str, Any]) -> str:
    return hashlib.sha256(orjson.dumps(value, option=orjson.OPT_SORT_KEYS)).hexdigest()[:16]


def metadata_of(world: World, name: str, labels: Mapping[str, str]) -> dict[str, Any]:
    return {
        "name": name,
        "namespace": world.deployment.metadata.namespace,
        "labels": dict(labels),
        "ownerReferences": [owner_reference(world)],
    }
