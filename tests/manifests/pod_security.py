"""Does a pod satisfy the restricted Pod Security Standard? For Linux, as of Kubernetes 1.36.

Source: https://kubernetes.io/docs/concepts/security/pod-security-standards/, Baseline and Restricted, in their order.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

Body = Mapping[str, Any]

CONTAINERS = ("initContainers", "containers", "ephemeralContainers")
HANDLERS = [
    ("livenessProbe",),
    ("readinessProbe",),
    ("startupProbe",),
    ("lifecycle", "postStart"),
    ("lifecycle", "preStop"),
]
SELINUX_TYPES = {"", "container_t", "container_init_t", "container_kvm_t", "container_engine_t"}
SECCOMP = {"RuntimeDefault", "Localhost"}
VOLUMES = {
    "configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "image", "persistentVolumeClaim", "projected", "secret",
}  # fmt: skip
SYSCTLS = {
    "kernel.shm_rmid_forced", "net.ipv4.ip_local_port_range", "net.ipv4.ip_unprivileged_port_start",
    "net.ipv4.tcp_syncookies", "net.ipv4.ping_group_range", "net.ipv4.ip_local_reserved_ports",
    "net.ipv4.tcp_keepalive_time", "net.ipv4.tcp_fin_timeout", "net.ipv4.tcp_keepalive_intvl",
    "net.ipv4.tcp_keepalive_probes", "net.ipv4.tcp_rmem", "net.ipv4.tcp_wmem",
}  # fmt: skip
APPARMOR_ANNOTATION = "container.apparmor.security.beta.kubernetes.io/"


def violations(manifest: Body) -> list[str]:
    """What the restricted profile forbids in the pods that the object is or makes, each with its field; else empty."""
    template = pod_of(manifest)
    if template is None:
        return []
    pod = template.get("spec") or {}
    violated = [*_about_the_pod(pod, template.get("metadata") or {})]
    for group in CONTAINERS:
        for i, container in enumerate(pod.get(group) or ()):
            violated += [
                f"{group}[{i}].{what}" for what in _about_a_container(container, pod.get("securityContext") or {})
            ]
    return violated


def pod_of(manifest: Body) -> Body | None:
    """The pod that the object is, or its template of one."""
    if manifest["kind"] == "Pod":
        return manifest
    spec = manifest.get("spec") or {}
    if manifest["kind"] == "InferenceService":
        return {"metadata": {"annotations": spec["predictor"].get("annotations")}, "spec": spec["predictor"]}
    template: Body | None = spec.get("jobTemplate", {}).get("spec", spec).get("template")
    return template


def _about_the_pod(pod: Body, metadata: Body) -> Iterator[str]:
    context = pod.get("securityContext") or {}
    yield from (name for name in ("hostNetwork", "hostPID", "hostIPC") if pod.get(name))
    for i, volume in enumerate(pod.get("volumes") or ()):
        yield from (f"volumes[{i}].{kind}" for kind in volume.keys() - {"name"} - VOLUMES)
    yield from (f"securityContext.{what}" for what in _about_a_context(context))
    for sysctl in context.get("sysctls") or ():
        if sysctl["name"] not in SYSCTLS:
            yield f"securityContext.sysctls: {sysctl['name']}"
    for key, profile in (metadata.get("annotations") or {}).items():
        allowed = profile == "runtime/default" or profile.startswith("localhost/")
        if key.startswith(APPARMOR_ANNOTATION) and not allowed:
            yield f"metadata.annotations: {key}"


def _about_a_context(context: Body) -> Iterator[str]:
    """What neither a pod's nor a container's security context may say."""
    if (context.get("windowsOptions") or {}).get("hostProcess"):
        yield "windowsOptions.hostProcess"
    selinux = context.get("seLinuxOptions") or {}
    if selinux.get("type", "") not in SELINUX_TYPES:
        yield "seLinuxOptions.type"
    yield from (f"seLinuxOptions.{field}" for field in ("user", "role") if selinux.get(field))
    if (context.get("appArmorProfile") or {}).get("type", "RuntimeDefault") not in SECCOMP:
        yield "appArmorProfile.type"
    if context.get("runAsUser") == 0:
        yield "runAsUser"


def _about_a_container(container: Body, pods: Body) -> Iterator[str]:
    """`pods` is the security context of its pod, which holds where the container's says nothing."""
    context = container.get("securityContext") or {}
    capabilities = context.get("capabilities") or {}
    wrong = {
        "privileged": context.get("privileged"),
        "capabilities.add": set(capabilities.get("add") or ()) - {"NET_BIND_SERVICE"},
        "capabilities.drop": "ALL" not in (capabilities.get("drop") or ()),
        "procMount": context.get("procMount", "Default") != "Default",
        "allowPrivilegeEscalation": context.get("allowPrivilegeEscalation") is not False,
        "runAsNonRoot": context.get("runAsNonRoot", pods.get("runAsNonRoot")) is not True,
        "seccompProfile": (context.get("seccompProfile") or pods.get("seccompProfile") or {}).get("type")
        not in SECCOMP,
    }
    yield from (f"securityContext.{field}" for field, bad in wrong.items() if bad)
    yield from (f"securityContext.{what}" for what in _about_a_context(context))
    yield from (f"ports: hostPort {port['hostPort']}" for port in container.get("ports") or () if port.get("hostPort"))
    for path in HANDLERS:
        handler: Body = container
        for field in path:
            handler = handler.get(field) or {}
        for action in ("httpGet", "tcpSocket"):
            if (handler.get(action) or {}).get("host"):
                yield f"{'.'.join(path)}.{action}.host"
