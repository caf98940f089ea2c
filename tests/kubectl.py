"""What a person would type at kubectl, as calls to any API server."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import httpx

from tests.cluster import Connection, Resource
from tests.yaml_text import load_all

Body = dict[str, Any]

TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io, application/json"
MERGE, APPLY = "application/merge-patch+json", "application/apply-patch+yaml"
OWN = "perennial.dev/v1alpha1"
KINDS = {
    resource.kind: resource
    for resource in (
        Resource(OWN, "ModelDeployment", "modeldeployments"),
        Resource(OWN, "ModelVersion", "modelversions"),
        Resource(OWN, "DriftReport", "driftreports"),
        Resource("batch/v1", "Job", "jobs"),
        Resource("apps/v1", "Deployment", "deployments"),
        Resource("v1", "Service", "services"),
        Resource("gateway.networking.k8s.io/v1", "HTTPRoute", "httproutes"),
        Resource("serving.kserve.io/v1beta1", "InferenceService", "inferenceservices"),
        Resource("v1", "Pod", "pods"),
        Resource("v1", "Event", "events"),
        Resource("coordination.k8s.io/v1", "Lease", "leases"),
        Resource("v1", "ConfigMap", "configmaps"),
        Resource("v1", "Secret", "secrets"),
        Resource("v1", "PersistentVolumeClaim", "persistentvolumeclaims"),
        Resource("v1", "Namespace", "namespaces", namespaced=False),
        Resource("storage.k8s.io/v1", "StorageClass", "storageclasses", namespaced=False),
        Resource("apiextensions.k8s.io/v1", "CustomResourceDefinition", "customresourcedefinitions", namespaced=False),
    )
}
SHORT = {"mdep": "ModelDeployment", "mver": "ModelVersion", "drep": "DriftReport", "pods": "Pod", "jobs": "Job"}


class RefusedError(AssertionError):
    """The API server's own words for why it did not do it."""

    def __init__(self, answer: httpx.Response) -> None:
        self.status = answer.status_code
        # Of a group that is not there a real API server says so in plain text.
        status = answer.json() if "json" in answer.headers.get("Content-Type", "") else {}
        super().__init__(status.get("message", answer.text))


class Kubectl:
    """A person at a namespace of the cluster that `kubeconfig` leads to."""

    def __init__(self, kubeconfig: Path, namespace: str = "default") -> None:
        to = Connection.of(kubeconfig)
        self.namespace = namespace
        self._http = httpx.Client(
            base_url=to.url, headers=to.headers, verify=to.tls or False, timeout=30, trust_env=False
        )

    def close(self) -> None:
        self._http.close()

    def apply(self, what: Path | Mapping[str, Any]) -> list[Body]:
        """The objects of a manifest, a file or a folder of files, server-side applied."""
        return [self._apply(document) for document in documents(what)]

    def _apply(self, document: Mapping[str, Any]) -> Body:
        path = self._path(document["kind"], document["metadata"]["name"])
        return self._call("PATCH", path, document, APPLY, fieldManager="kubectl", fieldValidation="Strict")

    def get(self, kind: str, name: str) -> Body | None:
        try:
            return self._call("GET", self._path(kind, name))
        except RefusedError as error:
            if error.status == 404:
                return None
            raise

    def list(self, kind: str, selector: str = "") -> list[Body]:
        items: list[Body] = self._call("GET", self._path(kind), **({"labelSelector": selector} if selector else {}))[
            "items"
        ]
        return items

    def everywhere(self, kind: str) -> list[Body]:
        """The objects of the kind in all namespaces."""
        items: list[Body] = self._call("GET", KINDS[kind].path())["items"]
        return items

    def patch(self, kind: str, name: str, change: Mapping[str, Any], subresource: str = "") -> Body:
        path = self._path(kind, name) + (f"/{subresource}" if subresource else "")
        return self._call("PATCH", path, change, MERGE)

    def annotate(self, kind: str, name: str, annotations: Mapping[str, str]) -> Body:
        return self.patch(kind, name, {"metadata": {"annotations": dict(annotations)}})

    def delete(self, kind: str, name: str) -> None:
        self._call("DELETE", self._path(kind, name), {"propagationPolicy": "Background"})

    def table(self, names: str) -> str:
        """What `kubectl get` prints for these short names, one block for each that has objects."""
        blocks = []
        for name in names.split(","):
            answer = self._http.get(self._path(SHORT[name]), headers={"Accept": TABLE}).json()
            shown = [i for i, column in enumerate(answer["columnDefinitions"]) if column.get("priority", 0) == 0]
            head = [answer["columnDefinitions"][i]["name"].upper() for i in shown]
            rows = [["" if row["cells"][i] is None else str(row["cells"][i]) for i in shown] for row in answer["rows"]]
            if rows:
                blocks.append(aligned([head, *rows]))
        return "\n\n".join(blocks)

    def events(self, kind: str, name: str) -> list[tuple[str, str]]:
        """(reason, message) of each event about the object, the oldest first."""
        about = [
            e for e in self.list("Event") if (e["involvedObject"]["kind"], e["involvedObject"]["name"]) == (kind, name)
        ]
        about.sort(key=lambda event: (event["firstTimestamp"], int(event["metadata"]["resourceVersion"])))
        return [(event["reason"], event["message"]) for event in about]

    def force_delete(self, kind: str, name: str) -> None:
        """The object is gone at once, whatever its processes and finalizers say."""
        self.patch(kind, name, {"metadata": {"finalizers": None}})
        self._call("DELETE", self._path(kind, name), {"gracePeriodSeconds": 0})

    def _path(self, kind: str, name: str = "") -> str:
        return KINDS[kind].path(self.namespace, name)

    def _call(self, method: str, path: str, body: Any = None, content: str = "application/json", **query: str) -> Body:
        content_type = {"Content-Type": content} if body is not None else {}
        answer = self._http.request(method, path, json=body, headers=content_type, params=query)
        if answer.is_error:
            raise RefusedError(answer)
        decoded: Body = answer.json()
        return decoded


def documents(what: Path | Mapping[str, Any]) -> Iterable[Body]:
    """The objects of a manifest, or of the files it names, in order."""
    if isinstance(what, Mapping):
        return [copy.deepcopy(dict(what))]
    files = sorted(what.glob("*.yaml")) if what.is_dir() else [what]
    return [document for file in files for document in load_all(file.read_text())]


def aligned(rows: list[list[str]]) -> str:
    """The rows as columns, three spaces apart."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return "\n".join(
        "   ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )
