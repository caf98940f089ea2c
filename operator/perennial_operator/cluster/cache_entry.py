"""What the cache knows of one object: which object it is, which ModelDeployment it belongs to, and its content."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache
from sys import intern
from typing import Any, NamedTuple
from zlib import compress, decompress

from perennial_operator.cluster.codec import dumps, loads
from perennial_operator.cluster.pod_status import cannot_start
from perennial_operator.core.drift_reports import Report, final_report, is_final
from perennial_operator.core.names import DEPLOYMENT, ROLE

BLOCKED = "Blocked"
FASTEST = 1
"""The level of compression: higher ones save little more."""
LONG = 1500
"""Bytes of JSON text from which on it is compressed."""
OWN_KINDS = ("ModelVersion", "DriftReport")
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
"""A second copy of the spec, left by kubectl apply."""

Body = Mapping[str, Any]


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


class CacheEntry(NamedTuple):
    """One object in one state."""

    place: Place
    key: Key | None
    """The ModelDeployment that the object belongs to; None if it belongs to none."""
    uid: str
    version: int
    """The resourceVersion as a number."""
    content: Body | bytes | Report
    """The object; once compacted, its JSON without unused fields, or a Report if it is a final drift report."""
    owner: str | None = None
    """Once compacted: the uid of the ModelDeployment that owns the object, if one does."""
    fleet_state: str = ""
    """Once compacted: of a ModelVersion its phase, of a ModelDeployment since when it waits for a place.

    Of the Job and the pod of a training BLOCKED, if it does not start.
    """
    began: datetime | None = None
    """Once compacted: when the training of a ModelVersion began."""

    @classmethod
    def of(cls, body: Body) -> CacheEntry:
        """The entry, not yet compacted: most objects of a periodic list are known already and need not be."""
        metadata = body["metadata"]
        place, version = Place.of(body), metadata.get("resourceVersion", "")
        number = int(version) if version.isdigit() else 0
        return cls(place, _key(place, body), str(metadata.get("uid", "")), number, body)

    def compacted(self) -> CacheEntry:
        """The same entry as the cache stores it: JSON text takes a third of the memory of the parsed object."""
        body = self.content
        assert isinstance(body, Mapping)
        owners = body["metadata"].get("ownerReferences") or []
        owner = next((intern(each["uid"]) for each in owners if each["kind"] == "ModelDeployment"), None)
        if self.place.kind == "DriftReport" and is_final(body):
            return self._replace(content=final_report(body), owner=owner)
        state, began = _fleet_state(body), _began(body)
        return self._replace(content=_packed(dumps(_trimmed(body))), owner=owner, fleet_state=state, began=began)

    @property
    def body(self) -> Body:
        """The object, from the JSON of a compacted entry."""
        assert isinstance(self.content, bytes)
        return read(self.content)


@lru_cache(maxsize=256)  # a pass reads the same few objects several times
def read(text: bytes) -> Body:
    body: Body = loads(text if text.startswith(b"{") else decompress(text))
    return body


def _packed(text: bytes) -> bytes:
    """The JSON; compressed if it is long, such as that of a version, of which a model has many and a pass reads few."""
    return compress(text, FASTEST) if len(text) > LONG else text


def part(body: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """The field if it is an object, else an empty one: without the CRD's schema it may be anything."""
    value = body.get(name)
    return value if isinstance(value, Mapping) else {}


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
