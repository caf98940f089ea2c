"""How the two APIs of events show the same objects: they are stored as core/v1, events.k8s.io/v1 has other names."""

from __future__ import annotations

from tests.cluster.store import Object

GROUP = "events.k8s.io"
_CORE_NAMES = {
    "note": "message",
    "regarding": "involvedObject",
    "reportingController": "reportingComponent",
    "deprecatedCount": "count",
    "deprecatedFirstTimestamp": "firstTimestamp",
    "deprecatedLastTimestamp": "lastTimestamp",
    "deprecatedSource": "source",
}
_NAMES = {core: name for name, core in _CORE_NAMES.items()}


def to_core(event: Object) -> Object:
    return {_CORE_NAMES.get(key, key): value for key, value in event.items()} | {"apiVersion": "v1"}


def from_core(event: Object) -> Object:
    return {_NAMES.get(key, key): value for key, value in event.items()} | {"apiVersion": f"{GROUP}/v1"}
