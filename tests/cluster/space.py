"""How tests talk to a cluster: any call with the answer as it came, and a namespace to put objects into and wait."""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from tests.cluster.client import MERGE_PATCH, Connection, Resource
from tests.cluster.mirror import BUILT_IN
from tests.cluster.objects import Obj

SECONDS = 30.0
RESOURCES = (*BUILT_IN, Resource("v1", "Event", "events"), Resource("test.dev/v1", "Widget", "widgets"))
_numbers = itertools.count(1)


def moments() -> Iterator[None]:
    """Times to look whether a condition holds, until too long has been waited."""
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        yield
        time.sleep(0.01)


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
    """Any verb on any path of the kubeconfig's API server."""

    def __init__(self, kubeconfig: Path) -> None:
        to = Connection.of(kubeconfig)
        headers = to.headers | {"User-Agent": "tester/1"}
        self.kubeconfig = kubeconfig
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
        return self.call("PATCH", path, patch, MERGE_PATCH, **query)

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
        assert any(met() for _ in moments()), "waited in vain"


class Space:
    """A namespace; resources are given by kind or plural. `until` returns the object that met the condition at last."""

    def __init__(self, api: Calls, name: str = "") -> None:
        self.name = name or f"space-{next(_numbers)}"
        self.api = api
        self._resources = {key: resource for resource in RESOURCES for key in (resource.kind, resource.plural)}

    def __enter__(self) -> Space:
        self.put({"kind": "Namespace", "metadata": {"name": self.name}})
        return self

    def __exit__(self, *_: object) -> None:
        self.delete("Namespace", self.name)

    def serve(self, resource: Resource) -> None:
        """The API server answers for the kind of a new CustomResourceDefinition."""
        self._resources[resource.kind] = resource
        self.api.until(lambda: self.api.get(self.path(resource.kind)).code == 200)

    def path(self, kind: str, *below: str) -> str:
        return self._resources[kind].path(self.name, *below)

    def put(self, obj: Obj) -> Obj:
        body = {"apiVersion": self._resources[obj["kind"]].api_version, **obj}
        return self.api.post(self.path(obj["kind"]), body).ok

    def patch(self, kind: str, name: str, patch: Obj) -> Obj:
        return self.api.merge(self.path(kind, name), patch).ok

    def delete(self, kind: str, name: str, **options: Any) -> None:
        assert self.api.delete(self.path(kind, name), options).ok

    def find(self, kind: str, name: str) -> Obj | None:
        answer = self.api.get(self.path(kind, name))
        return None if answer.code == 404 else answer.ok

    def all(self, kind: str) -> list[Obj]:
        result: list[Obj] = self.api.get(self.path(kind)).ok["items"]
        return result

    def versions(self, kind: str, name: str, last: Callable[[Obj], bool]) -> Iterator[Obj]:
        """Each version of the object as a watch reports it, up to the first that `last` is true of."""
        with self.api.watch(self.path(kind), fieldSelector=f"metadata.name={name}") as events:
            for event in events:
                yield event["object"]
                if last(event["object"]):
                    return
        raise AssertionError(f"the last version of {kind} {name} never came")

    def until(self, kind: str, name: str, met: Callable[[Obj], Any]) -> Obj:
        result: Obj | None = None
        for _ in moments():
            result = self.find(kind, name)
            if result and met(result):
                return result
        raise AssertionError(f"{kind} {name} stayed {result}")

    def until_gone(self, kind: str, name: str) -> None:
        assert any(self.find(kind, name) is None for _ in moments()), f"{kind} {name} is still there"

    def until_all(self, kind: str, met: Callable[[list[Obj]], Any]) -> list[Obj]:
        result: list[Obj] = []
        for _ in moments():
            result = self.all(kind)
            if met(result):
                return result
        raise AssertionError(f"the objects of kind {kind} stayed {result}")


def ended(pod: Obj) -> bool:
    return pod.get("status", {}).get("phase") in ("Succeeded", "Failed")


def succeeded(space: Space, pod: str) -> bool:
    """Whether the pod ends well; waits until it has ended."""
    return bool(space.until("Pod", pod, ended)["status"]["phase"] == "Succeeded")


def container(pod: Obj) -> Obj:
    """The status of the first container; empty if there is none yet."""
    result: Obj = (pod.get("status", {}).get("containerStatuses") or [{}])[0]
    return result


def state(pod: Obj, kind: str, which: str = "state") -> Obj:
    """What `kind` (running, waiting, terminated) of the first container says; empty if it is in another state."""
    return container(pod).get(which, {}).get(kind) or {}


def config_map(name: str, data: dict[str, str] | None = None, **metadata: Any) -> Obj:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, **metadata}, "data": data or {}}


def widget(name: str = "a", spec: Obj | None = None, **metadata: Any) -> Obj:
    """An object of the custom kind of `widgets.yaml`."""
    return {"apiVersion": "test.dev/v1", "kind": "Widget", "metadata": {"name": name, **metadata}, "spec": spec or {}}


def deployment(name: str = "web", pod: Obj | None = None, **spec: Any) -> Obj:
    labels = {"app": name}
    template = {"metadata": {"labels": labels}, "spec": pod or {"containers": [{"name": "main", "image": "web:1"}]}}
    body = {"selector": {"matchLabels": labels}, "template": template, **spec}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}, "spec": body}


def job(name: str = "once", pod: Obj | None = None, **spec: Any) -> Obj:
    template = {"spec": pod or pod_spec(["true"])}
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name}, "spec": {"template": template, **spec}}


def pod_spec(command: list[str], **fields: Any) -> Obj:
    """A pod of one container that is not started again; `fields` are the pod's or the container's."""
    of_pod = {"restartPolicy", "volumes", "terminationGracePeriodSeconds"}
    container = {"name": "main", "image": "local", "command": command}
    container |= {name: value for name, value in fields.items() if name not in of_pod}
    own = {name: value for name, value in fields.items() if name in of_pod}
    return {"restartPolicy": "Never", "containers": [container], **own}


def pod(name: str, command: list[str], **fields: Any) -> Obj:
    return {"kind": "Pod", "metadata": {"name": name}, "spec": pod_spec(command, **fields)}


def shell(script: str) -> list[str]:
    return ["sh", "-c", script]


def claim(name: str) -> Obj:
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Mi"}}}
    return {"kind": "PersistentVolumeClaim", "metadata": {"name": name}, "spec": spec}


def at(path: str, **source: Any) -> Obj:
    """The fields of a pod that mount one volume there."""
    return {"volumes": [{"name": "mounted", **source}], "volumeMounts": [{"name": "mounted", "mountPath": path}]}
