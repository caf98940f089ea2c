"""A cluster in memory: the writes that its API server accepts, and what Kubernetes makes of Jobs and Deployments.

It knows nothing of why anything is decided.
"""

from __future__ import annotations

import copy
import json
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from jsonpath import JSONPatch

from perennial_operator.cluster.errors import ConflictError, ExistsError, GoneError
from perennial_operator.cluster.stored_fields import Path, without_field
from perennial_operator.core import names
from perennial_operator.core.api.values import as_text
from tests.builders import task_of
from tests.simulation.objects import Body, Objects
from tests.simulation.storage import Storage

RECORDS = ("ModelVersion", "DriftReport", "ModelDeployment")


@dataclass
class Pods:
    """The actual pods of a Deployment, which its status may not reflect yet."""

    wanted: int = 0
    ready: int = 0
    """Of the current template."""
    old: int = 0
    """Ready, of an earlier template."""
    problem: str = ""
    """Why pods are missing, or an empty text."""

    @property
    def answering(self) -> int:
        return self.ready + self.old


@dataclass
class Cluster(Objects):
    """The objects, the pods of the Deployments and the storage."""

    pods: dict[str, Pods] = field(default_factory=dict)
    """Deployment → its pods."""
    faltered: dict[str, int] = field(default_factory=dict)
    """Deployment → the resourceVersion at which a pod of it stopped being ready."""
    answered: int = 0
    """How many requests each pod has answered."""
    unhealthy: bool = False
    """Whether requests to the candidate's pods fail."""
    storage: Storage = field(default_factory=Storage)
    """The storage that Jobs about the ledger write and read."""
    dropped: dict[str, list[Path]] = field(default_factory=dict)
    """Kind → fields that its installed definition does not declare, so that they are not stored."""
    watcher: Callable[[str, Mapping[str, Any]], None] = lambda verb, body: None
    """Called for each write of the operator, before it takes effect."""

    def copied(self) -> Cluster:
        """A cluster of the same state, without its history."""
        pods = {name: replace(each) for name, each in self.pods.items()}
        twin = replace(self, bodies=dict(self.bodies), past=defaultdict(list), made=[], pods=pods)
        return replace(twin, faltered=dict(self.faltered), storage=copy.deepcopy(self.storage))

    # ---- the writes of the operator

    def create(self, manifest: Mapping[str, Any]) -> Body:
        kind, name = manifest["kind"], manifest["metadata"]["name"]
        assert kind != "ModelDeployment", "the operator creates no ModelDeployment"
        if (kind, name) in self.bodies:
            raise ExistsError("AlreadyExists", f"{kind} {name} exists already")
        self.watcher("create", manifest)
        return self.put(self._pruned(kind, manifest))

    def apply(self, manifest: Mapping[str, Any]) -> Body:
        kind, name = manifest["kind"], manifest["metadata"]["name"]
        assert kind in ("Deployment", "Service"), f"the operator applies no {kind}"
        existing = self.bodies.get((kind, name))
        self.watcher("apply", manifest)
        body = dict(manifest)
        if existing:
            body["metadata"] = existing["metadata"] | body["metadata"]
            body["status"] = existing.get("status") or {}
            body["metadata"]["generation"] += body["spec"] != existing["spec"]
            if body == existing:
                return existing
        before = existing["spec"] if existing else None
        stored = self.put(body)
        if kind == "Deployment":
            self.scale(name, before, body["spec"])
        return stored

    def delete(self, kind: str, name: str, uid: str | None = None) -> None:
        assert kind != "ModelDeployment", "the operator deletes no ModelDeployment"
        existing = self._existing(kind, name)
        if uid and uid != existing["metadata"]["uid"]:
            raise ConflictError("Conflict", f"{kind} {name} is another one")
        self.watcher("delete", existing)
        self.remove(kind, name)

    def set_status(self, kind: str, name: str, status: Mapping[str, Any], version: str | None = None) -> Body:
        assert kind in RECORDS, f"the operator writes no status of a {kind}"
        existing = self._existing(kind, name, version)
        assert status != existing.get("status"), f"the status of {kind} {name} is written though nothing changed"
        self.watcher("status", existing | {"status": status})
        changed = self._pruned(kind, existing | {"status": dict(status)})
        return self.put(changed) if changed != existing else existing

    def _pruned(self, kind: str, body: Mapping[str, Any]) -> Body:
        """The body without the fields that the API server does not store."""
        for path in self.dropped.get(kind, ()):
            body = without_field(body, path)
        return dict(body)

    def patch(self, kind: str, name: str, operations: Sequence[Mapping[str, Any]], version: str) -> Body:
        assert kind == "HTTPRoute", f"the operator patches no {kind}"
        existing = self._existing(kind, name, version)
        self.watcher("patch", existing)
        return self.put(JSONPatch(list(operations)).apply(copy.deepcopy(existing)))

    def _existing(self, kind: str, name: str, version: str | None = None) -> Body:
        existing = self.bodies.get((kind, name))
        if existing is None:
            raise GoneError("NotFound", f"{kind} {name} does not exist")
        if version and version != existing["metadata"]["resourceVersion"]:
            raise ConflictError("Conflict", f"{kind} {name} has been modified")
        return existing

    # ---- what Kubernetes does

    def remove(self, kind: str, name: str) -> None:
        if kind == "Deployment":
            self.pods.pop(name, None)
            self.faltered.pop(name, None)
        super().remove(kind, name)

    def scale(self, name: str, before: Mapping[str, Any] | None, spec: Mapping[str, Any]) -> None:
        """Unready pods go first; those of an earlier template serve until new ones are ready."""
        pods = self.pods.setdefault(name, Pods())
        if before and before.get("template") != spec.get("template"):
            pods.old, pods.ready = pods.answering, 0
        pods.wanted = spec["replicas"]
        pods.old = min(pods.old, max(0, pods.wanted - pods.ready))
        pods.ready = min(pods.ready, pods.wanted)

    def observe(self, name: str) -> bool:
        """The Deployment's status reflects its pods; returns whether it changed."""
        body, pods = self.bodies["Deployment", name], self.pods[name]
        status: dict[str, Any] = {
            "observedGeneration": body["metadata"]["generation"],
            "replicas": pods.wanted,
            "updatedReplicas": pods.wanted - pods.old,
            "readyReplicas": pods.answering,
        }
        if pods.problem:
            status["conditions"] = [{"type": "ReplicaFailure", "status": "True", "message": pods.problem}]
        if status == body.get("status"):
            return False
        self.put(body | {"status": status})
        return True

    def pods_ready(self, name: str) -> bool:
        """All pods are ready, and of the current template; returns whether the Deployment's status changed."""
        pods = self.pods[name]
        pods.ready, pods.old, pods.problem = pods.wanted, 0, ""
        self.remove("Pod", f"{name}-pod")
        return self.observe(name)

    def pod_fails(self, name: str, refusal: Mapping[str, Any] | None = None) -> None:
        """One pod is no longer ready; with `refusal`, it refused its artifact."""
        pods = self.pods[name]
        pods.ready, pods.old = max(0, pods.ready - 1), pods.old if pods.ready else max(0, pods.old - 1)
        self._after_a_failure(name, refusal)

    def pods_fail(self, name: str, problem: str = "", refusal: Mapping[str, Any] | None = None) -> None:
        """No pod is ready any more."""
        pods = self.pods[name]
        pods.ready, pods.old, pods.problem = 0, 0, problem
        self._after_a_failure(name, refusal)

    def _after_a_failure(self, name: str, refusal: Mapping[str, Any] | None) -> None:
        if refusal:
            labels = self.bodies["Deployment", name]["spec"]["template"]["metadata"]["labels"]
            self.remove("Pod", f"{name}-pod")
            self.put(a_pod(f"{name}-pod", labels, self.bodies["Deployment", name], terminated(refusal, 3)))
        self.observe(name)
        self.faltered[name] = self.count

    def job_ends(self, name: str, result: Mapping[str, Any] | None, reason: str = "BackoffLimitExceeded") -> None:
        """The Job has ended; without a result its pod was deleted."""
        job = self.bodies["Job", name]
        good = result is not None and result.get("outcome") == "Succeeded"
        self.remove("Pod", f"{name}-pod")
        if result:
            labels = {**job["metadata"]["labels"], "batch.kubernetes.io/job-name": name}
            self.put(a_pod(f"{name}-pod", labels, job, terminated(result, 0 if good else 3)))
        condition = {"type": "Complete" if good else "Failed", "status": "True"} | ({} if good else {"reason": reason})
        self.put(job | {"status": {"startTime": as_text(self.now), "conditions": [condition]}})

    def job_waits(self, name: str, reason: str = "ImagePullBackOff") -> None:
        """The pod of the Job cannot start; `Unschedulable` for want of a node."""
        job, unschedulable = self.bodies["Job", name], reason == "Unschedulable"
        state = {} if unschedulable else {"waiting": {"reason": reason}}
        pod = a_pod(f"{name}-pod", {**job["metadata"]["labels"], "batch.kubernetes.io/job-name": name}, job, state)
        scheduled = {"type": "PodScheduled", "status": "False", "message": "0/3 nodes are available"}
        self.put({**pod, "status": pod["status"] | {"conditions": [scheduled] if unschedulable else []}})

    def job_starts(self, name: str) -> None:
        """The pod of the Job runs."""
        pod = self.bodies["Pod", f"{name}-pod"]
        containers = [{"name": "trainer", "state": {"running": {}}}]
        self.put({**pod, "status": {"phase": "Running", "containerStatuses": containers}})

    def job_answers(self, name: str, result: Mapping[str, Any]) -> None:
        """The trainer has ended with this result, and a sidecar keeps its pod and so the Job running."""
        job = self.bodies["Job", name]
        code = 0 if result.get("outcome") == "Succeeded" else 3
        labels = {**job["metadata"]["labels"], "batch.kubernetes.io/job-name": name}
        pod = a_pod(f"{name}-pod", labels, job, terminated(result, code))
        others = [{"name": "istio-proxy", "state": {"running": {}}}]
        containers = pod["status"]["containerStatuses"] + others
        self.put({**pod, "status": {"phase": "Running", "containerStatuses": containers}})

    def ledger_job_ends(self, name: str) -> None:
        """The Job that writes or searches the ledger has ended."""
        self.job_ends(name, self.storage.answer(task_of(self.bodies["Job", name])))


def terminated(result: Mapping[str, Any], code: int) -> Body:
    """The state of a container that ended with this result and exit code."""
    return {"terminated": {"exitCode": code, "message": json.dumps(result)}}


def a_pod(name: str, labels: Mapping[str, str], owner: Body, state: Body) -> Body:
    """A pod whose container has this state."""
    reference = {"kind": owner["kind"], "name": owner["metadata"]["name"], "uid": owner["metadata"]["uid"]}
    status = {"containerStatuses": [{"name": "trainer", "state": state}]}
    metadata = {"name": name, "labels": dict(labels), "ownerReferences": [reference]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "status": status}


def is_running(job: Mapping[str, Any]) -> bool:
    return not (job.get("status") or {}).get("conditions")


def is_about_storage(job: Mapping[str, Any]) -> bool:
    return role_of(job) in ("record", "recovery", "upkeep")


def role_of(body: Mapping[str, Any]) -> str:
    return str((body["metadata"].get("labels") or {}).get(names.ROLE, ""))
