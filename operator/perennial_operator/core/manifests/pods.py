"""The pods that train and serve: the trainer's image under the restricted profile, without a cluster token."""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Mapping
from typing import Any

from perennial_operator.core.api.own_packages import packages_of
from perennial_operator.core.api.places import Place, Storage
from perennial_operator.core.api.pod import PodSpec, SecretRef
from perennial_operator.core.names import same_node
from perennial_operator.core.world import Policy

UID = 65532
"""The image's user; numeric, since the kubelet cannot verify that a named user is not root."""

TRAINER = "trainer"
"""The container that does the task, beside those that others may add."""
RESULT = "/dev/termination-log"
LONGEST_TASK = 65_536
"""Bytes; Linux starts no process with a variable of 131,072. A model of thousands of features needs more."""
TMP = "/tmp"  # noqa: S108 - an emptyDir of the pod's own
LOCAL = "/mnt/perennial"
CAPTURE_PREFIX = "CAPTURE_"


class Mounts:
    """The claims and secrets that the URIs of one pod ask for."""

    def __init__(self) -> None:
        self.claims: dict[str, bool] = {}
        self.secrets: list[str] = []
        self.capture_secret: str | None = None
        self.variables: dict[str, dict[str, Any]] = {}
        self.same_node = False

    def place(self, source: Place) -> dict[str, Any]:
        """The place as tasks have it, if there is one. Its secret and its claim are noted too."""
        for kind, table in (("delta", source.delta), ("iceberg", source.iceberg)):
            if table:
                self._note(source.secret_ref)
                return {kind: table.to_api()}
        if source.uri is None and source.persistent_volume_claim is None and source.sql is None:
            return {}
        if source.sql is None:
            return {"uri": self.uri(source)}
        self._note(source.sql.secret_ref)
        return {"sql": {"query": source.sql.query}}

    def _note(self, secret: SecretRef | None) -> None:
        if secret and secret.name not in self.secrets:
            self.secrets.append(secret.name)

    def uri(self, source: Place | Storage, *, writable: bool = False) -> str:
        """The URI of files; a path on a claim becomes a file below its mount. Its secret is noted too."""
        self._note(source.secret_ref)
        if isinstance(source, Storage) and source.same_node:
            self.same_node = True
        if claim := source.persistent_volume_claim:
            self.claims[claim.claim_name] = self.claims.get(claim.claim_name, False) or writable
            return f"file://{LOCAL}/{claim.claim_name}/{claim.path}".rstrip("/")
        assert source.uri
        return source.uri

    def environment(self) -> list[dict[str, Any]]:
        """The secrets as `envFrom`; that of capture has a prefix, since its variables have the names of others."""
        sources: list[dict[str, Any]] = [{"secretRef": {"name": name}} for name in self.secrets]
        if self.capture_secret:
            sources.append({"prefix": CAPTURE_PREFIX, "secretRef": {"name": self.capture_secret}})
        return sources

    def volumes(self) -> list[dict[str, Any]]:
        return [
            {"name": f"claim-{i}", "persistentVolumeClaim": {"claimName": name}} for i, name in enumerate(self.claims)
        ]

    def volume_mounts(self) -> list[dict[str, Any]]:
        return [
            {"name": f"claim-{i}", "mountPath": f"{LOCAL}/{name}", **({} if writable else {"readOnly": True})}
            for i, (name, writable) in enumerate(self.claims.items())
        ]


