"""The Kubernetes client of the plugin: plain objects in and out, each error one sentence.

Objects come without control characters, since anyone may have written them.
"""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import urllib3
from kubernetes import client, config
from kubernetes.config import ConfigException
from yaml import YAMLError

from kubectl_perennial.errors import CommandError, some
from perennial_operator.core.api.printable_text import all_printable, printable

Body = dict[str, Any]

API_VERSION = "perennial.dev/v1alpha1"

PLURALS = {"ModelDeployment": "modeldeployments", "ModelVersion": "modelversions", "DriftReport": "driftreports"}
FIELD_MANAGER = "kubectl-perennial"
HOME = "~/.kube/config"
POD_NAMESPACE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")
HINT = "give --kubeconfig or --context, or set KUBECONFIG"
TIMEOUT = (10, 60)
"""Seconds to connect, and to wait for an answer."""


class ApiError(CommandError):
    """The message of the API server and its HTTP status; 0 if it does not know the kinds."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


class Cluster:
    """The models of one namespace, as the user of the kubeconfig may read and change them."""

    def __init__(self, api: client.ApiClient, namespace: str, user: str) -> None:
        self._api, self.namespace, self.user = api, namespace, user
        self.time: datetime | None = None
        """Of the API server's last answer, where that says it."""

    @classmethod
    def connect(cls, kubeconfig: str | None, context: str | None, namespace: str | None) -> Cluster:
        """By the kubeconfig that kubectl would use, or else by the service account of the pod."""
        to = client.Configuration()
        to.retries = urllib3.Retry(0)  # a user waits, and an early error is better
        files = kubeconfig or os.environ.get("KUBECONFIG") or HOME
        exists = any(Path(file).expanduser().exists() for file in files.split(os.pathsep) if file)
        try:
            if not exists and not kubeconfig and "KUBERNETES_SERVICE_HOST" in os.environ:
                config.load_incluster_config(client_configuration=to)
                return cls(client.ApiClient(to), namespace or POD_NAMESPACE.read_text().strip(), "")
            chosen = _context(files, context)
            config.load_kube_config(files, chosen["name"], to, persist_config=False)
        except (ConfigException, YAMLError, OSError) as error:
            raise CommandError(f"cannot connect to a cluster: {_one_line(error)}; {HINT}") from error
        except (TypeError, AttributeError, KeyError, ValueError) as error:
            raise CommandError(
                f"cannot connect to a cluster: {files} is not a kubeconfig ({_one_line(error)}); {HINT}"
            ) from error
        settings = chosen["context"]
        return cls(client.ApiClient(to), namespace or settings.get("namespace") or "default", settings.get("user", ""))

    def get(self, kind: str, name: str) -> Body | None:
        try:
            return self._call("GET", self._path(kind, name))
        except ApiError as error:
            if error.code == 404:
                return None
            raise

    def list(self, kind: str, *, model: str = "", everywhere: bool = False) -> list[Body]:
        """Every object of the kind; with `model`, those of that ModelDeployment."""
        path = self._path(kind, everywhere=everywhere)
        try:
            bodies = list(self._pages(path, {"fieldSelector": f"spec.modelDeployment={model}"} if model else {}))
        except ApiError as error:
            if not model or error.code != 400:
                raise
            bodies = list(self._pages(path, {}))  # Kubernetes before 1.31 cannot select by fields of a custom kind
        return [body for body in bodies if not model or body["spec"]["modelDeployment"] == model]

    def access_modes(self, claims: Iterable[str]) -> dict[str, Sequence[str] | None]:
        """Claim → its access modes, or None if it does not exist; without claims that this user may not read."""
        modes: dict[str, Sequence[str] | None] = {}
        for claim in claims:
            path = f"/api/v1/namespaces/{self.namespace}/persistentvolumeclaims/{quote(claim, safe='')}"
            try:
                modes[claim] = self._call("GET", path)["spec"].get("accessModes") or []
            except ApiError as error:
                if error.code == 404:
                    modes[claim] = None
        return modes

    def secret_value(self, name: str, key: str) -> bytes | None:
        """The value in the Secret; None if it does not exist, or this user may not read it."""
        try:
            secret = self._call("GET", f"/api/v1/namespaces/{self.namespace}/secrets/{quote(name, safe='')}")
        except ApiError as error:
            if error.code in (403, 404):
                return None
            raise
        encoded = (secret.get("data") or {}).get(key)
        return base64.b64decode(encoded) if encoded else None

    def last_log_line(self, job: str) -> str | None:
        """The newest line of the Job's running pod, after its time; None without one, or if it may not be read."""
        pods = f"/api/v1/namespaces/{self.namespace}/pods"
        try:
            items = self._call("GET", pods, query={"labelSelector": f"batch.kubernetes.io/job-name={job}"})["items"]
            running = [each["metadata"] for each in items if each.get("status", {}).get("phase") == "Running"]
            if not running:
                return None
            newest = max(running, key=lambda each: str(each["creationTimestamp"]))
            path = f"{pods}/{quote(newest['name'], safe='')}/log"
            lines = self._read("GET", path, query={"tailLines": "1", "timestamps": "true"}, accept="*/*")
        except CommandError:  # the rest of the status is worth showing
            return None
        return printable(lines.decode(errors="replace").strip()) or None

    def own_name(self) -> str | None:
        """The name by which the API server knows this user; None if it does not tell (Kubernetes before 1.28)."""
        review = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
        try:
            answer = self._call("POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", review)
        except ApiError:
            return None
        return str(answer["status"]["userInfo"]["username"])

    def annotate(self, kind: str, name: str, annotations: Mapping[str, str | None]) -> Body:
        """The object with these annotations; None removes one."""
        patch = {"metadata": {"annotations": dict(annotations)}}
        return self._call("PATCH", self._path(kind, name), patch, content="application/merge-patch+json")

    def create(self, manifest: Mapping[str, Any]) -> Body:
        return self._call("POST", self._path(manifest["kind"]), dict(manifest))

    def _pages(self, path: str, query: Mapping[str, str]) -> Iterator[Body]:
        more: dict[str, str] = {"limit": "500"}
        while True:
            page = self._call("GET", path, query={**query, **more})
            yield from page.get("items") or []
            if not page["metadata"].get("continue"):
                return
            more["continue"] = page["metadata"]["continue"]

    def _path(self, kind: str, name: str = "", *, everywhere: bool = False) -> str:
        place = "" if everywhere else f"/namespaces/{self.namespace}"
        return f"/apis/{API_VERSION}{place}/{PLURALS[kind]}" + (f"/{quote(name, safe='')}" if name else "")

    def _call(
        self,
        method: str,
        path: str,
        body: Body | None = None,
        query: Mapping[str, str] | None = None,
        content: str = "application/json",
    ) -> Body:
        data = self._read(method, path, body, query, content)
        try:
            decoded: Body = all_printable(json.loads(data))
        except ValueError as error:
            raise CommandError(
                f"{self._api.configuration.host} is not an API server: it answers {data[:60]!r}"
            ) from error
        return decoded

    def _read(
        self,
        method: str,
        path: str,
        body: Body | None = None,
        query: Mapping[str, str] | None = None,
        content: str = "application/json",
        accept: str = "application/json",
    ) -> bytes:
        parameters = [*(query or {}).items(), *([("fieldManager", FIELD_MANAGER)] if body else [])]
        headers = {"Accept": accept, "Content-Type": content}
        try:
            request = self._api.param_serialize(
                method, path, query_params=parameters, header_params=headers, body=body, auth_settings=["BearerToken"]
            )
            answer = self._api.call_api(*request, _request_timeout=TIMEOUT)
            data: bytes = answer.read()
            self.time = _time_of(answer.getheader("Date"))
        except (urllib3.exceptions.HTTPError, client.ApiException, OSError) as error:
            because = getattr(error, "reason", None) or error
            host = self._api.configuration.host
            raise CommandError(
                f"the API server {host} does not answer: {because}; is this the right --context?"
            ) from error
        if answer.status >= 400:
            raise _api_error(answer.status, data, path)
        return data


