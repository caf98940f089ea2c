"""Every pod of ours satisfies the restricted Pod Security Standard, and the check of that can fail."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import pytest

from tests.cluster import RealApi, envtest_binaries
from tests.core.manifests import manifests
from tests.kubectl import Kubectl, RefusedError, documents
from tests.manifests.pod_security import pod_of, violations
from tests.stage import ROOT

MADE = manifests()
SHIPPED = {str(path.relative_to(ROOT)): list(documents(path)) for path in sorted((ROOT / "manifests").rglob("*.yaml"))}

GOOD: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "good"},
    "spec": {
        "securityContext": {"runAsNonRoot": True, "runAsUser": 65532, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [
            {
                "name": "main",
                "image": "image",
                "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
            }
        ],
        "volumes": [{"name": "tmp", "emptyDir": {}}],
    },
}
UNMASKED: dict[str, Any] = copy.deepcopy(GOOD["spec"]) | {"hostUsers": False}  # else it would be refused for that alone
UNMASKED["containers"][0]["securityContext"]["procMount"] = "Unmasked"
POD, CONTAINER = ("spec",), ("spec", "containers", 0)
PROBE = {"httpGet": {"path": "/", "port": 80, "host": "other.example"}}

BAD: list[tuple[tuple[Any, ...], Any, str]] = [
    ((*POD, "hostNetwork"), True, "hostNetwork"),
    ((*POD, "hostPID"), True, "hostPID"),
    ((*POD, "hostIPC"), True, "hostIPC"),
    ((*POD, "volumes"), [{"name": "root", "hostPath": {"path": "/"}}], "volumes[0].hostPath"),
    ((*POD, "volumes"), [{"name": "n", "nfs": {"path": "/", "server": "nfs.example"}}], "volumes[0].nfs"),
    ((*POD, "securityContext", "seccompProfile"), {"type": "Unconfined"}, "containers[0].securityContext.seccompProfile"),
    ((*POD, "securityContext", "seccompProfile"), None, "containers[0].securityContext.seccompProfile"),
    ((*POD, "securityContext", "runAsNonRoot"), None, "containers[0].securityContext.runAsNonRoot"),
    ((*POD, "securityContext", "runAsUser"), 0, "securityContext.runAsUser"),
    ((*POD, "securityContext", "sysctls"), [{"name": "kernel.msgmax", "value": "1"}], "securityContext.sysctls: kernel.msgmax"),
    ((*POD, "securityContext", "seLinuxOptions"), {"type": "spc_t"}, "securityContext.seLinuxOptions.type"),
    ((*POD, "securityContext", "seLinuxOptions"), {"user": "root"}, "securityContext.seLinuxOptions.user"),
    ((*POD, "securityContext", "seLinuxOptions"), {"role": "sysadm_r"}, "securityContext.seLinuxOptions.role"),
    ((*POD, "securityContext", "appArmorProfile"), {"type": "Unconfined"}, "securityContext.appArmorProfile.type"),
    ((*CONTAINER, "securityContext"), {"privileged": True, "capabilities": {"drop": ["ALL"]}}, "containers[0].securityContext.privileged"),
    ((*CONTAINER, "securityContext", "allowPrivilegeEscalation"), None, "containers[0].securityContext.allowPrivilegeEscalation"),
    ((*CONTAINER, "securityContext", "capabilities"), None, "containers[0].securityContext.capabilities.drop"),
    ((*CONTAINER, "securityContext", "capabilities"), {"drop": ["NET_RAW"]}, "containers[0].securityContext.capabilities.drop"),
    ((*CONTAINER, "securityContext", "capabilities"), {"drop": ["ALL"], "add": ["SYS_TIME"]}, "containers[0].securityContext.capabilities.add"),
    (POD, UNMASKED, "containers[0].securityContext.procMount"),
    ((*CONTAINER, "securityContext", "runAsNonRoot"), False, "containers[0].securityContext.runAsNonRoot"),
    ((*CONTAINER, "securityContext", "runAsUser"), 0, "containers[0].securityContext.runAsUser"),
    ((*CONTAINER, "securityContext", "seccompProfile"), {"type": "Unconfined"}, "containers[0].securityContext.seccompProfile"),
    ((*CONTAINER, "ports"), [{"containerPort": 80, "hostPort": 80}], "containers[0].ports: hostPort 80"),
    ((*CONTAINER, "livenessProbe"), PROBE, "containers[0].livenessProbe.httpGet.host"),
    ((*CONTAINER, "lifecycle"), {"preStop": PROBE}, "containers[0].lifecycle.preStop.httpGet.host"),
    ((*POD, "initContainers"), [{"name": "first", "image": "image", "securityContext": {"allowPrivilegeEscalation": False}}], "initContainers[0].securityContext.capabilities.drop"),
]  # fmt: skip
ALSO_GOOD: list[tuple[tuple[Any, ...], Any]] = [
    ((*CONTAINER, "securityContext", "capabilities"), {"drop": ["ALL"], "add": ["NET_BIND_SERVICE"]}),
    ((*POD, "securityContext", "seccompProfile"), {"type": "Localhost", "localhostProfile": "ours.json"}),
    ((*POD, "securityContext", "sysctls"), [{"name": "net.ipv4.tcp_syncookies", "value": "1"}]),
    ((*POD, "securityContext", "seLinuxOptions"), {"type": "container_t"}),
    ((*POD, "volumes"), [{"name": "weights", "image": {"reference": "registry.example/weights:1"}}]),
    ((*CONTAINER, "livenessProbe"), {"httpGet": {"path": "/", "port": 80}}),
]


def changed(path: tuple[Any, ...], value: Any) -> dict[str, Any]:
    """The good pod, with this field so; None takes it away."""
    pod = copy.deepcopy(GOOD)
    *way, last = path
    inner: Any = pod
    for step in way:
        inner = inner[step]
    if value is None:
        del inner[last]
    else:
        inner[last] = value
    return pod


@pytest.fixture(scope="module")
def admission(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kubectl]:
    """A namespace whose Pod Security admission is Kubernetes' own."""
    if envtest_binaries() is None:
        pytest.skip("Kubernetes' own admission needs a kube-apiserver: set KUBEBUILDER_ASSETS")
    with RealApi(tmp_path_factory.mktemp("api")) as api:
        kubectl = Kubectl(api.kubeconfig, "restricted")
        labels = {"pod-security.kubernetes.io/enforce": "restricted"}
        kubectl.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "restricted", "labels": labels}})
        yield kubectl
        kubectl.close()


