"""Which pods this node has: it takes every one that no node has, runs it, and lets go of it when its object is gone."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Coroutine
from hashlib import sha256
from ipaddress import IPv4Address, IPv4Network
from typing import Any

from tests.cluster.client import Refused
from tests.cluster.kubelet.files import Files
from tests.cluster.kubelet.pod_context import Host
from tests.cluster.kubelet.pods import LOG_FILE, PodRun, watched
from tests.cluster.kubelet.status import ENDED
from tests.cluster.kubelet.volumes import claim_directory
from tests.cluster.mirror import RETRY, Mirror
from tests.cluster.objects import Obj, deleting, name, namespace, uid

THIS_MACHINE = IPv4Network("127.0.0.0/24")


class Kubelet:
    def __init__(self, host: Host, mirror: Mirror, node: str, network: IPv4Network) -> None:
        self._host, self._mirror, self._node, self._network = host, mirror, node, network
        self.runs: dict[str, PodRun] = {}
        self._background_tasks: set[asyncio.Task[None]] = set()
        self._binding: set[str] = set()
        mirror.listeners.append(self._changed)

    async def close(self, grace: float) -> None:
        """No process of any pod is left."""
        await asyncio.gather(*(run.abandon(grace) for run in self.runs.values()))

    def named(self, title: str) -> PodRun:
        """The one running pod of this name; LookupError without it."""
        result = [run for run in self.runs.values() if name(run.pod) == title and run.running]
        if len(result) != 1:
            raise LookupError(f"{len(result)} running pods are named {title}, not 1; running are {self.processes()}")
        return result[0]

    def processes(self) -> dict[str, int]:
        """Pod name → process id of its first running container."""
        started = {name(run.pod): [each.process for each in run.running] for run in self.runs.values()}
        return {title: processes[0].pid for title, processes in started.items() if processes and processes[0]}

    def _changed(self, kind: str, old: Obj | None, new: Obj | None) -> None:
        if kind == "Pod":
            self._pod_changed(old, new)
        elif kind == "PersistentVolumeClaim" and new is None and old is not None:
            directory = claim_directory(self._host.directory, namespace(old), name(old))
            self._in_background(asyncio.to_thread(shutil.rmtree, directory, ignore_errors=True))

    def _pod_changed(self, old: Obj | None, new: Obj | None) -> None:
        run = self.runs.get(uid(new or old or {}))
        if new is None:
            if run:
                self._in_background(self._remove_run(run))
        elif run:
            run.update(new)
        elif not new["spec"].get("nodeName"):
            if uid(new) not in self._binding and not deleting(new):
                self._in_background(self._bind(new))
        elif new["spec"]["nodeName"] == self._node and new.get("status", {}).get("phase") not in ENDED:
            self.runs[uid(new)] = PodRun(self._host, self._mirror, new, self._free_address(uid(new)))

    async def _remove_run(self, run: PodRun) -> None:
        await run.remove()
        del self.runs[uid(run.pod)]

    async def _bind(self, pod: Obj) -> None:
        """The pod is this node's, or was gone or taken before."""
        self._binding.add(uid(pod))
        path = f"/api/v1/namespaces/{namespace(pod)}/pods/{name(pod)}"
        first = pod["spec"]["containers"][0]["name"]
        log = Files.of(self._host.directory / "pods" / uid(pod), first).log
        meta = {"name": name(pod), "uid": uid(pod), "annotations": {LOG_FILE: str(log)}}
        target = {"apiVersion": "v1", "kind": "Node", "name": self._node}
        binding = {"apiVersion": "v1", "kind": "Binding", "metadata": meta, "target": target}
        while True:
            try:
                await self._host.api.call("POST", f"{path}/binding", binding)
            except Refused as refusal:
                if refusal.code >= 500:
                    await asyncio.sleep(RETRY)
                    continue
            break
        self._binding.discard(uid(pod))

    def _free_address(self, pod_uid: str) -> str:
        """An address that no other pod here has; another node of this machine hardly ever chooses the same."""
        taken = {run.address for run in self.runs.values()}
        number = int(sha256(pod_uid.encode()).hexdigest(), 16)
        while True:
            address = self._network[number % self._network.num_addresses]
            if str(address) not in taken and _usable(address):
                return str(address)
            number += 1

    def _in_background(self, work: Coroutine[Any, Any, None]) -> None:
        task = watched(work)
        self._background_tasks.add(task)
        task.add_done_callback(self._background_tasks.discard)


def _usable(address: IPv4Address) -> bool:
    return address not in THIS_MACHINE and 0 < int(address) % 256 < 255
