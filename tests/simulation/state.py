"""The state of the ModelDeployment `bike` and of its objects in a cluster in memory."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from perennial_operator.cluster.workloads import job_of, serving_of
from perennial_operator.core import names
from perennial_operator.core.world import Job, Serving
from tests.simulation.cluster import Cluster
from tests.simulation.objects import Body


class State:
    """What a person sees of a cluster."""

    cluster: Cluster

    @property
    def now(self) -> datetime:
        return self.cluster.now

    @now.setter
    def now(self, now: datetime) -> None:
        self.cluster.now = now

    @property
    def bodies(self) -> dict[tuple[str, str], Body]:
        return self.cluster.bodies

    @property
    def jobs(self) -> dict[str, Job]:
        pods = list(self.cluster.all("Pod"))
        return {job["metadata"]["name"]: job_of(job, pods, self.now) for job in self.cluster.all("Job")}

    @property
    def serving(self) -> dict[str, Serving]:
        pods = list(self.cluster.all("Pod"))
        return {each["metadata"]["name"]: serving_of(each, pods) for each in self.cluster.all("Deployment")}

    @property
    def services(self) -> dict[str, Body]:
        return {service["metadata"]["name"]: service for service in self.cluster.all("Service")}

    @property
    def route(self) -> Body | None:
        return self.bodies.get(("HTTPRoute", "bike"))

    def all(self, kind: str) -> list[Body]:
        return list(self.cluster.all(kind))

    def outcome(self, report: str) -> tuple[str | None, str]:
        status = self.bodies["DriftReport", report].get("status", {})
        return status.get("outcome"), status.get("message", "")

    def version(self, number: int) -> dict[str, Any]:
        status: dict[str, Any] = self.bodies["ModelVersion", f"bike-v{number}"]["status"]
        return status

    def phases(self) -> dict[str, str | None]:
        return {body["metadata"]["name"]: body["status"].get("phase") for body in self.all("ModelVersion")}

    @property
    def status(self) -> dict[str, Any]:
        status: dict[str, Any] = self.bodies["ModelDeployment", "bike"]["status"]
        return status

    def condition(self, kind: str) -> dict[str, Any]:
        return next(c for c in self.status["conditions"] if c["type"] == kind)

    def holding(self) -> dict[str, str]:
        return {c["type"]: c["status"] for c in self.status["conditions"]}

    def desired(self) -> dict[str, int]:
        """Version → desired replicas."""
        return {name: serving.desired for name, serving in self.serving.items()}

    def weights(self) -> tuple[int, int]:
        """Per cent of the requests that the route gives the live version, and the candidate."""
        assert self.route
        live, candidate = self.route["spec"]["rules"][0]["backendRefs"]
        return live["weight"], candidate["weight"]

    def service_versions(self) -> dict[str, str | None]:
        """Service → the version of its pods; None if it selects those of any version."""
        return {name: s["spec"]["selector"].get(names.MODEL_VERSION) for name, s in self.services.items()}
