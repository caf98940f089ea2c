"""What each kind's pass looks at before it decides."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

from tests.cluster.client import Api, Refused, Resource
from tests.cluster.controllers import deployments, jobs, replicasets
from tests.cluster.controllers.job_counting import TRACKING, released, total
from tests.cluster.controllers.step import Step
from tests.cluster.mirror import Mirror
from tests.cluster.objects import Obj, controller, deleting, finalizers, namespace, owners, uid

GROUP = "perennial.dev"
COLLECTION = ""  # in place of a kind: the pass that every object has


class Passes:
    """One Step for one object, from all that the mirror holds of it."""

    def __init__(self, api: Api, mirror: Mirror, backoff: float, tasks: asyncio.TaskGroup) -> None:
        self._api, self._mirror, self._backoff, self._tasks = api, mirror, backoff, tasks
        self._failed_at: dict[str, datetime] = {}
        self._follows: dict[str, asyncio.Task[None]] = {}
        self.of: dict[str, Callable[[Obj], Awaitable[Step]]] = {
            "Job": self._job,
            "ReplicaSet": self._replica_set,
            "Deployment": self._deployment,
            "PersistentVolumeClaim": self._claim,
            "Pod": self._pod,
            "CustomResourceDefinition": self._definition,
            COLLECTION: self._collection,
        }

    def forget(self, obj: Obj) -> None:
        """The object is gone."""
        self._failed_at.pop(uid(obj), None)

    def _controlled(self, owner: Obj, kind: str) -> list[Obj]:
        result = self._mirror.all(kind, namespace(owner))
        return [obj for obj in result if (controller(obj) or {}).get("uid") == uid(owner)]

    async def _job(self, job: Obj) -> Step:
        now = datetime.now(UTC)
        step = jobs.step(job, self._controlled(job, "Pod"), now, self._failed_at.get(uid(job)), self._backoff)
        if step.status and total(step.status, "failed") > total(job.get("status") or {}, "failed"):
            self._failed_at[uid(job)] = now
        return step

    async def _replica_set(self, replica_set: Obj) -> Step:
        return replicasets.step(replica_set, self._controlled(replica_set, "Pod"))

    async def _deployment(self, deployment: Obj) -> Step:
        return deployments.step(deployment, self._controlled(deployment, "ReplicaSet"), datetime.now(UTC))

    async def _claim(self, claim: Obj) -> Step:
        """A claim is bound at once, for it is a directory here."""
        spec = claim["spec"]
        requests = spec.get("resources", {}).get("requests", {})
        bound = {"phase": "Bound", "accessModes": spec.get("accessModes", []), "capacity": requests}
        return Step() if deleting(claim) else Step({**(claim.get("status") or {}), **bound})

    async def _pod(self, pod: Obj) -> Step:
        """A pod whose Job is gone is counted by nobody, and must not wait for it."""
        owner = controller(pod)
        if TRACKING in finalizers(pod) and owner and await self._absent(namespace(pod), owner):
            return Step(patches=released([pod]))
        return Step()

    async def _definition(self, definition: Obj) -> Step:
        """The custom resources of the product are followed as soon as they are defined."""
        spec = definition["spec"]
        names, stored = spec["names"], next(version["name"] for version in spec["versions"] if version["storage"])
        if spec["group"] == GROUP and names["kind"] not in self._follows:
            resource = Resource(f"{GROUP}/{stored}", names["kind"], names["plural"], spec["scope"] == "Namespaced")
            self._follows[names["kind"]] = self._tasks.create_task(self._mirror.follow(resource))
        return Step()

    async def _collection(self, obj: Obj) -> Step:
        """What has lost its last owner goes: every deletion cascades in the background."""
        kept = [owner for owner in owners(obj) if not await self._absent(namespace(obj), owner)]
        if deleting(obj) or kept == owners(obj):
            return Step()
        return Step(patches=((obj, {"metadata": {"ownerReferences": kept}}),)) if kept else Step(deletes=(obj,))

    async def _absent(self, space: str, owner: Obj) -> bool:
        """The owner is known to be gone; one of a kind that nobody follows is taken to be there."""
        if owner["uid"] in self._mirror.gone:
            return True
        resource = self._mirror.resources.get(owner["kind"])
        if resource is None:
            return False
        known = self._mirror.get(owner["kind"], space if resource.namespaced else "", owner["name"])
        if known and uid(known) == owner["uid"]:
            return False
        try:
            result = await self._api.call("GET", resource.path(space, owner["name"]))
        except Refused as refusal:
            if refusal.code == 404:
                return True
            raise
        return uid(result) != str(owner["uid"])
