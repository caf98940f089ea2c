"""What is told on the objects themselves: the ModelDeployment's status, and what became of a report nobody judges."""

from __future__ import annotations

from datetime import datetime

from perennial_operator.cluster.cache import Cache
from perennial_operator.cluster.cache_entry import Key, part
from perennial_operator.cluster.errors import RefusedError
from perennial_operator.core.actions import SetStatus
from perennial_operator.core.api.drift_report import DriftReportStatus, Outcome
from perennial_operator.core.api.model_deployment import ModelDeploymentStatus
from perennial_operator.core.stages.drift_assessment import Assessment
from perennial_operator.core.status.deployment_status import Trouble, describe
from perennial_operator.core.status.events import news
from perennial_operator.core.status.invalid_object import known_status, stalled
from perennial_operator.core.world import World
from perennial_operator.reconcile.executor import Executor
from perennial_operator.reconcile.world_builder import unreadable_reports
from perennial_operator.telemetry.logs import about
from perennial_operator.telemetry.metrics import Metrics


class StatusWriter:
    """Writes only what differs from what is told already, and only on the object as it was read."""

    def __init__(self, executor: Executor, cache: Cache, metrics: Metrics) -> None:
        self._executor, self._cache, self._metrics = executor, cache, metrics

    async def write(self, key: Key, world: World, assessment: Assessment, trouble: Trouble | None) -> None:
        """The ModelDeployment's status says how things stand."""
        status, version = describe(world, assessment, trouble), world.deployment.metadata.resource_version
        await self._set_status(key, world.deployment.status, status, trouble, version)

    async def write_unreadable(self, key: Key, trouble: Trouble, now: datetime) -> None:
        """A ModelDeployment that cannot be read, or a version of which cannot, says so."""
        body = self._cache.get(key, "ModelDeployment", key.name)
        if body:
            status, version = stalled(body, trouble, now), body["metadata"]["resourceVersion"]
            await self._set_status(key, known_status(body), status, trouble, version)

    async def reject_unreadable_reports(self, key: Key) -> None:
        """Reports that cannot be read are Invalid, and say why."""
        for name, error in unreadable_reports(self._cache, key).items():
            try:
                await self._set_outcome(key, name, Outcome.INVALID, error)
                self._metrics.judged(Outcome.INVALID)
            except RefusedError as refusal:
                # The ModelDeployment's other business goes on.
                about(key).warning("DriftReport %s cannot be read (%s) nor told so: %s", name, error, refusal.message)

    async def write_orphaned_reports(self, key: Key) -> None:
        """Reports about a ModelDeployment that is not there say so; they are judged when it comes."""
        message = (
            f"there is no ModelDeployment {key.name} in namespace {key.namespace}; "
            "apply it, or mend spec.modelDeployment"
        )
        for body in self._cache.objects(key, "DriftReport"):
            owned = bool(body["metadata"].get("ownerReferences"))  # and so about to go with its owner
            if not owned and part(body, "status").get("message") != message:
                await self._set_outcome(key, body["metadata"]["name"], Outcome.STALLED, message)

    async def _set_status(
        self,
        key: Key,
        before: ModelDeploymentStatus,
        status: ModelDeploymentStatus,
        trouble: Trouble | None,
        version: str,
    ) -> None:
        if status != before:
            announcement = news(before, status, trouble)
            action = SetStatus("ModelDeployment", key.name, status.to_api(), version, announcement)
            await self._executor.act(key, action)

    async def _set_outcome(self, key: Key, name: str, outcome: Outcome, message: str) -> None:
        if body := self._cache.get(key, "DriftReport", name):
            status = DriftReportStatus(outcome=outcome, message=message).to_api()
            await self._executor.act(key, SetStatus("DriftReport", name, status, body["metadata"]["resourceVersion"]))
