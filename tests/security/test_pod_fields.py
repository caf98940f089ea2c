"""What `pod` sections may contain: nothing beyond an allow-list, which only the operator's administrator extends."""

from __future__ import annotations

from typing import Any

import pytest

from perennial_operator.cluster.cache import Cache
from perennial_operator.cluster.cache_entry import Key
from perennial_operator.core.api.allowed_in_pods import DEFAULTS, PodFieldError
from perennial_operator.core.world import Policy
from perennial_operator.reconcile.world_builder import build_world
from perennial_operator.settings import BadSettingError, read_settings
from tests.builders import NOON, SPEC, a_body, a_version, merged
from tests.stage import ROOT


def built(pod: dict[str, Any], *allowed: str, section: str = "training", version: str = "") -> None:
    """One pass reads a ModelDeployment, or a version in the given phase, with these pods."""
    cache, of_model = Cache(), {} if version else {section: {"pod": pod}}
    cache.put(a_body("ModelDeployment", "bike", merged(SPEC, of_model)))
    if version:
        stored = a_version(1, version, {"training": {"pod": pod}})
        owner = [{"uid": "uid-bike", "kind": "ModelDeployment", "name": "bike", "controller": True}]
        body = a_body("ModelVersion", "bike-v1", stored.spec.to_api(), stored.status.to_api(), ownerReferences=owner)
        cache.put(body)
    assert build_world(cache, Key("default", "bike"), NOON, Policy("trainer", allowed_in_pods=allowed))


def volume(**source: Any) -> dict[str, Any]:
    return {"volumes": [{"name": "more", **source}]}


def claim(**template: Any) -> dict[str, Any]:
    return volume(ephemeral={"volumeClaimTemplate": template})


TERM = {"topologyKey": "zone", "labelSelector": {}}
ATTACKS: dict[str, tuple[dict[str, Any], str]] = {
    "an identity": (volume(projected={"sources": [{"podCertificate": {}}]}), "volumes=projected/podCertificate"),
    "gitRepo": (volume(gitRepo={"repository": "x"}), "volumes=gitRepo"),
    "flexVolume": (volume(flexVolume={"driver": "x"}), "volumes=flexVolume"),
    "nfs": (volume(nfs={"server": "x", "path": "/"}), "volumes=nfs"),
    "iscsi": (volume(iscsi={"targetPortal": "x"}), "volumes=iscsi"),
    "csi": (volume(csi={"driver": "host.example"}), "volumes=csi/host.example"),
    "an image": (volume(image={"reference": "x"}), "volumes=image"),
    "a claim on a volume for others": (claim(spec={"volumeName": "pv-7"}), "volumes=ephemeral/volumeName"),
    "a claim that a controller fills": (
        claim(metadata={"annotations": {"cdi.kubevirt.io/storage.import.endpoint": "http://metadata"}}),
        "annotations=cdi.kubevirt.io/storage.import.endpoint",
    ),
    "a kind of tomorrow": (volume(tomorrow={}), "volumes=tomorrow"),
    "a second kind": (volume(emptyDir={}, rbd={}), "volumes=rbd"),
    "the node's priority": ({"priorityClassName": "system-node-critical"}, "priorityClassName=system-node-critical"),
    "a runtime": ({"runtimeClassName": "unconfined"}, "runtimeClassName=unconfined"),
    "the control plane": (
        {"tolerations": [{"key": "node-role.kubernetes.io/control-plane"}]},
        "tolerations=node-role.kubernetes.io/control-plane",
    ),
    "every node": ({"tolerations": [{"operator": "Exists"}]}, "tolerations=*"),
    "pods of others kept away": (
        {"affinity": {"podAntiAffinity": {"required": [TERM | {"namespaceSelector": {}}]}}},
        "affinity=namespaceSelector",
    ),
    "a place beside a victim": (
        {"affinity": {"podAffinity": {"preferred": [{"podAffinityTerm": TERM | {"namespaces": ["victim"]}}]}}},
        "affinity=namespaces",
    ),
    "AppArmor turned off": (
        {"annotations": {"container.apparmor.security.beta.kubernetes.io/trainer": "unconfined"}},
        "annotations=container.apparmor.security.beta.kubernetes.io/trainer",
    ),
    "another network": ({"annotations": {"k8s.v1.cni.cncf.io/networks": "x"}}, "annotations=k8s.v1.cni.cncf.io/networks"),
    "another identity": ({"labels": {"azure.workload.identity/use": "true"}}, "labels=azure.workload.identity/use"),
    "a label of the operator's": ({"labels": {"perennial.dev/x": "y"}}, "labels=perennial.dev/x"),
    "a device of the node": ({"resources": {"limits": {"example/fuse": 1}}}, "resources=example/fuse"),
    "mount propagation": (
        {"volumeMounts": [{"name": "a", "mountPath": "/a", "mountPropagation": "Bidirectional"}]},
        "volumeMounts=mountPropagation",
    ),
    "a source of variables of tomorrow": ({"env": [{"name": "A", "valueFrom": {"tokenRef": {}}}]}, "env=tokenRef"),
}  # fmt: skip


