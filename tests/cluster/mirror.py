"""What the API server holds, kept up to date by one list and watch for each kind."""

from __future__ import annotations

import asyncio
import itertools
from collections import defaultdict
from collections.abc import Callable, Iterator

from tests.cluster.client import Api, Refused, Resource
from tests.cluster.objects import Obj, deleting, name, namespace, owners, uid

BUILT_IN = (
    Resource("v1", "Namespace", "namespaces", namespaced=False),
    Resource("v1", "Pod", "pods"),
    Resource("v1", "Service", "services"),
    Resource("v1", "ConfigMap", "configmaps"),
    Resource("v1", "Secret", "secrets"),
    Resource("v1", "PersistentVolumeClaim", "persistentvolumeclaims"),
    Resource("batch/v1", "Job", "jobs"),
    Resource("apps/v1", "Deployment", "deployments"),
    Resource("apps/v1", "ReplicaSet", "replicasets"),
    Resource("apiextensions.k8s.io/v1", "CustomResourceDefinition", "customresourcedefinitions", namespaced=False),
)
RETRY = 0.2

Key = tuple[str, str]  # namespace ("" where there is none), name
Address = tuple[str, str, str]  # kind, namespace, name
Listener = Callable[[str, Obj | None, Obj | None], None]


class Mirror:
    """The newest known version of every object of the followed kinds.

    `listeners` hear (kind, old, new) of each change, old None for a new object and new None for one that is gone.
    What a write of one's own answered is `note`d, so that nobody decides on less than they themselves have done.
    """

    def __init__(self, api: Api) -> None:
        self._api = api
        self._objects: dict[str, dict[Key, Obj]] = defaultdict(dict)
        self._owned: dict[str, set[Address]] = defaultdict(set)  # by the owner's uid
        self.resources: dict[str, Resource] = {}
        self.listeners: list[Listener] = []
        self.gone: set[str] = set()  # uids

    def get(self, kind: str, namespace: str, name: str) -> Obj | None:
        return self._objects[kind].get((namespace, name))

    def all(self, kind: str, namespace: str = "") -> list[Obj]:
        return [obj for (space, _), obj in self._objects[kind].items() if namespace in ("", space)]

    def everything(self) -> Iterator[Obj]:
        return itertools.chain.from_iterable([list(result.values()) for result in self._objects.values()])

    def dependents(self, owner: Obj) -> list[Obj]:
        result = [self.get(*address) for address in self._owned.get(uid(owner), ())]
        return [obj for obj in result if obj is not None]

    def note(self, obj: Obj) -> None:
        """The object is known in at least this version, unless it is known to be gone."""
        kind, key = obj["kind"], (namespace(obj), name(obj))
        old = self._objects[kind].get(key)
        if uid(obj) in self.gone or (old and _version(old) >= _version(obj)):
            return
        if old and uid(old) != uid(obj):
            self._forget(old)
            old = None
        self._objects[kind][key] = obj
        self._tell(kind, old, obj)

    def note_deletion(self, obj: Obj) -> None:
        """The object is taken for one on its way out, until the watch says more."""
        known = self.get(obj["kind"], namespace(obj), name(obj))
        if known and uid(known) == uid(obj) and not deleting(known):
            meta = {**known["metadata"], "deletionTimestamp": "1970-01-01T00:00:00Z"}
            self._objects[obj["kind"]][namespace(obj), name(obj)] = {**known, "metadata": meta}

    def _forget(self, obj: Obj) -> None:
        self.gone.add(uid(obj))
        old = self._objects[obj["kind"]].get((namespace(obj), name(obj)))
        if old and uid(old) == uid(obj):
            del self._objects[obj["kind"]][namespace(obj), name(obj)]
            self._tell(obj["kind"], old, None)

    def _tell(self, kind: str, old: Obj | None, new: Obj | None) -> None:
        if old:
            for owner in owners(old):
                self._owned[owner["uid"]].discard(_address(old))
        if new:
            for owner in owners(new):
                self._owned[owner["uid"]].add(_address(new))
        for listener in self.listeners:
            listener(kind, old, new)

    async def list(self, resource: Resource) -> str:
        """The mirror holds what is there now; the resourceVersion to watch from."""
        self.resources[resource.kind] = resource
        answer = await self._api.call("GET", resource.path())
        result = [{"apiVersion": resource.api_version, "kind": resource.kind, **item} for item in answer["items"]]
        there = {uid(obj) for obj in result}
        for obj in [old for old in self._objects[resource.kind].values() if uid(old) not in there]:
            self._forget(obj)
        for obj in result:
            self.note(obj)
        return str(answer["metadata"]["resourceVersion"])

    async def follow(self, resource: Resource, version: str | None = None) -> None:
        """Never returns: the mirror follows the kind, from a list made before at `version` if there is one."""
        while True:
            try:
                version = version or await self.list(resource)
                async for event in self._api.watch(resource.path(), version):
                    obj = {"apiVersion": resource.api_version, "kind": resource.kind, **event["object"]}
                    version = str(obj["metadata"]["resourceVersion"])
                    if event["type"] == "DELETED":
                        self._forget(obj)
                    elif event["type"] != "BOOKMARK":
                        self.note(obj)
            except Refused:  # too old a version, or the server is away: what is there now is what counts
                version = None
                await asyncio.sleep(RETRY)


def _address(obj: Obj) -> Address:
    return obj["kind"], namespace(obj), name(obj)


def _version(obj: Obj) -> int:
    return int(obj["metadata"]["resourceVersion"])
