"""A namespace of a cluster as tests use it: put something there, wait until it is as it should be."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx

from tests.cluster.client import MERGE_PATCH, Connection, Resource
from tests.cluster.controllers.namespaces import ACCOUNTS
from tests.cluster.mirror import BUILT_IN
from tests.cluster.objects import Obj

SECONDS = 30.0
RESOURCES = {resource.kind: resource for resource in (*BUILT_IN, ACCOUNTS)}
_numbers = itertools.count(1)


def moments() -> Iterator[None]:
    """Times to look whether a condition holds, until too long has been waited."""
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        yield
        time.sleep(0.01)


class Space:
    """Every call is checked; `until` returns the object that at last met the condition, or says what it was instead."""

    def __init__(self, to: Connection, name: str = "") -> None:
        self.name = name or f"space-{next(_numbers)}"
        self._to = to
        self._http = httpx.Client(base_url=to.url, headers=to.headers, verify=to.tls or False)
        self.resources = dict(RESOURCES)

    def __enter__(self) -> Space:
        self.put({"kind": "Namespace", "metadata": {"name": self.name}})
        return self

    def __exit__(self, *_: object) -> None:
        self.delete("Namespace", self.name)

    def another(self) -> Space:
        return Space(self._to)

    def serve(self, api_version: str, kind: str, plural: str) -> None:
        """The API server answers for the kind of a new CustomResourceDefinition."""
        self.resources[kind] = Resource(api_version, kind, plural)
        assert any(self._http.get(self._path(kind)).is_success for _ in moments())

    def _path(self, kind: str, *below: str) -> str:
        return self.resources[kind].path(self.name, *below)

    def put(self, obj: Obj) -> Obj:
        body = {"apiVersion": self.resources[obj["kind"]].api_version, **obj}
        return self._done(self._http.post(self._path(obj["kind"]), json=body))

    def patch(self, kind: str, name: str, patch: Obj, subresource: str = "") -> Obj:
        answer = self._http.patch(
            self._path(kind, name, subresource), json=patch, headers={"Content-Type": MERGE_PATCH}
        )
        return self._done(answer)

    def delete(self, kind: str, name: str, **options: Any) -> None:
        self._done(self._http.request("DELETE", self._path(kind, name), json=options))

    def find(self, kind: str, name: str) -> Obj | None:
        answer = self._http.get(self._path(kind, name))
        return None if answer.status_code == 404 else self._done(answer)

    def all(self, kind: str) -> list[Obj]:
        result: list[Obj] = self._done(self._http.get(self._path(kind)))["items"]
        return result

    def versions(self, kind: str, name: str, last: Callable[[Obj], bool]) -> Iterator[Obj]:
        """Each version of the object as a watch tells it, up to the first that `last` is true of."""
        params = {"watch": "true", "fieldSelector": f"metadata.name={name}", "timeoutSeconds": str(int(SECONDS))}
        with self._http.stream("GET", self._path(kind), params=params, timeout=SECONDS) as answer:
            for line in answer.iter_lines():
                obj = httpx.Response(200, content=line).json()["object"]
                yield obj
                if last(obj):
                    return
        raise AssertionError(f"{kind} {name} did not come so far: {obj}")

    def until(self, kind: str, name: str, met: Callable[[Obj], Any]) -> Obj:
        result: Obj | None = None
        for result in self._polled(lambda: self.find(kind, name)):
            if result and met(result):
                return result
        raise AssertionError(f"{kind} {name} stayed {result}")

    def until_gone(self, kind: str, name: str) -> None:
        if not any(result is None for result in self._polled(lambda: self.find(kind, name))):
            raise AssertionError(f"{kind} {name} is still there")

    def until_all(self, kind: str, met: Callable[[list[Obj]], Any]) -> list[Obj]:
        result: list[Obj] = []
        for result in self._polled(lambda: self.all(kind)):
            if met(result):
                return result
        raise AssertionError(f"the objects of kind {kind} stayed {result}")

    def _polled(self, ask: Callable[[], Any]) -> Iterator[Any]:
        return (ask() for _ in moments())

    def _done(self, answer: httpx.Response) -> Obj:
        assert answer.is_success, f"{answer.request.method} {answer.request.url}: {answer.text}"
        decoded: Obj = answer.json()
        return decoded


def pod_spec(command: list[str], **words: Any) -> Obj:
    """A pod of one container that is not started again; `words` are the pod's or the container's."""
    pod_words = {"restartPolicy", "volumes", "initContainers", "terminationGracePeriodSeconds"}
    container = {"name": "main", "image": "local", "command": command}
    container |= {word: value for word, value in words.items() if word not in pod_words}
    own = {word: value for word, value in words.items() if word in pod_words}
    return {"restartPolicy": "Never", "containers": [container], **own}


def pod(name: str, command: list[str], **words: Any) -> Obj:
    return {"kind": "Pod", "metadata": {"name": name}, "spec": pod_spec(command, **words)}


def shell(script: str) -> list[str]:
    return ["sh", "-c", script]


def claim(name: str) -> Obj:
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Mi"}}}
    return {"kind": "PersistentVolumeClaim", "metadata": {"name": name}, "spec": spec}


def at(path: str, **source: Any) -> Obj:
    """The words of a pod that mount one volume there."""
    return {"volumes": [{"name": "mounted", **source}], "volumeMounts": [{"name": "mounted", "mountPath": path}]}
