"""Calls to an API server as tests make them: any verb, any body, and the answer as it came."""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import httpx

from tests.cluster.client import Connection
from tests.cluster.objects import Obj

SECONDS = 30.0
_numbers = itertools.count(1)


class Cluster(Protocol):
    """What LocalCluster and RealApi have in common."""

    kubeconfig: Path
    url: str


@dataclass(frozen=True)
class Answer:
    code: int
    body: Any
    warnings: list[str]

    @property
    def ok(self) -> Obj:
        """The body of an answer that has to be a success."""
        assert 200 <= self.code < 300, f"{self.code}: {self.body}"
        result: Obj = self.body
        return result

    @property
    def message(self) -> str:
        """The message of an answer that has to be a refusal."""
        assert self.code >= 400, f"{self.code}: {self.body}"
        return str(self.body["message"])


class Calls:
    def __init__(self, cluster: Cluster) -> None:
        to = Connection.of(cluster.kubeconfig)
        headers = to.headers | {"User-Agent": "tester/1"}
        self.kubeconfig = cluster.kubeconfig
        self._http = httpx.Client(base_url=to.url, headers=headers, verify=to.tls or False, timeout=SECONDS)

    def call(
        self, method: str, path: str, body: Any = None, content_type: str = "", accept: str = "", **query: Any
    ) -> Answer:
        headers = {"Content-Type": content_type or "application/json"} | ({"Accept": accept} if accept else {})
        sent = None if body is None else json.dumps(body)
        answer = self._http.request(method, path, content=sent, headers=headers, params=query)
        body = answer.json() if answer.text.startswith("{") else answer.text
        return Answer(answer.status_code, body, answer.headers.get_list("Warning"))

    def get(self, path: str, **query: Any) -> Answer:
        return self.call("GET", path, **query)

    def post(self, path: str, body: Any, **query: Any) -> Answer:
        return self.call("POST", path, body, **query)

    def put(self, path: str, body: Any, **query: Any) -> Answer:
        return self.call("PUT", path, body, **query)

    def merge(self, path: str, patch: Any, **query: Any) -> Answer:
        return self.call("PATCH", path, patch, "application/merge-patch+json", **query)

    def json_patch(self, path: str, *operations: Obj) -> Answer:
        return self.call("PATCH", path, list(operations), "application/json-patch+json")

    def apply(self, path: str, body: Any, manager: str = "tester", **query: Any) -> Answer:
        return self.call("PATCH", path, body, "application/apply-patch+yaml", fieldManager=manager, **query)

    def delete(self, path: str, body: Any = None, **query: Any) -> Answer:
        return self.call("DELETE", path, body, **query)

    @contextmanager
    def watch(self, path: str, accept: str = "", **query: Any) -> Iterator[Iterator[Obj]]:
        """The events of a watch, as they come; it ends by itself after `timeoutSeconds`."""
        headers = {"Accept": accept} if accept else {}
        query = {"watch": "true", "timeoutSeconds": 20, **query}
        with self._http.stream("GET", path, params=query, headers=headers) as answer:
            answer.raise_for_status()
            yield (json.loads(line) for line in answer.iter_lines())

    def until(self, met: Callable[[], bool]) -> None:
        end = time.monotonic() + SECONDS
        while not met():
            assert time.monotonic() < end, "waited in vain"
            time.sleep(0.02)


class Folder:
    """A namespace of its own, with the paths of what is in it."""

    def __init__(self, api: Calls) -> None:
        self.api = api
        self.name = f"folder-{next(_numbers)}"

    def __enter__(self) -> Folder:
        space = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": self.name}}
        assert self.api.post("/api/v1/namespaces", space).code == 201
        return self

    def __exit__(self, *_: object) -> None:
        self.api.delete(f"/api/v1/namespaces/{self.name}")

    def path(self, plural: str, *below: str) -> str:
        """`widgets` and `deployments` are found in their groups, everything else in the core."""
        root = {"widgets": "apis/test.dev/v1", "deployments": "apis/apps/v1", "jobs": "apis/batch/v1"}.get(
            plural, "api/v1"
        )
        return "/".join(["", root, "namespaces", self.name, plural, *below])


def config_map(name: str, data: dict[str, str] | None = None, **metadata: Any) -> Obj:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, **metadata}, "data": data or {}}


def widget(name: str = "a", spec: Obj | None = None, **metadata: Any) -> Obj:
    """An object of the custom kind of `widgets.yaml`."""
    return {"apiVersion": "test.dev/v1", "kind": "Widget", "metadata": {"name": name, **metadata}, "spec": spec or {}}


def deployment(name: str = "web", **spec: Any) -> Obj:
    labels = {"app": name}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "main", "image": "web:1"}]}}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name},
        "spec": {"selector": {"matchLabels": labels}, "template": template, **spec},
    }


def job(name: str = "once", **spec: Any) -> Obj:
    pod = {"restartPolicy": "Never", "containers": [{"name": "main", "image": "job:1"}]}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name},
        "spec": {"template": {"spec": pod}, **spec},
    }
