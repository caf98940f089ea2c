"""The kinds that the operator uses, their paths, and the verbs that it may send."""

from __future__ import annotations

from collections.abc import Mapping

from perennial_operator.cluster.errors import RefusedError

PATHS: Mapping[str, str] = {
    "ModelDeployment": "/apis/perennial.dev/v1alpha1/{}/modeldeployments",
    "ModelVersion": "/apis/perennial.dev/v1alpha1/{}/modelversions",
    "DriftReport": "/apis/perennial.dev/v1alpha1/{}/driftreports",
    "Job": "/apis/batch/v1/{}/jobs",
    "Deployment": "/apis/apps/v1/{}/deployments",
    "Service": "/api/v1/{}/services",
    "Pod": "/api/v1/{}/pods",
    "HTTPRoute": "/apis/gateway.networking.k8s.io/v1/{}/httproutes",
    "InferenceService": "/apis/serving.kserve.io/v1beta1/{}/inferenceservices",
    "Event": "/api/v1/{}/events",
    "Lease": "/apis/coordination.k8s.io/v1/{}/leases",
}

SCHEMAS = "/openapi/v3/apis/perennial.dev/v1alpha1"
"""No role has to grant it: `system:discovery` grants it to every account."""

VERBS: Mapping[str, str] = {
    "ModelDeployment": "list patch/status",
    "ModelVersion": "get list create delete patch/status",
    "DriftReport": "get list create delete patch/status",
    "Job": "get list create delete",
    "Deployment": "get list create patch delete",
    "Service": "get list create patch",
    "Pod": "list",
    "HTTPRoute": "get patch",
    "InferenceService": "get create patch delete",
    "Event": "get create patch",
    "Lease": "get create patch",
}
"""Kind → permitted verbs. No other request is sent, so the roles of an installation, which grant these, suffice."""


def path_of(verbs: str, kind: str, namespace: str | None, name: str = "") -> str:
    """The URL path of the object or the kind; RefusedError if VERBS does not permit all of the verbs."""
    if not set(verbs.split()) <= set(VERBS[kind].split()):
        message = f"the operator must not {verbs} a {kind}; permit it in VERBS of permitted_calls.py and in every role"
        raise RefusedError("Forbidden", message)
    path = PATHS[kind].format(f"namespaces/{namespace}") if namespace else PATHS[kind].replace("{}/", "")
    return f"{path}/{name}" if name else path