def pod_template(
    policy: Policy, pod: PodSpec, image: str, labels: dict[str, str], task: Mapping[str, Any], mounts: Mounts
) -> dict[str, Any]:
    """A pod template that passes one task to the image, which defines its own command."""
    spec: dict[str, Any] = {
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": UID,
            "runAsGroup": UID,
            "fsGroup": UID,
            "fsGroupChangePolicy": "OnRootMismatch",
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [_container(policy, pod, image, task, mounts)],
        "volumes": _by("name", [{"name": "tmp", "emptyDir": {}}], mounts.volumes(), pod.volumes),
    }
    if policy.service_account:
        spec["serviceAccountName"] = policy.service_account
    passed_on = {
        "node_selector", "tolerations", "affinity", "topology_spread_constraints", "priority_class_name",
        "runtime_class_name", "image_pull_secrets",
    }  # fmt: skip
    spec |= pod.model_dump(mode="json", by_alias=True, exclude_none=True, include=passed_on)
    if mounts.same_node and mounts.claims:
        by_claim = {same_node(claim): "true" for claim in mounts.claims}
        labels, spec["affinity"] = labels | by_claim, _on_one_node(spec.get("affinity") or {}, by_claim)
    metadata: dict[str, Any] = {"labels": {**(pod.labels or {}), **labels}}
    if pod.annotations:
        metadata["annotations"] = dict(pod.annotations)
    return {"metadata": metadata, "spec": spec}


def _on_one_node(affinity: Mapping[str, Any], by_claim: Mapping[str, str]) -> dict[str, Any]:
    """The affinity, and for each label the node of the other pods that have it; the first pod runs on any."""
    pods, required = affinity.get("podAffinity") or {}, "requiredDuringSchedulingIgnoredDuringExecution"
    terms = [
        {"labelSelector": {"matchLabels": {label: value}}, "topologyKey": "kubernetes.io/hostname"}
        for label, value in by_claim.items()
    ]
    return {**affinity, "podAffinity": {**pods, required: [*pods.get(required, []), *terms]}}


def _container(policy: Policy, pod: PodSpec, image: str, task: Mapping[str, Any], mounts: Mounts) -> dict[str, Any]:
    ours = [
        {"name": "PERENNIAL_TASK", "value": _task_text(task)},
        {"name": "PERENNIAL_RESULT", "value": RESULT},
        *_allowed_packages(policy, task),
        *({"name": name, "valueFrom": source} for name, source in mounts.variables.items()),
    ]
    return {
        "name": TRAINER,
        "image": image,
        "env": _by("name", _defaults(pod), pod.env, ours),
        **({"envFrom": mounts.environment()} if mounts.environment() else {}),
        **({"resources": pod.resources.to_api()} if pod.resources else {}),
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "terminationMessagePath": RESULT,
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "volumeMounts": _by(
            "mountPath", [{"name": "tmp", "mountPath": TMP}], mounts.volume_mounts(), pod.volume_mounts
        ),
    }


def _allowed_packages(policy: Policy, task: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Those of the model's packages that are allowed, also if none is: neither spec nor Secret can say otherwise."""
    if "model" not in task:
        return []
    model = task["model"]
    transformers = [each["transformer"] for each in model["features"].get("transformers", ())]
    named = {*packages_of(model["framework"], model["estimator"], model["parameters"], transformers)}
    if not named:
        return []
    return [{"name": "PERENNIAL_ALLOWED_PACKAGES", "value": " ".join(sorted(named & set(policy.allowed_packages)))}]


def _task_text(task: Mapping[str, Any]) -> str:
    """The task as JSON, compressed if it is too long for an environment variable."""
    text = json.dumps(task, separators=(",", ":"), sort_keys=True)
    if len(text) <= LONGEST_TASK:
        return text
    return json.dumps({"zlib": base64.b85encode(zlib.compress(text.encode(), 9)).decode()})


def _defaults(pod: PodSpec) -> list[dict[str, Any]]:
    """The environment that libraries need if only TMP is writable; spec may override it."""
    places = [{"name": name, "value": TMP} for name in ("HOME", "TMPDIR", "JOBLIB_TEMP_FOLDER")]
    limits = pod.resources.limits if pod.resources else None
    if "cpu" not in (limits or {}):
        return places
    # BLAS counts the node's processors, not the container's share of them.
    share = {"resourceFieldRef": {"resource": "limits.cpu"}}
    return [*places, *({"name": name, "valueFrom": share} for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"))]


def _by(key: str, *lists: list[dict[str, Any]] | None) -> list[dict[str, Any]]:
    """All items in order; Kubernetes allows no two with the same key, so a later one replaces an earlier one."""
    return list({item.get(key): item for items in lists for item in items or []}.values())
