"""The life of one pod: its volumes, its containers side by side, and its end."""

from __future__ import annotations

import asyncio
import logging
import shutil
from collections.abc import Coroutine
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.cluster.client import Refused
from tests.cluster.kubelet.containers import LOOK_AGAIN, Run
from tests.cluster.kubelet.pod_context import Host, PodContext
from tests.cluster.kubelet.sources import Unavailable
from tests.cluster.kubelet.status import Container, pod_status
from tests.cluster.kubelet.volumes import mount
from tests.cluster.mirror import RETRY, Mirror
from tests.cluster.objects import Obj, deleting, name, namespace, uid

LOG_FILE = "cluster.local/log-file"
log = logging.getLogger(__name__)


def watched(work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
    """A task of its own, whose failure is at least told."""

    def tell(task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()):
            log.error("a task of the node failed: %r", error, exc_info=error)

    task = asyncio.create_task(work)
    task.add_done_callback(tell)
    return task


class PodRun:
    """One pod on this node, from its binding until its object is gone."""

    def __init__(self, host: Host, mirror: Mirror, pod: Obj, address: str) -> None:
        self._host, self._mirror = host, mirror
        self.address = address
        self.pod = self._addressed(pod)
        self.directory = host.directory / "pods" / uid(pod)
        self._path = f"/api/v1/namespaces/{namespace(pod)}/pods/{name(pod)}"
        self._volumes: dict[str, Path] = {}
        self._stopping = asyncio.Event()
        self._gone = False
        self._writing = asyncio.Lock()
        self._written: Obj = {}
        self._around = PodContext(host, lambda: self.pod, self.directory, self._volumes, self._stopping, self.report)
        self._runs = [Run(self._around, spec, Container(spec)) for spec in pod["spec"]["containers"]]
        self._life = watched(self._live())
        self._end: asyncio.Task[None] | None = None
        self.update(pod)

    def _addressed(self, pod: Obj) -> Obj:
        return {**pod, "status": {**pod.get("status", {}), "podIP": self.address}}

    @property
    def running(self) -> list[Run]:
        return [run for run in self._runs if run.process]

    def update(self, pod: Obj) -> None:
        """The pod's object is this now; one marked for deletion is brought to its end."""
        self.pod = self._addressed(pod)
        if deleting(pod) and self._end is None:
            self._end = watched(self._terminate())

    def kill(self) -> None:
        for run in self.running:
            run.kill()

    async def report(self) -> None:
        """The API server knows the status, unless it knows no such pod."""
        async with self._writing:
            while not self._gone:
                containers = [run.seen for run in self._runs]
                status = pod_status(self.pod, containers, datetime.now(UTC), self._stopping.is_set())
                if status == self._written:
                    return
                try:
                    patch = {"metadata": {"uid": uid(self.pod)}, "status": status}
                    answer = await self._host.api.patch(f"{self._path}/status", patch)
                except Refused as refusal:
                    if refusal.code < 500:
                        log.log(logging.DEBUG if refusal.code in (404, 409) else logging.ERROR, "%s", refusal)
                        return
                    await asyncio.sleep(RETRY)
                else:
                    self._written = status
                    self._mirror.note(answer)

    async def abandon(self, grace: float) -> None:
        """No process is left, and nothing more is written about the pod."""
        self._gone = True
        self._stopping.set()
        await self._halt(grace)

    async def remove(self) -> None:
        """The pod's object is gone, and so are its processes and its directory."""
        self._gone = True
        self._stopping.set()
        await (self._end or self._halt(self.pod["spec"].get("terminationGracePeriodSeconds", 30)))
        await asyncio.to_thread(shutil.rmtree, self.directory, ignore_errors=True)

    async def _live(self) -> None:
        self.directory.mkdir(parents=True, exist_ok=True)
        await self.report()
        await self._mount()
        policy = self.pod["spec"].get("restartPolicy", "Always")
        async with asyncio.TaskGroup() as tasks:
            for run in self._runs:
                tasks.create_task(run.run(policy))
        if self._stopping.is_set():
            for run in self._runs:
                run.seen.lose(datetime.now(UTC))
        await self.report()

    async def _mount(self) -> None:
        """Every volume is there, or the pod is stopping."""
        for volume in self.pod["spec"].get("volumes") or []:
            complaint = ""
            while not self._stopping.is_set():
                try:
                    place = await mount(self._host.api, self.pod, volume, self.directory, self._host.directory)
                except (Unavailable, Refused) as why:
                    if str(why) != complaint:
                        complaint = str(why)
                        log.warning("pod %s waits for its volume %s: %s", name(self.pod), volume["name"], complaint)
                    await self._around.pause(LOOK_AGAIN / self._host.hurry)
                else:
                    self._volumes[volume["name"]] = place
                    break

    async def _terminate(self) -> None:
        """As the kubelet does it: not ready any more, stopped in its grace period, then removed."""
        spec_grace = self.pod["spec"].get("terminationGracePeriodSeconds", 30)
        self._stopping.set()
        await self.report()
        await self._halt(self.pod["metadata"].get("deletionGracePeriodSeconds", spec_grace))
        await remove(self._host, self.pod)

    async def _halt(self, grace: float) -> None:
        await asyncio.gather(*(run.stop(grace) for run in self.running))
        await asyncio.wait([self._life])


async def remove(host: Host, pod: Obj) -> None:
    """A stopped pod's object is gone, or waits only for its finalizers."""
    options = {"gracePeriodSeconds": 0, "preconditions": {"uid": uid(pod)}}
    while True:
        try:
            await host.api.call("DELETE", f"/api/v1/namespaces/{namespace(pod)}/pods/{name(pod)}", options)
        except Refused as refusal:
            if refusal.code >= 500:
                await asyncio.sleep(RETRY)
                continue
        return