def _time_of(header: str | None) -> datetime | None:
    """The time in a header, in UTC; None if it says none."""
    try:
        return parsedate_to_datetime(header).astimezone(UTC) if header else None
    except ValueError:
        return None


def _context(files: str, context: str | None) -> Body:
    """The named context, or the current one."""
    contexts: Sequence[Body]
    contexts, current = config.list_kube_config_contexts(files)
    if context is None:
        return dict(current)
    names = {each["name"]: each for each in contexts}
    if context not in names:
        raise CommandError(f"context {context} is not in the kubeconfig; it has: {some(names)}")
    return dict(names[context])


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split()).rstrip(".")


def _api_error(code: int, data: bytes, path: str) -> ApiError:
    try:
        message = str(json.loads(data)["message"])
    except (ValueError, KeyError, TypeError):
        message = data.decode(errors="replace").strip()[:300]
    if code == 401:
        return ApiError(code, "the API server does not know you (401 Unauthorized); log in to the cluster again")
    if code == 403:
        return ApiError(
            code, f"{message}; ask for the ClusterRole perennial-view (to read) or perennial-edit (to write)"
        )
    if code == 404 and ("the requested resource" in message or "page not found" in message):
        return ApiError(0, f"the cluster does not know {API_VERSION}; install Perennial's CRDs: docs/install.md")
    return ApiError(code, message or f"{path} is answered by {code}")