@pytest.mark.parametrize(("pod", "entry"), ATTACKS.values(), ids=ATTACKS)
def test_pod_field_outside_allow_list_is_refused(pod: dict[str, Any], entry: str) -> None:
    field, _, value = entry.partition("=")
    for place in ({"section": "training"}, {"section": "serving"}, {"version": "Training"}):
        with pytest.raises(PodFieldError) as refused:
            built(pod, **place)
        assert f"pod.{field}: {value} is not allowed" in str(refused.value)
        assert f"administrator allow {entry} " in str(refused.value)
    built(pod, entry)  # the entry that the message names is enough


def test_message_about_a_version_in_flight_says_what_helps() -> None:
    with pytest.raises(PodFieldError, match="change that of the ModelDeployment and delete ModelVersion bike-v1"):
        built({"priorityClassName": "system-node-critical"}, version="Training")


def test_pattern_of_the_administrator_allows_many_values() -> None:
    built({"priorityClassName": "batch-low"}, "priorityClassName=batch-*")
    built(volume(csi={"driver": "secrets-store.csi.k8s.io"}), "volumes=csi/*")
    with pytest.raises(PodFieldError):
        built({"priorityClassName": "batch-low"}, "runtimeClassName=*", "priorityClassName=other")


def test_usual_fields_of_a_pod_are_allowed() -> None:
    pod = {
        **volume(projected={"sources": [{"secret": {"name": "keys"}}, {"configMap": {"name": "ca"}}]}),
        "env": [{"name": "A", "value": "b"}, {"name": "K", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}],
        "volumeMounts": [{"name": "more", "mountPath": "/more", "subPath": "a", "readOnly": True}],
        "resources": {"requests": {"cpu": 1}, "limits": {"memory": "1Gi", "nvidia.com/gpu": 1}},
        "tolerations": [{"key": "nvidia.com/gpu", "operator": "Exists"}],
        "nodeSelector": {"kubernetes.io/arch": "amd64"},
        "affinity": {"nodeAffinity": {"required": {}}, "podAntiAffinity": {"preferred": [TERM]}},
        "topologySpreadConstraints": [{"maxSkew": 1, "topologyKey": "zone"}],
        "labels": {"team": "a", "app.kubernetes.io/component": "model"},
        "annotations": {"sidecar.istio.io/inject": "false", "prometheus.io/scrape": "true"},
    }
    built(pod)
    built(pod, section="serving")


def test_ended_version_with_a_forbidden_field_stops_nothing() -> None:
    built({"priorityClassName": "system-node-critical"}, version="Superseded")
    built({"priorityClassName": "system-node-critical"}, version="Live")


def test_setting_names_fields_that_pod_sections_have() -> None:
    read = read_settings({"PERENNIAL_ALLOWED_IN_PODS": "volumes=nfs, priorityClassName=batch-*"})
    assert read.policy.allowed_in_pods == ("volumes=nfs", "priorityClassName=batch-*")
    for text in ("hostNetwork=true", "volumes", "volumes="):
        with pytest.raises(BadSettingError, match="PERENNIAL_ALLOWED_IN_PODS"):
            read_settings({"PERENNIAL_ALLOWED_IN_PODS": text})


def test_security_page_lists_what_pods_may_contain() -> None:
    rows = [row.split("|") for row in (ROOT / "docs" / "security.md").read_text().splitlines() if row.startswith("| `")]
    listed = {row[1].strip(): row[2] for row in rows}
    for field, patterns in DEFAULTS.items():
        assert [value for value in patterns if f"`{value}`" not in listed[f"`{field}`"]] == [], field
