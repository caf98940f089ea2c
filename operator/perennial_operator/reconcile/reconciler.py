"""One ModelDeployment, one pass: observe → decide → act → describe.

    world    = observe(key)           everything is read once, from what the watches have shown (and analysed pods say)
    decision = decide(world)          pure
    act(decision)                     each action may be repeated; the first that fails ends the pass
    …                                 again at once, a few times, while there is a step to be done
    status   = describe(world, …)      pure; written only if it changed

A pass may be lost, repeated or cut short at any line: the next one looks at what is there and decides from that alone.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from perennial_operator.cluster.cache import Cache
from perennial_operator.cluster.cache_entry import Key
from perennial_operator.cluster.client import Kube
from perennial_operator.cluster.errors import ConflictError, KubeError, RefusedError
from perennial_operator.cluster.workloads import POD_CREATION_TIMEOUT
from perennial_operator.core.actions import Create, SetStatus
from perennial_operator.core.api.parsing import BadObjectError
from perennial_operator.core.decide import Decision, decide
from perennial_operator.core.stages.drift_assessment import assess_reports
from perennial_operator.core.status.deployment_status import Trouble
from perennial_operator.core.world import Policy, World
from perennial_operator.reconcile.executor import Executor
from perennial_operator.reconcile.observer import Observer
from perennial_operator.reconcile.status_writer import StatusWriter
from perennial_operator.reconcile.workqueue import LATER, SOON, Pause, WorkQueue
from perennial_operator.reconcile.world_builder import jobs_without_pod
from perennial_operator.sampling.sampler import Sampler
from perennial_operator.telemetry.logs import about
from perennial_operator.telemetry.metrics import Metrics

STEPS = 4
"""How many steps a pass goes at once: a report, its version and its Job, and then nothing; the status is told once."""


def utc_now() -> datetime:
    return datetime.now(UTC)


class Reconciler:
    """Passes, one after another for each key and several keys at a time."""

    def __init__(
        self,
        kube: Kube,
        cache: Cache,
        queue: WorkQueue,
        policy: Policy,
        metrics: Metrics,
        sampler: Sampler | None = None,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        self._cache, self._queue, self._policy, self._clock = cache, queue, policy, clock
        self._executor, self._metrics = Executor(kube, cache), metrics
        self._status_writer = StatusWriter(self._executor, cache, metrics)
        self._starting: set[Key] = set()
        self._running: dict[Key, float] = {}
        self._observer = Observer(kube, cache, policy, sampler or Sampler(), clock, self._starting)

    async def work(self) -> None:
        """Takes keys from the queue for ever. Whatever goes wrong with one, the others go on."""
        while True:
            key = await self._queue.take()
            self._running[key] = time.monotonic()
            again: Pause | None = None
            try:
                again = await self._tried(key)
            finally:
                del self._running[key]
                self._queue.done(key, again)

    def longest_pass(self) -> float:
        """For how many seconds the oldest of the passes under way has been going on."""
        return time.monotonic() - min(self._running.values(), default=time.monotonic())

    def wake_queued(self) -> None:
        """Those that have waited longest for a place in the fleet are looked at, as many as there are places."""
        free = self._policy.max_trainings - self._cache.count_trainings(self._starting)
        if free > 0:
            for key in self._cache.queued()[:free]:
                self._queue.wake(key)

    async def _tried(self, key: Key) -> Pause | None:
        """One pass, whatever comes of it; how long to wait until it is repeated, if it has to be."""
        try:
            with self._metrics.passes.time():
                refusal = await self.look_at(key)
            reason, again = (refusal.reason, LATER) if refusal else ("", None)
        except ConflictError as error:
            reason, again = error.reason, SOON
            about(key).debug("%s", error.message)
        except KubeError as error:
            reason, again = error.reason, LATER
            about(key).warning("%s: %s; trying again", error.reason, error.message)
        except Exception:
            reason, again = "Bug", LATER
            about(key).exception("the pass failed; trying again")
        if again:
            self._metrics.errors.labels(reason).inc()
        return again

    async def look_at(self, key: Key) -> RefusedError | None:
        """One pass; the refusal that ended it, which the status tells. Any other KubeError is raised."""
        await self._observer.find_out(key)
        await self._status_writer.reject_unreadable_reports(key)
        try:
            world, decision, refusal = await self._steps(key)
        except BadObjectError as error:
            await self._status_writer.write_unreadable(key, Trouble(error.reason, str(error)), self._clock())
            return None
        if world is None:
            self._metrics.forget(key)
            self._observer.forget(key)
            await self._status_writer.write_orphaned_reports(key)
            return None
        trouble = Trouble(refusal.reason, refusal.message) if refusal else None
        # After a step the world is another one than was assessed.
        assessment = assess_reports(world) if decision.again else decision.assessment
        await self._status_writer.write(key, world, assessment, trouble)
        if refusal is None:
            self._set_alarm(key, decision)
        return refusal

    async def _steps(self, key: Key) -> tuple[World | None, Decision, RefusedError | None]:
        """The world after as many steps as there were, the last decision, and the refusal that ended it, or None."""
        world, decision, refusal = await self._observer.world(key), Decision(), None
        for _ in range(STEPS):
            if world is None:
                break
            decision = decide(world)
            refusal, world = await self._step(key, world, decision)
            if refusal or not decision.again:
                break
        return world, decision, refusal

    async def _step(self, key: Key, before: World, decision: Decision) -> tuple[RefusedError | None, World | None]:
        """The refusal that ended it, or None; and the world after it."""
        after = None if decision.actions else before
        try:
            refusal = await self._act(key, decision)
            if decision.actions:
                again = decision.again and not refusal
                after = await self._observer.world(key) if again else self._observer.after(key, before)
        finally:
            self._metrics.passed(key, before, after or self._observer.after(key, before) or before)
        return refusal, after

    async def _act(self, key: Key, decision: Decision) -> RefusedError | None:
        """The decision is done; or the refusal that ended it, which a person has to hear of.

        What has become of reports is told all the same.
        """
        refusal = None
        with self._reserved(key, decision):
            for action in decision.actions:
                if refusal is None or (isinstance(action, SetStatus) and action.kind == "DriftReport"):
                    try:
                        await self._executor.act(key, action)
                    except RefusedError as error:
                        refusal = refusal or error
        return refusal

    @contextmanager
    def _reserved(self, key: Key, decision: Decision) -> Iterator[None]:
        """A place in the fleet is held while a version is being made, so that two passes do not take the same one."""
        starts = any(isinstance(a, Create) and a.manifest["kind"] == "ModelVersion" for a in decision.actions)
        if starts:
            self._starting.add(key)
        try:
            yield
        finally:
            self._starting.discard(key)
            if starts:
                self.wake_queued()

    def _set_alarm(self, key: Key, decision: Decision) -> None:
        if decision.again:
            self._queue.wake_in(key, 0)
        elif decision.wake_at:
            self._queue.wake_in(key, (decision.wake_at - self._clock()).total_seconds())
        if jobs_without_pod(self._cache, key):
            self._queue.wake_in(key, POD_CREATION_TIMEOUT.total_seconds())
