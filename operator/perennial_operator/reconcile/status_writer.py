"""Writes the ModelDeployment's status, and the outcome of reports that no decision considers."""

from __future__ import annotations

from datetime import datetime

from perennial_operator.cluster.cache import Cache
from perennial_operator.cluster.cache_entry import Key, part
from perennial_operator.cluster.errors import RefusedError
from perennial_operator.cluster.installed_crds import OUTDATED
from perennial_operator.core.actions import SetStatus
from perennial_operator.core.api.drift_report import DriftReportStatus, Outcome
from perennial_operator.core.api.model_deployment import ModelDeploymentStatus
from perennial_operator.core.rules.job_starts import report_missing_job
from perennial_operator.core.stages.drift_assessment import Assessment
from perennial_operator.core.status.deployment_status import Trouble, describe
from perennial_operator.core.status.events import news
from perennial_operator.core.status.invalid_object import known_status, stalled
from perennial_operator.core.world import World
from perennial_operator.reconcile.executor import Executor
from perennial_operator.reconcile.world_builder import invalid_reports
from perennial_operator.telemetry.logs import about
from perennial_operator.telemetry.metrics import Metrics


class StatusWriter:
    """Writes a status only if it changed, and only if the object has not changed since it was read."""

    def __init__(self, executor: Executor, cache: Cache, metrics: Metrics) -> None:
        self._executor, self._cache, self._metrics = executor, cache, metrics

    async def write(self, key: Key, world: World, assessment: Assessment, trouble: Trouble | None) -> None:
        """The ModelDeployment's status describes the world, and a candidate's that its Job could not be created."""
        if trouble and (unstarted := report_missing_job(world, trouble.message)):
            await self._executor.act(key, unstarted)
        trouble, version = trouble or self._incomplete(), world.deployment.metadata.resource_version
        status = describe(world, assessment, trouble)
        await self._set_status(key, world.deployment.status, status, trouble, version)

    async def write_invalid(self, key: Key, trouble: Trouble, now: datetime) -> None:
        """The status reports that the ModelDeployment or one of its versions is invalid."""
        body = self._cache.get(key, "ModelDeployment", key.name)
        if body:
            status, version = stalled(body, trouble, now), body["metadata"]["resourceVersion"]
            await self._set_status(key, known_status(body), status, trouble, version)

    async def reject_invalid_reports(self, key: Key) -> None:
        """Invalid reports have the outcome Invalid, with the reason."""
        for name, error in invalid_reports(self._cache, key).items():
            try:
                await self._set_outcome(key, name, Outcome.INVALID, error)
                self._metrics.count_outcome(Outcome.INVALID)
            except RefusedError as refusal:
                # The rest of the pass continues.
                about(key).warning(
                    "DriftReport %s is invalid (%s), which was not written: %s", name, error, refusal.message
                )

    async def write_orphaned_reports(self, key: Key) -> None:
        """Reports about a missing ModelDeployment have that outcome; they are assessed once it is created."""
        message = (
            f"there is no ModelDeployment {key.name} in namespace {key.namespace}; "
            "apply it, or fix spec.modelDeployment"
        )
        for body in self._cache.objects(key, "DriftReport"):
            owned = bool(body["metadata"].get("ownerReferences"))  # Kubernetes is about to delete it with its owner
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
        kind, crds = "ModelDeployment", self._executor.crds
        stored, known = (crds.storable(kind, {"status": each.to_api()})["status"] for each in (status, before))
        if stored != known:
            logged = trouble is not None and trouble.reason == OUTDATED  # once for all ModelDeployments, by the app
            announcement = None if logged else news(before, status, trouble)
            await self._executor.act(key, SetStatus(kind, key.name, stored, version, announcement))

    def _incomplete(self) -> Trouble | None:
        """The trouble that the API server drops fields of the status itself."""
        refusal = self._executor.crds.refusal("ModelDeployment")
        return Trouble(refusal.reason, refusal.message) if refusal else None

    async def _set_outcome(self, key: Key, name: str, outcome: Outcome, message: str) -> None:
        if body := self._cache.get(key, "DriftReport", name):
            status = DriftReportStatus(outcome=outcome, message=message).to_api()
            await self._executor.act(key, SetStatus("DriftReport", name, status, body["metadata"]["resourceVersion"]))
