"""The life of one container: made, started, probed, ended, and started again as the restart policy says."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from tests.cluster.kubelet import environment, probes
from tests.cluster.kubelet.files import Files
from tests.cluster.kubelet.pod_context import PodContext
from tests.cluster.kubelet.processes import Process
from tests.cluster.kubelet.sources import Unavailable
from tests.cluster.kubelet.status import Container, restarts
from tests.cluster.kubelet.volumes import as_mounted, rewritten
from tests.cluster.objects import Obj, stamp

FIRST_BACKOFF, LONGEST_BACKOFF, RECOVERED = 10.0, 300.0, 600.0
LOOK_AGAIN = 1.0


class Run:
    """One container from its first start to its last end; `.seen` is what the pod's status says of it."""

    def __init__(self, around: PodContext, spec: Obj, seen: Container) -> None:
        self._around, self._spec, self.seen = around, spec, seen
        self.process: Process | None = None
        self._killed = False
        self._env: dict[str, str] = {}
        self._files = Files.of(around.directory, spec["name"])

    async def run(self, policy: str) -> None:
        """The container has ended for good: its policy asks for no restart, or the pod is stopping."""
        clock, crashes = asyncio.get_running_loop().time, 0
        while not self._around.stopping.is_set():
            begun = clock()
            await self._once()
            if self._around.stopping.is_set() or not restarts(policy, self.seen.exit_code):
                return
            hurry = self._around.host.hurry
            crashes = 0 if clock() - begun > RECOVERED / hurry else crashes
            await self._back_off(min(FIRST_BACKOFF * 2.0 ** (crashes - 1), LONGEST_BACKOFF) if crashes else 0.0)
            crashes = min(crashes + 1, 100)
            self.seen.restarts += 1

    async def stop(self, grace: float) -> None:
        """No process is left: SIGTERM, and SIGKILL once `grace` seconds have passed."""
        self._killed = True
        if self.process is not None:
            await self.process.stop(grace)

    def kill(self) -> None:
        self._killed = True
        if self.process:
            self.process.kill()

    async def execute(self, command: Sequence[str]) -> int:
        """The exit code of a command in the container's environment; a cancelled one is killed."""
        argv = environment.command_line({**self._spec, "command": command, "args": ()}, {}, self._places(), {})
        starter, directory = self._around.host.starter, self._around.directory
        process = await starter.start(argv, self._env, directory, Path(os.devnull))
        try:
            return await process.wait()
        finally:
            process.kill()

    def _places(self) -> dict[str, Path]:
        mounts = self._spec.get("volumeMounts") or []
        places = {m["mountPath"]: self._around.volumes[m["name"]] for m in mounts}
        return places | {self._spec.get("terminationMessagePath") or "/dev/termination-log": self._files.message}

    async def _once(self) -> None:
        """One process has run to its end, which the status tells."""
        argv = await self._made()
        if argv is None:
            return
        self._files.renew()
        began, self._killed = datetime.now(UTC), False
        try:
            self.process = await self._around.host.starter.start(
                argv, self._env, self._around.directory, self._files.log
            )
        except OSError as error:
            await self._ended(128, "StartError", f"failed to start {argv[0]}: {error.strerror}", began)
            return
        if self._around.stopping.is_set():
            await self.process.stop(0)
        await self._say({"running": {"startedAt": stamp(began)}})
        watch = asyncio.create_task(self._probe())
        code = await self.process.wait()
        self.process = None
        watch.cancel()
        ours = self._killed or self._around.stopping.is_set()
        reason = "OOMKilled" if code == 137 and not ours else "Error" if code else "Completed"
        fall_back = code != 0 and self._spec.get("terminationMessagePolicy") == "FallbackToLogsOnError"
        message = as_mounted(self._files.last_words(fall_back), self._places())
        await self._ended(code, reason, message, began)

    async def _made(self) -> list[str] | None:
        """The command line, with the environment set; None if the pod stops before all that it refers to is there."""
        host = self._around.host
        while not self._around.stopping.is_set():
            pod = self._around.pod()
            try:
                declared = await environment.declared(host.api, pod, self._spec)
                argv = environment.command_line(self._spec, declared, self._places(), host.entrypoints)
            except Unavailable as why:
                await self._say({"waiting": {"reason": why.reason, "message": str(why)}})
                await self._around.pause(LOOK_AGAIN / host.hurry)
                continue
            base = environment.base(pod, self._around.directory, host.environment)
            self._env = base | {key: rewritten(value, self._places()) for key, value in declared.items()}
            return argv
        return None

    async def _say(self, state: Obj) -> None:
        if "terminated" in self.seen.state:
            self.seen.last = self.seen.state
        running = "running" in state
        self.seen.state = state
        self.seen.started = running and not self._spec.get("startupProbe")
        self.seen.ready = self.seen.started and not self._spec.get("readinessProbe")
        await self._around.report()

    async def _ended(self, code: int, reason: str, message: str, began: datetime) -> None:
        end = {"exitCode": code, "reason": reason, "startedAt": stamp(began), "finishedAt": stamp(datetime.now(UTC))}
        await self._say({"terminated": end | ({"message": message} if message else {})})

    async def _back_off(self, seconds: float) -> None:
        if seconds:
            message = f"back-off {seconds:g}s restarting failed container={self._spec['name']}"
            await self._say({"waiting": {"reason": "CrashLoopBackOff", "message": message}})
            await self._around.pause(seconds / self._around.host.hurry)

    async def _probe(self) -> None:
        """Readiness is kept up to date, and a container that does not start or live is stopped.

        Cancelled when the container ends; a report under way is then finished first, lest it overtake the next one.
        """
        if startup := self._spec.get("startupProbe"):
            async for good in self._verdicts(startup):
                if good:
                    break
                await self._stop_for(startup)
                return
            self.seen.started = True
            self.seen.ready = not self._spec.get("readinessProbe")
            await asyncio.shield(self._around.report())
        async with asyncio.TaskGroup() as tasks:
            for kind, follow in (("readinessProbe", self._readiness), ("livenessProbe", self._liveness)):
                if probe := self._spec.get(kind):
                    tasks.create_task(follow(probe))

    async def _readiness(self, probe: Obj) -> None:
        async for good in self._verdicts(probe):
            if good != self.seen.ready:
                self.seen.ready = good
                await asyncio.shield(self._around.report())

    async def _liveness(self, probe: Obj) -> None:
        async for good in self._verdicts(probe):
            if not good:
                await self._stop_for(probe)
                return

    def _verdicts(self, probe: Obj) -> AsyncIterator[bool]:
        around = self._around
        address = around.pod()["status"]["podIP"]
        return probes.verdicts(
            probe, lambda: probes.attempt(probe, self._spec, address, around.host.http, self.execute), around.host.hurry
        )

    async def _stop_for(self, probe: Obj) -> None:
        pod_wide = self._around.pod()["spec"].get("terminationGracePeriodSeconds", 30)
        await self.stop(probe.get("terminationGracePeriodSeconds", pod_wide))
