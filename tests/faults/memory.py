"""A cluster in memory: the calls of the operator's client, their effects, and a history for late watch events.

It knows nothing of why anything is decided. Each call may be given a fate. Bodies are shared and never changed in place.
"""

from __future__ import annotations

import copy
import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from jsonpath import JSONPatch

from perennial_operator.cluster.client import Body, Kube
from perennial_operator.cluster.errors import (
    ConflictError,
    ExistsError,
    GoneError,
    KubeError,
    RefusedError,
    UnavailableError,
)
from perennial_operator.core import names
from perennial_operator.core.api.values import as_text
from perennial_operator.core.drift_reports import is_final
from tests.builders import NOON
from tests.core.manifests import task_of
from tests.core.storage import Storage

NAMESPACE = "default"
RECORDS = ("ModelVersion", "DriftReport", "ModelDeployment")


class DiedError(BaseException):
    """The operator was killed at this call."""


FATES: Mapping[str, tuple[bool, Callable[[], BaseException]]] = {
    "down": (False, lambda: UnavailableError("Unavailable", "the API server did not answer")),
    "conflict": (False, lambda: ConflictError("Conflict", "the object has been modified")),
    "refused": (False, lambda: RefusedError("Forbidden", "exceeded quota")),
    "unanswered": (True, lambda: UnavailableError("Unavailable", "the API server did not answer")),
    "dies before": (False, DiedError),
    "dies after": (True, DiedError),
}
"""Name → whether the call takes effect, and the error that the caller gets."""


@dataclass
class Pods:
    """The actual pods of a Deployment, which its status may not reflect yet."""

    wanted: int = 0
    ready: int = 0
    """Of the current template."""
    old: int = 0
    """Ready, of an earlier template."""

    @property
    def answering(self) -> int:
        return self.ready + self.old


