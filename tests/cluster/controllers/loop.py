"""The controllers at work: each change of an object puts the concerned ones in a queue, each pass performs one Step."""

from __future__ import annotations

import asyncio
import logging

from tests.cluster.client import Api, Refused
from tests.cluster.controllers.passes import COLLECTION, Passes
from tests.cluster.controllers.step import Step
from tests.cluster.mirror import RETRY, Mirror
from tests.cluster.objects import Obj, name, namespace, owners, uid

RESYNC = 30.0
log = logging.getLogger(__name__)

Task = tuple[str, str, str, str]  # whose pass (a kind, or COLLECTION), kind, namespace, name


class Loop:
    """Level-triggered: a pass decides from what is there, and may be lost, repeated or cut short at any write."""

    def __init__(self, api: Api, mirror: Mirror, passes: Passes) -> None:
        self._api, self._mirror, self._passes = api, mirror, passes
        self._queue: dict[Task, None] = {}
        self._filled = asyncio.Event()
        mirror.listeners.append(self._changed)

    async def run(self) -> None:
        """Never returns. All objects are looked at first, and again every RESYNC seconds."""
        self._resync()
        while True:
            await self._filled.wait()
            task = next(iter(self._queue))
            del self._queue[task]
            if not self._queue:
                self._filled.clear()
            await self._pass(task)
            await asyncio.sleep(0)  # a long queue must not hold up the node

    async def _pass(self, task: Task) -> None:
        what, *where = task
        obj = self._mirror.get(*where)
        if obj is None:
            return
        try:
            step = await self._passes.of[what](obj)
            await self._perform(obj, step)
        except Refused as refusal:
            if refusal.code not in (404, 409):  # those two only say that the mirror is behind
                log.warning("%s is tried again: %s", "/".join(where), refusal)
            self._later(RETRY, task)
        except Exception:
            log.exception("a pass for %s failed; it is tried again", "/".join(where))
            self._later(RESYNC, task)
        else:
            if step.again is not None:
                self._later(step.again, task)

    async def _perform(self, obj: Obj, step: Step) -> None:
        if step.status is not None and _reported(step.status) != _reported(obj.get("status")):
            self._mirror.note(await self._api.call("PUT", self._path(obj, "status"), {**obj, "status": step.status}))
        for target, patch in step.patches:
            sure = {**patch, "metadata": {**patch.get("metadata", {}), "uid": uid(target)}}  # never a namesake
            self._mirror.note(await self._api.patch(self._path(target), sure))
        for target in step.deletes:
            options = {"propagationPolicy": "Background", "preconditions": {"uid": uid(target)}}
            await self._api.call("DELETE", self._path(target), options)
            self._mirror.note_deletion(target)
        for new in step.creates:
            resource = self._mirror.resources[new["kind"]]
            self._mirror.note(await self._api.call("POST", resource.path(namespace(new)), new))

    def _path(self, obj: Obj, subresource: str = "") -> str:
        return self._mirror.resources[obj["kind"]].path(namespace(obj), name(obj), subresource)

    def _changed(self, kind: str, old: Obj | None, new: Obj | None) -> None:
        for obj in (old, new):
            if obj is not None:
                self._put_concerned(kind, obj)
        if old is not None and new is None:
            self._passes.forget(old)
            for dependent in self._mirror.dependents(old):
                self._put((COLLECTION, dependent["kind"], namespace(dependent), name(dependent)))

    def _put_concerned(self, kind: str, obj: Obj) -> None:
        """The object and its owners are looked at: collected, and by the pass of their kind if it has one."""
        for each, title in ((kind, name(obj)), *((owner["kind"], owner["name"]) for owner in owners(obj))):
            for what in (COLLECTION, each):
                if what in self._passes.of:
                    self._put((what, each, namespace(obj), title))

    def _put(self, task: Task) -> None:
        self._queue[task] = None
        self._filled.set()

    def _later(self, seconds: float, task: Task) -> None:
        asyncio.get_running_loop().call_later(seconds, self._put, task)

    def _resync(self) -> None:
        asyncio.get_running_loop().call_later(RESYNC, self._resync)
        for obj in self._mirror.everything():
            self._put_concerned(obj["kind"], obj)


def _reported(status: Obj | None) -> Obj:
    """A status without what the API server leaves out."""
    return {field: value for field, value in (status or {}).items() if value not in (0, "", None, [], {})}