def admitted(admission: Kubectl, pod: dict[str, Any]) -> bool:
    """Whether Kubernetes takes the pod; an error if it refuses it for anything but Pod Security."""
    try:
        admission.apply(pod | {"metadata": {**pod["metadata"], "name": "tried"}})
    except RefusedError as error:
        messages = ('violates PodSecurity "restricted:latest"', "privileged: Forbidden: disallowed by cluster policy")
        assert any(words in str(error) for words in messages), error
        return False
    admission.delete("Pod", "tried")
    return True


@pytest.mark.parametrize("name", MADE)
def test_what_the_operator_makes_is_restricted(name: str) -> None:
    assert violations(MADE[name]) == []


@pytest.mark.parametrize("name", SHIPPED)
def test_what_is_installed_is_restricted(name: str) -> None:
    assert {d["metadata"]["name"]: violations(d) for d in SHIPPED[name] if "metadata" in d and violations(d)} == {}


def test_there_are_pods_to_check() -> None:
    pods = [d for ds in [*SHIPPED.values(), list(MADE.values())] for d in ds if "spec" in d and pod_of(d)]
    assert {pod["kind"] for pod in pods} == {"Deployment", "InferenceService", "Job"}


@pytest.mark.parametrize(("path", "value", "violation"), BAD, ids=lambda v: v if isinstance(v, str) else "")
def test_forbidden_fields_are_reported(path: tuple[Any, ...], value: Any, violation: str) -> None:
    assert violation in violations(changed(path, value))


@pytest.mark.parametrize(("path", "value"), ALSO_GOOD)
def test_allowed_pods_have_no_violation(path: tuple[Any, ...], value: Any) -> None:
    assert violations(GOOD) == violations(changed(path, value)) == []


def test_pod_security_admission_agrees(admission: Kubectl) -> None:
    pods = [
        GOOD,
        *(changed(path, value) for path, value in ALSO_GOOD),
        *(changed(path, value) for path, value, _ in BAD),
    ]
    assert [admitted(admission, pod) for pod in pods] == [not violations(pod) for pod in pods]


def test_pod_security_admission_accepts_all_our_pods(admission: Kubectl) -> None:
    made = [d for ds in [*SHIPPED.values(), list(MADE.values())] for d in ds if "spec" in d]
    pods = [
        {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "x"}, "spec": dict(pod["spec"])}
        for d in made
        if (pod := pod_of(d))
    ]
    assert all(admitted(admission, pod) for pod in pods)