@dataclass
class Memory(Kube):
    """The objects of one namespace, and their history."""

    now: datetime = NOON
    bodies: dict[tuple[str, str], Body] = field(default_factory=dict)
    past: defaultdict[str, list[tuple[str, Body]]] = field(default_factory=lambda: defaultdict(list))
    """Kind → the events of its watch, in order."""
    pods: dict[str, Pods] = field(default_factory=dict)
    """Deployment → its pods."""
    faltered: dict[str, int] = field(default_factory=dict)
    """Deployment → the resourceVersion at which a pod of it stopped being ready."""
    answered: int = 0
    """How many requests each pod has answered."""
    unhealthy: bool = False
    """Whether requests to the candidate's pods fail."""
    made: list[Body] = field(default_factory=list)
    """Every created object, in order."""
    calls: Counter[str] = field(default_factory=Counter)
    fates: list[str] = field(default_factory=list)
    """The fates of the next calls; later calls succeed."""
    storage: Storage = field(default_factory=Storage)
    """The storage that Jobs about the ledger write and read."""
    watcher: Callable[[str, Mapping[str, Any]], None] = lambda verb, body: None
    """Called for each write of the operator, before it takes effect."""

    def __post_init__(self) -> None:
        self._count = 1

    # ---- what the operator asks for

    async def get(self, kind: str, namespace: str, name: str) -> Body | None:
        return self._fated("get", lambda: self.bodies.get((kind, name)))

    async def list(self, kind: str, namespace: str | None = None, selector: str = "") -> tuple[list[Body], str]:
        return self._fated("list", lambda: self.listed(kind, selector))

    async def create(self, manifest: Mapping[str, Any]) -> Body:
        if manifest["kind"] == "Event":
            return dict(manifest)
        return self._fated("write", lambda: self._create(manifest))

    async def apply(self, manifest: Mapping[str, Any]) -> Body:
        return self._fated("write", lambda: self._apply(manifest))

    async def delete(self, kind: str, namespace: str, name: str, uid: str | None = None) -> Body | None:
        return self._fated("write", lambda: self._delete(kind, name, uid))

    async def set_status(
        self, kind: str, namespace: str, name: str, status: Mapping[str, Any], resource_version: str | None = None
    ) -> Body:
        return self._fated("write", lambda: self._set_status(kind, name, status, resource_version))

    async def patch(
        self, kind: str, namespace: str, name: str, operations: Sequence[Mapping[str, Any]], resource_version: str
    ) -> Body:
        return self._fated("write", lambda: self._patch_spec(kind, name, operations, resource_version))

    async def merge(self, kind: str, namespace: str, name: str, patch: Mapping[str, Any]) -> Body:
        raise AssertionError(f"the operator merges nothing into a {kind}")

    def _fated(self, verb: str, call: Callable[[], Any]) -> Any:
        self.calls[verb] += 1
        fate = self.fates.pop(0) if self.fates else ""
        if not fate:
            return call()
        self.calls["fault"] += 1
        done, error = FATES[fate]
        if done:
            with suppress(KubeError):  # nobody hears of it
                call()
        raise error()

    def _create(self, manifest: Mapping[str, Any]) -> Body:
        kind, name = manifest["kind"], manifest["metadata"]["name"]
        assert kind != "ModelDeployment", "the operator makes no ModelDeployment"
        if (kind, name) in self.bodies:
            raise ExistsError("AlreadyExists", f"{kind} {name} is there already")
        self.watcher("create", manifest)
        return self.put(dict(manifest))

    def _apply(self, manifest: Mapping[str, Any]) -> Body:
        kind, name = manifest["kind"], manifest["metadata"]["name"]
        assert kind in ("Deployment", "Service"), f"the operator applies no {kind}"
        there = self.bodies.get((kind, name))
        self.watcher("apply", manifest)
        body = dict(manifest)
        if there:
            body["metadata"] = there["metadata"] | body["metadata"]
            body["status"] = there.get("status") or {}
            body["metadata"]["generation"] += body["spec"] != there["spec"]
            if body == there:
                return there
        before = there["spec"] if there else None
        answer = self.put(body)
        if kind == "Deployment":
            self._scaled(name, before, body["spec"])
        return answer

    def _delete(self, kind: str, name: str, uid: str | None) -> None:
        assert kind != "ModelDeployment", "the operator deletes no ModelDeployment"
        there = self.bodies.get((kind, name))
        if there is None:
            raise GoneError("NotFound", f"{kind} {name} is not there")
        if uid and uid != there["metadata"]["uid"]:
            raise ConflictError("Conflict", f"{kind} {name} is another one")
        self.watcher("delete", there)
        self.remove(kind, name)

    def _set_status(self, kind: str, name: str, status: Mapping[str, Any], version: str | None) -> Body:
        assert kind in RECORDS, f"the operator writes no status of a {kind}"
        there = self.bodies.get((kind, name))
        if there is None:
            raise GoneError("NotFound", f"{kind} {name} is not there")
        if version and version != there["metadata"]["resourceVersion"]:
            raise ConflictError("Conflict", f"{kind} {name} has been modified")
        assert status != there.get("status"), f"the status of {kind} {name} is written though nothing changed"
        self.watcher("status", there | {"status": status})
        return self.put(there | {"status": dict(status)})

    def _patch_spec(self, kind: str, name: str, operations: Sequence[Mapping[str, Any]], version: str) -> Body:
        assert kind == "HTTPRoute", f"the operator patches no {kind}"
        there = self.bodies.get((kind, name))
        if there is None:
            raise GoneError("NotFound", f"{kind} {name} is not there")
        if version != there["metadata"]["resourceVersion"]:
            raise ConflictError("Conflict", f"{kind} {name} has been modified")
        self.watcher("patch", there)
        return self.put(JSONPatch(list(operations)).apply(copy.deepcopy(there)))

    # ---- what anybody does

    def put(self, body: Body) -> Body:
        """The object is stored; a new one gets a new uid."""
        self._count += 1
        place = body["kind"], body["metadata"]["name"]
        metadata = {"creationTimestamp": as_text(self.now), **body["metadata"], "resourceVersion": str(self._count)}
        old = self.bodies.get(place)
        if old is None:
            metadata |= {"namespace": NAMESPACE, "uid": f"uid-{self._count}", "generation": 1}
        body = self.bodies[place] = {**body, "metadata": metadata}
        if old is None:
            self.made.append(body)
        if is_watched(body):
            self.past[body["kind"]].append(("MODIFIED", body))
        elif old:
            self._unseen(old)
        return body

    def remove(self, kind: str, name: str) -> None:
        """The object and its dependents are deleted."""
        body = self.bodies.pop((kind, name), None)
        if body is None:
            return
        self._count += 1
        self._unseen(body)
        if kind == "Deployment":
            self.pods.pop(name, None)
            self.faltered.pop(name, None)
        for owned in [place for place, each in self.bodies.items() if body["metadata"]["uid"] in owners(each)]:
            self.remove(*owned)

    def _unseen(self, old: Body) -> None:
        """Earlier events are no longer available to watches."""
        if is_watched(old):
            metadata = {**old["metadata"], "resourceVersion": str(self._count)}
            self.past[old["kind"]].append(("DELETED", {**old, "metadata": metadata}))

    def listed(self, kind: str, selector: str = "") -> tuple[list[Body], str]:
        wanted = dict(term.split("=") for term in selector.split(",") if "=" in term)
        items = [
            body
            for (of, _), body in self.bodies.items()
            if of == kind and wanted.items() <= (body["metadata"].get("labels") or {}).items()
        ]
        return items, str(self._count)

    def all(self, kind: str) -> Iterator[Body]:
        return (body for (of, _), body in self.bodies.items() if of == kind)

    def change(self, kind: str, name: str, metadata: Mapping[str, Any] = {}, **fields: Any) -> Body:
        """The object with these fields and metadata changed."""
        body = self.bodies[kind, name]
        return self.put({**body, **fields, "metadata": {**body["metadata"], **metadata}})

    # ---- what Kubernetes does

    def _scaled(self, name: str, before: Mapping[str, Any] | None, spec: Mapping[str, Any]) -> None:
        """Unready pods go first; those of an earlier template serve until new ones are ready."""
        pods = self.pods.setdefault(name, Pods())
        if before and before["template"] != spec["template"]:
            pods.old, pods.ready = pods.answering, 0
        pods.wanted = spec["replicas"]
        pods.old = min(pods.old, max(0, pods.wanted - pods.ready))
        pods.ready = min(pods.ready, pods.wanted)

    def tell(self, name: str) -> bool:
        """The Deployment's status reflects its pods; returns whether it changed."""
        body, pods = self.bodies["Deployment", name], self.pods[name]
        status = {
            "observedGeneration": body["metadata"]["generation"],
            "replicas": pods.wanted,
            "updatedReplicas": pods.wanted - pods.old,
            "readyReplicas": pods.answering,
        }
        if status == body.get("status"):
            return False
        self.put(body | {"status": status})
        return True

    def pods_ready(self, name: str) -> bool:
        pods = self.pods[name]
        pods.ready, pods.old = pods.wanted, 0
        if ("Pod", f"{name}-pod") in self.bodies:
            self.remove("Pod", f"{name}-pod")
        return self.tell(name)

    def pod_fails(self, name: str, refusal: Mapping[str, Any] | None = None) -> None:
        """One pod is no longer ready; with `refusal`, it refused its artifact."""
        pods = self.pods[name]
        pods.ready, pods.old = max(0, pods.ready - 1), pods.old if pods.ready else max(0, pods.old - 1)
        if refusal:
            labels = self.bodies["Deployment", name]["spec"]["template"]["metadata"]["labels"]
            self.remove("Pod", f"{name}-pod")
            self.put(a_pod(f"{name}-pod", labels, self.bodies["Deployment", name], refusal, 3))
        self.tell(name)
        self.faltered[name] = self._count

    def job_ends(self, name: str, answer: Mapping[str, Any] | None, reason: str = "BackoffLimitExceeded") -> None:
        """The Job has ended; without a result its pod was deleted."""
        job = self.bodies["Job", name]
        good = bool(answer) and (answer or {}).get("outcome") == "Succeeded"
        if answer:
            labels = {**job["metadata"]["labels"], "batch.kubernetes.io/job-name": name}
            self.remove("Pod", f"{name}-pod")
            self.put(a_pod(f"{name}-pod", labels, job, answer, 0 if good else 3))
        condition = {"type": "Complete" if good else "Failed", "status": "True"} | ({} if good else {"reason": reason})
        self.put(job | {"status": {"startTime": as_text(self.now), "conditions": [condition]}})

    def ledger_job_ends(self, name: str) -> None:
        """The Job that writes or searches the ledger has ended."""
        self.job_ends(name, self.storage.answer(task_of(self.bodies["Job", name])))

    def collect(self) -> None:
        """Dependents that were created after the deletion of their owner are deleted."""
        uids = {body["metadata"]["uid"] for body in self.bodies.values()}
        for place, body in list(self.bodies.items()):
            if (of := owners(body)) and not of & uids:
                self.remove(*place)

    def pass_time(self, span: timedelta) -> None:
        self.now += span


def a_pod(name: str, labels: Mapping[str, str], owner: Body, result: Mapping[str, Any], code: int) -> Body:
    ended = {"exitCode": code, "message": json.dumps(result)}
    reference = {"kind": owner["kind"], "name": owner["metadata"]["name"], "uid": owner["metadata"]["uid"]}
    status = {"containerStatuses": [{"name": "trainer", "state": {"terminated": ended}}]}
    metadata = {"name": name, "labels": dict(labels), "ownerReferences": [reference]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "status": status}


def owners(body: Mapping[str, Any]) -> set[str]:
    return {owner["uid"] for owner in body["metadata"].get("ownerReferences") or []}


def is_watched(body: Mapping[str, Any]) -> bool:
    """Whether the object is watched: of drift reports, only the open ones."""
    return body["kind"] != "DriftReport" or not is_final(body)


def is_running(job: Mapping[str, Any]) -> bool:
    return not (job.get("status") or {}).get("conditions")


def is_about_the_ledger(job: Mapping[str, Any]) -> bool:
    return role_of(job) in ("record", "recovery")


def role_of(body: Mapping[str, Any]) -> str:
    return str((body["metadata"].get("labels") or {}).get(names.ROLE, ""))
