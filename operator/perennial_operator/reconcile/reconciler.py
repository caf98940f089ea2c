"""One ModelDeployment, one pass: observe → decide → act → describe.

    world    = observer.world(key)    all input is read once, from the cache (and from pods if an analysis is due)
    decision = decide_step(world)          pure
    act(decision)                     each action is idempotent; the first failure ends the pass
    …                                 repeated at once, a few times, while there is another step
    status   = describe(world, …)     pure; written only if it changed

A pass may be lost, repeated or cut short at any line: the next one decides from the current state alone.
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
from perennial_operator.cluster.installed_crds import InstalledCrds
from perennial_operator.cluster.workloads import POD_CREATION_TIMEOUT
from perennial_operator.core.actions import Apply, Create, SetStatus
from perennial_operator.core.api.parsing import BadObjectError
from perennial_operator.core.decide import Decision, decide_step
from perennial_operator.core.stages.drift_assessment import assess_reports
from perennial_operator.core.status.deployment_status import Trouble
from perennial_operator.core.world import Policy, World
from perennial_operator.reconcile.executor import Executor
from perennial_operator.reconcile.observer import Observer
from perennial_operator.reconcile.status_writer import StatusWriter
from perennial_operator.reconcile.workqueue import LATER, SOON, Pause, WorkQueue
from perennial_operator.reconcile.world_builder import has_job_without_pod
from perennial_operator.sampling.sampler import Sampler
from perennial_operator.telemetry.logs import about
from perennial_operator.telemetry.metrics import Metrics

STEPS = 4
"""Most steps of one pass: a report, its version and its Job, and then none; the status is written once."""


def utc_now() -> datetime:
    return datetime.now(UTC)


class Reconciler:
    """Runs passes: one at a time for each key, several keys concurrently."""

    def __init__(
        self,
        kube: Kube,
        cache: Cache,
        queue: WorkQueue,
        policy: Policy,
        metrics: Metrics,
        sampler: Sampler | None = None,
        clock: Callable[[], datetime] = utc_now,
        crds: InstalledCrds | None = None,
    ) -> None:
        self._cache, self._queue, self._policy, self._clock = cache, queue, policy, clock
        self._executor, self._metrics = Executor(kube, cache, crds), metrics
        self._status_writer = StatusWriter(self._executor, cache, metrics)
        self._starting: set[Key] = set()
        self._running: dict[Key, float] = {}
        self._observer = Observer(kube, cache, policy, sampler or Sampler(), clock, self._starting)

    async def work(self) -> None:
        """Processes keys of the queue forever. A failed pass does not stop those of other keys."""
        while True:
            key = await self._queue.take()
            self._running[key] = time.monotonic()
            retry: Pause | None = None
            try:
                retry = await self.try_reconcile(key)
            finally:
                del self._running[key]
                self._queue.done(key, retry)

    def longest_pass(self) -> float:
        """Seconds since the oldest running pass began."""
        return time.monotonic() - min(self._running.values(), default=time.monotonic())

    def wake_queued(self) -> None:
        """As many keys as there are free training slots are queued, the longest wait first."""
        free = self._policy.max_trainings - self._cache.count_trainings(self._starting)
        if free > 0:
            for key in self._cache.trainings.queue(self._starting, self._policy.max_trainings)[:free]:
                self._queue.wake(key)

    async def try_reconcile(self, key: Key) -> Pause | None:
        """One pass that raises nothing; the pause before it must be repeated, if it must."""
        try:
            with self._metrics.passes.time():
                refusal = await self.reconcile(key)
            reason, retry = (refusal.reason, LATER) if refusal else ("", None)
        except ConflictError as error:
            reason, retry = error.reason, SOON
            about(key).debug("%s", error.message)
        except KubeError as error:
            reason, retry = error.reason, LATER
            about(key).warning("%s: %s; retrying", error.reason, error.message)
        except Exception:
            reason, retry = "Bug", LATER
            about(key).exception("the pass failed; retrying")
        if retry:
            self._metrics.errors.labels(reason).inc()
        return retry

    async def reconcile(self, key: Key) -> RefusedError | None:
        """One pass; the refusal that ended it, which the status reports. Any other KubeError is raised."""
        await self._observer.resolve_reports(key)
        await self._status_writer.reject_invalid_reports(key)
        try:
            world, decision, refusal = await self._steps(key)
        except BadObjectError as error:
            await self._status_writer.write_invalid(key, Trouble(error.reason, str(error)), self._clock())
            return None
        if world is None:
            self._metrics.forget(key)
            self._observer.forget(key)
            await self._status_writer.write_orphaned_reports(key)
            return None
        trouble = Trouble(refusal.reason, refusal.message) if refusal else None
        # After a step the assessment is of an earlier world.
        assessment = assess_reports(world) if decision.again else decision.assessment
        await self._status_writer.write(key, world, assessment, trouble)
        if refusal is None:
            self._schedule(key, decision)
        return refusal

    async def _steps(self, key: Key) -> tuple[World | None, Decision, RefusedError | None]:
        """The world after the last step, the last decision, and the refusal that ended the steps, or None."""
        world, decision, refusal = await self._observer.world(key), Decision(), None
        for _ in range(STEPS):
            if world is None:
                break
            decision = decide_step(world)
            refusal, world = await self._step(key, world, decision)
            if refusal or not decision.again:
                break
        return world, decision, refusal

    async def _step(self, key: Key, before: World, decision: Decision) -> tuple[RefusedError | None, World | None]:
        """The refusal that ended the step, or None; and the world after it."""
        after = None if decision.actions else before
        try:
            refusal = await self._act(key, decision)
            if decision.actions:
                again = decision.again and not refusal
                after = await self._observer.world(key) if again else self._observer.cached_world(key, before)
        finally:
            self._metrics.record_pass(key, before, after or self._observer.cached_world(key, before) or before)
        return refusal, after

    async def _act(self, key: Key, decision: Decision) -> RefusedError | None:
        """The actions are done; or the refusal that ended them, which the status must report.

        Outcomes of reports are written even after a refusal. If a record could not be stored, only what serves is kept
        up: half a decision would be repeated.
        """
        refusal, unstorable = None, self._executor.refusal(decision.actions)
        with self._reserved(key, decision):
            for action in decision.actions:
                if unstorable and not isinstance(action, Apply):
                    continue
                if refusal is None or (isinstance(action, SetStatus) and action.kind == "DriftReport"):
                    try:
                        await self._executor.act(key, action)
                    except RefusedError as error:
                        refusal = refusal or error
        return unstorable or refusal

    @contextmanager
    def _reserved(self, key: Key, decision: Decision) -> Iterator[None]:
        """A training slot is reserved while a version is being created, so that two passes do not take the same one."""
        starts = any(isinstance(a, Create) and a.manifest["kind"] == "ModelVersion" for a in decision.actions)
        if starts:
            self._starting.add(key)
        try:
            yield
        finally:
            self._starting.discard(key)
            if starts:
                self.wake_queued()

    def _schedule(self, key: Key, decision: Decision) -> None:
        """The next pass begins at once if this one has another step, else when time alone may change the decision."""
        if decision.again:
            self._queue.wake_in(key, 0)
        elif decision.wake_at:
            self._queue.wake_in(key, (decision.wake_at - self._clock()).total_seconds())
        if has_job_without_pod(self._cache, key):
            self._queue.wake_in(key, POD_CREATION_TIMEOUT.total_seconds())
