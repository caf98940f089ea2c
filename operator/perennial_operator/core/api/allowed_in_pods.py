"""What the `pod` sections of a spec may contain: an allow-list, which the operator's administrator can extend."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from fnmatch import fnmatchcase
from typing import Any

from perennial_operator.core.api.parsing import BadObjectError
from perennial_operator.core.api.pod import PodSpec

KEYS = (
    "app.kubernetes.io/*", "prometheus.io/*", "sidecar.istio.io/inject", "sidecar.istio.io/nativeSidecar",
    "linkerd.io/inject", "cluster-autoscaler.kubernetes.io/safe-to-evict", "karpenter.sh/do-not-disrupt",
    "autoscaling.knative.dev/*",
)  # fmt: skip
"""Keys of labels and annotations with a domain; a key without one is allowed, since no controller reads it."""

DEFAULTS: Mapping[str, tuple[str, ...]] = {
    "volumes": (
        "configMap", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "secret",
        "projected/configMap", "projected/downwardAPI", "projected/secret", "projected/clusterTrustBundle",
    ),
    "volumeMounts": ("name", "mountPath", "subPath", "subPathExpr", "readOnly", "recursiveReadOnly"),
    "env": ("name", "value", "configMapKeyRef", "secretKeyRef", "fieldRef", "resourceFieldRef"),
    "resources": (
        "cpu", "memory", "ephemeral-storage", "hugepages-*", "nvidia.com/*", "amd.com/gpu", "gpu.intel.com/*",
        "google.com/tpu", "aws.amazon.com/neuron*", "habana.ai/gaudi",
    ),
    "tolerations": (
        "nvidia.com/gpu", "amd.com/gpu", "google.com/tpu", "node.kubernetes.io/not-ready",
        "node.kubernetes.io/unreachable",
    ),
    "affinity": (),
    "priorityClassName": (),
    "runtimeClassName": (),
    "labels": KEYS,
    "annotations": KEYS,
}  # fmt: skip
"""Field → patterns of its values; any other value is refused."""


class PodFieldError(BadObjectError):
    """A `pod` section has a value that is not allowed; the message names it and who can allow it."""

    reason = "PodFieldNotAllowed"


def check_pod(pod: PodSpec, path: str, more: Iterable[str]) -> None:
    """Every value of the section is allowed, by DEFAULTS or by `more`, whose entries are `field=pattern`."""
    for field, value in values_of(pod):
        patterns = [*DEFAULTS[field], *(entry.partition("=")[2] for entry in more if entry.startswith(f"{field}="))]
        if not any(fnmatchcase(value, pattern) for pattern in patterns):
            raise PodFieldError(
                f"{path}.{field}: {value} is not allowed in pods of models; remove it, or let the operator's "
                f"administrator allow {field}={value} (allowedInPods of the chart, PERENNIAL_ALLOWED_IN_PODS)"
            )


def values_of(pod: PodSpec) -> Iterator[tuple[str, str]]:
    """Field and value of everything in the section that the allow-list decides."""
    for volume in pod.volumes or []:
        yield from (("volumes", value) for kind in volume if kind != "name" for value in _kinds(kind, volume[kind]))
        yield from _keys(_inside(volume, "ephemeral", "volumeClaimTemplate", "metadata"))
    for mount in pod.volume_mounts or []:
        yield from (("volumeMounts", key) for key in mount)
    for variable in pod.env or []:
        source = variable.get("valueFrom")
        names = [key for key in variable if key != "valueFrom"]
        yield from (("env", key) for key in [*names, *(source if isinstance(source, dict) else ())])
    for toleration in pod.tolerations or []:
        yield "tolerations", str(toleration.get("key") or "*")  # without a key it tolerates every taint
    for constraint in ("namespaces", "namespaceSelector"):
        if _contains(pod.affinity, constraint):
            yield "affinity", constraint
    for amounts in (pod.resources.requests, pod.resources.limits) if pod.resources else ():
        yield from (("resources", name) for name in amounts or ())
    if pod.priority_class_name:
        yield "priorityClassName", pod.priority_class_name
    if pod.runtime_class_name:
        yield "runtimeClassName", pod.runtime_class_name
    yield from _keys({"labels": pod.labels, "annotations": pod.annotations})


def _keys(metadata: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Keys of labels and annotations with a domain, of the pod or of a claim that is made for it."""
    for field in ("labels", "annotations"):
        yield from ((field, key) for key in metadata.get(field) or () if "/" in key)


def _inside(value: Any, *path: str) -> Mapping[str, Any]:
    """The object at the path; empty if it does not exist."""
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    return value if isinstance(value, dict) else {}


def _kinds(kind: str, source: Any) -> list[str]:
    """The volume's kind; with its driver if it is of CSI, with the kind of each source if it is projected.

    The claim of an ephemeral volume may not name the volume that it binds: it could be one for others.
    """
    inside = source if isinstance(source, dict) else {}
    if kind == "csi":
        return [f"csi/{inside.get('driver')}"]
    if kind == "projected":
        sources = inside.get("sources")
        named = [each for each in sources if isinstance(each, dict)] if isinstance(sources, list) else []
        return [f"projected/{name}" for each in named for name in each]
    if "volumeName" in _inside(inside, "volumeClaimTemplate", "spec"):
        return [kind, f"{kind}/volumeName"]
    return [kind]


def _contains(value: Any, key: str) -> bool:
    """Whether an object has the key at any level, except among the labels of a selector."""
    if isinstance(value, dict):
        return key in value or any(_contains(inner, key) for name, inner in value.items() if name != "matchLabels")
    return isinstance(value, list) and any(_contains(inner, key) for inner in value)
