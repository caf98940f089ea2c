"""What is kept of an object that a watch has shown, and which ModelDeployment it belongs to."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from sys import intern
from typing import Any, NamedTuple

from perennial_operator.cluster.codec import dumps, loads
from perennial_operator.core.drift_reports import Report, is_judged, judged
from perennial_operator.core.names import DEPLOYMENT

OWN = ("ModelVersion", "DriftReport")
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
"""A second copy of the spec, left by kubectl apply."""

Body = Mapping[str, Any]


class Key(NamedTuple):
    """The ModelDeployment that a pass is about."""

    namespace: str
    name: str


class Place(NamedTuple):
    """Where an object is; one at a time, whatever its uid."""

    kind: str
    namespace: str
    name: str


class Kept(NamedTuple):
    """An object without what no decision needs; as text, which takes a third of the memory."""

    uid: str
    version: int
    what: bytes | Report
    """The object as JSON; of a drift report whose outcome stands what later decisions rest on."""
    owner: str | None
    """The uid of the ModelDeployment that it goes with, if it does."""
    books: str = ""
    """What the fleet's books need: the phase of a version, since when a ModelDeployment waits for a place."""

    @property
    def body(self) -> Body:
        assert isinstance(self.what, bytes)
        return read(self.what)


@lru_cache(maxsize=256)  # a pass looks at the same few again and again
def read(text: bytes) -> Body:
    body: Body = loads(text)
    return body


def kept(body: Body) -> Kept:
    """What is kept of the object."""
    kind, uid, version = body["kind"], uid_of(body), version_of(body)
    owners = body["metadata"].get("ownerReferences") or []
    owner = next((intern(each["uid"]) for each in owners if each["kind"] == "ModelDeployment"), None)
    if kind == "DriftReport" and is_judged(body):
        return Kept(uid, version, judged(body), owner)
    return Kept(uid, version, dumps(_trimmed(body)), owner, _for_the_books(kind, part(body, "status")))


def _trimmed(body: Body) -> Body:
    metadata = {k: v for k, v in body["metadata"].items() if k != "managedFields"}
    if LAST_APPLIED in (metadata.get("annotations") or {}):
        metadata["annotations"] = {k: v for k, v in metadata["annotations"].items() if k != LAST_APPLIED}
    without = "spec" if body["kind"] == "Pod" else None
    return {k: v for k, v in body.items() if k != without} | {"metadata": metadata}


def _for_the_books(kind: str, status: Mapping[str, Any]) -> str:
    if kind == "ModelVersion":
        said = status.get("phase") or "Training"
    else:
        said = status.get("queuedSince") if kind == "ModelDeployment" else None
    return intern(said) if isinstance(said, str) else ""


def place_of(body: Body) -> Place:
    metadata = body["metadata"]
    return Place(body["kind"], metadata.get("namespace", "default"), metadata["name"])


def key_of(body: Body) -> Key | None:
    """The ModelDeployment an object belongs to, or None if it belongs to none."""
    metadata = body["metadata"]
    if body["kind"] == "ModelDeployment":
        name = metadata["name"]
    elif body["kind"] in OWN:
        name = part(body, "spec").get("modelDeployment")
    else:
        name = part(metadata, "labels").get(DEPLOYMENT)
    return Key(metadata.get("namespace", "default"), name) if isinstance(name, str) else None


def part(body: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """A part of an object; an empty one where it is none, as may be where no schema has been asked."""
    found = body.get(name)
    return found if isinstance(found, Mapping) else {}


def uid_of(body: Body) -> str:
    return str(body["metadata"].get("uid", ""))


def version_of(body: Body) -> int:
    text = body["metadata"].get("resourceVersion", "")
    return int(text) if text.isdigit() else 0
