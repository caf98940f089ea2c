"""What the cache knows of one object: which object it is, which ModelDeployment it belongs to, and its content."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache
from sys import intern
from typing import Any, NamedTuple
from uuid import UUID

from perennial_operator.cluster.codec import pack, unpack
from perennial_operator.cluster.pod_status import cannot_start
from perennial_operator.core.drift_reports import Report, final_report, is_final, of_values, values_of
from perennial_operator.core.names import DEPLOYMENT, ROLE

BLOCKED = "Blocked"
OWN_KINDS = ("ModelVersion", "DriftReport")
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
"""A second copy of the spec, left by kubectl apply."""

_UUID = re.compile("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")

Body = Mapping[str, Any]
Uid = bytes | str
"""The 16 bytes of a UUID, as Kubernetes makes them; of any other uid its text."""


class Key(NamedTuple):
    """Namespace and name of a ModelDeployment, which may not exist."""

    namespace: str
    name: str


class Place(NamedTuple):
    """Kind, namespace and name: one object at a time, whatever its uid."""

    kind: str
    namespace: str
    name: str

    @classmethod
    def of(cls, body: Body) -> Place:
        metadata = body["metadata"]
        return cls(intern(body["kind"]), intern(metadata.get("namespace", "default")), metadata["name"])


class PackedReport(bytes):
    """The content of a final drift report."""

    __slots__ = ()


class CacheEntry(NamedTuple):
    """One object in one state, as the cache stores it."""

    key: Key
    uid: Uid
    version: int
    content: bytes
    """Packed, without unused fields; of a final drift report a PackedReport."""
    owner: str | None
    """The uid of the ModelDeployment that owns the object, if one does."""
    fleet_state: str = ""
    """Of a ModelVersion its phase, of a ModelDeployment since when it waits for a place.

    Of the Job and the pod of a training BLOCKED, if it does not start.
    """
    began: datetime | None = None
    """When the training of a ModelVersion began."""


class State(NamedTuple):
    """One object in one state, as it was read: most objects of a periodic list are known and need not be packed."""

    place: Place
    key: Key | None
    """The ModelDeployment that the object belongs to; None if it belongs to none."""
    uid: Uid
    version: int
    """The resourceVersion as a number."""
    body: Body

    @classmethod
    def of(cls, body: Body) -> State:
        metadata = body["metadata"]
        place, version = Place.of(body), metadata.get("resourceVersion", "")
        number = int(version) if version.isdigit() else 0
        return cls(place, _key(place, body), _short(str(metadata.get("uid", ""))), number, body)

    def entry(self, key: Key) -> CacheEntry:
        """What the cache stores of an object that belongs to this ModelDeployment."""
        body = self.body
        owners = body["metadata"].get("ownerReferences") or []
        owner = next((intern(each["uid"]) for each in owners if each["kind"] == "ModelDeployment"), None)
        report = final_report(body) if self.place.kind == "DriftReport" and is_final(body) else None
        if report and not report.whole:  # else its status is invalid, and it is judged again
            packed = PackedReport(pack("final DriftReport", values_of(report)))
            return CacheEntry(key, self.uid, self.version, packed, owner)
        packed_body = pack(self.place.kind, _trimmed(body))
        return CacheEntry(key, self.uid, self.version, packed_body, owner, _fleet_state(body), _began(body))


def _short(uid: str) -> Uid:
    return bytes.fromhex(uid.replace("-", "")) if _UUID.fullmatch(uid) else uid


def text_of(uid: Uid) -> str:
    return str(UUID(bytes=uid)) if isinstance(uid, bytes) else uid


@lru_cache(maxsize=256)  # a pass reads the same few objects several times
def read(packed: bytes) -> Body:
    body: Body = unpack(packed)
    return body


@lru_cache(maxsize=256)
def read_report(name: str, packed: PackedReport) -> Report:
    return of_values(name, unpack(packed))


def part(body: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """The field if it is an object, else an empty one: without the CRD's schema it may be anything."""
    value = body.get(name)
    return value if isinstance(value, (dict, Mapping)) else {}  # a dict is recognized four times as fast


def _key(place: Place, body: Body) -> Key | None:
    name: Any
    if place.kind == "ModelDeployment":
        name = place.name
    elif place.kind in OWN_KINDS:
        name = part(body, "spec").get("modelDeployment")
    else:
        name = part(body["metadata"], "labels").get(DEPLOYMENT)
    return _shared_key(place.namespace, name) if isinstance(name, str) else None


@lru_cache(maxsize=4096)  # a model has a hundred objects, whose entries share it
def _shared_key(namespace: str, name: str) -> Key:
    return Key(namespace, name)


def _trimmed(body: Body) -> Body:
    """The object without the fields that no decision reads."""
    metadata = {k: v for k, v in body["metadata"].items() if k != "managedFields"}
    if LAST_APPLIED in (metadata.get("annotations") or {}):
        metadata["annotations"] = {k: v for k, v in metadata["annotations"].items() if k != LAST_APPLIED}
    trimmed = {**body, "metadata": metadata}
    if body["kind"] == "Job":
        trimmed["spec"] = _job_spec(part(body, "spec"))
    if body["kind"] == "Pod":
        trimmed |= {"spec": {}, "status": _pod_status(part(body, "status"))}
    return trimmed


def _job_spec(spec: Mapping[str, Any]) -> Body:
    """Whether the Job is suspended, and the resources of its first container; its task is most of a Job."""
    pod = part(part(spec, "template"), "spec")
    containers = [{"resources": part(each, "resources")} for each in pod.get("containers") or []]
    return {"suspend": bool(spec.get("suspend")), "template": {"spec": {"containers": containers[:1]}}}


def _pod_status(status: Mapping[str, Any]) -> Body:
    """How the pod is, and how its containers are or ended; without images, mounts and resources."""
    kept = {name: status[name] for name in ("phase", "podIP", "reason", "message", "conditions") if name in status}
    for name in ("containerStatuses", "initContainerStatuses"):
        states = [{k: each[k] for k in ("name", "state", "lastState") if k in each} for each in status.get(name) or []]
        kept |= {name: states} if states else {}
    return kept


def _began(body: Body) -> datetime | None:
    """When the ModelVersion was created, unless it comes from the ledger."""
    if body["kind"] != "ModelVersion" or part(part(body, "spec"), "trigger").get("reason") == "Recovered":
        return None
    created = body["metadata"].get("creationTimestamp")
    return datetime.fromisoformat(created) if isinstance(created, str) else None


def _fleet_state(body: Body) -> str:
    status = part(body, "status")
    if body["kind"] in ("Job", "Pod"):
        of_training = part(body["metadata"], "labels").get(ROLE) == "training"
        waits = cannot_start(body) if body["kind"] == "Pod" else bool(part(body, "spec").get("suspend"))
        return BLOCKED if of_training and waits else ""
    if body["kind"] == "ModelVersion":
        state = status.get("phase") or "Training"
    else:
        state = status.get("queuedSince") if body["kind"] == "ModelDeployment" else None
    return intern(state) if isinstance(state, str) else ""
