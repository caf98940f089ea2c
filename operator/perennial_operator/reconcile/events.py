"""Announcements of decisions as Kubernetes events and lines of the log."""

from __future__ import annotations

import hashlib
import logging
from datetime import UTC, datetime

from perennial_operator.cluster.cache import Cache
from perennial_operator.cluster.cache_entry import Body, Key
from perennial_operator.cluster.client import Kube
from perennial_operator.cluster.errors import ExistsError, KubeError
from perennial_operator.core.actions import Announcement
from perennial_operator.core.api.meta import API_VERSION
from perennial_operator.core.api.printable_text import printable
from perennial_operator.core.api.values import as_text
from perennial_operator.telemetry.logs import about

LONGEST_NAME = 253 - 17
"""Characters of an object's name before the digest."""


async def announce(kube: Kube, cache: Cache, key: Key, of: tuple[str, str], announcement: Announcement) -> None:
    """The announcement is an event on the object and on its ModelDeployment, and a line of the log.

    A failure to write an event does not fail the pass.
    """
    log, level = about(key), logging.WARNING if announcement.warning else logging.INFO
    log.log(level, "%s: %s", announcement.reason, announcement.message)
    for target in dict.fromkeys([of, ("ModelDeployment", key.name)]):
        body = cache.get(key, *target)
        if body:
            try:
                await _record(kube, body, announcement)
            except KubeError as error:
                log.warning("the event %s was not written: %s", announcement.reason, error.message)


async def _record(kube: Kube, of: Body, announcement: Announcement) -> None:
    metadata, now = of["metadata"], as_text(datetime.now(UTC))
    digest = hashlib.sha256(f"{metadata['uid']} {announcement}".encode()).hexdigest()[:16]
    name = f"{metadata['name'][:LONGEST_NAME].rstrip('.-')}.{digest}"
    event = {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": name, "namespace": metadata["namespace"]},
        "involvedObject": {
            "apiVersion": API_VERSION,
            "kind": of["kind"],
            "name": metadata["name"],
            "namespace": metadata["namespace"],
            "uid": metadata["uid"],
        },
        "reason": announcement.reason,
        "message": printable(announcement.message)[:1024],
        "type": "Warning" if announcement.warning else "Normal",
        "source": {"component": "perennial"},
        "firstTimestamp": now,
        "lastTimestamp": now,
        "count": 1,
    }
    try:
        await kube.create(event)
    except ExistsError:
        old = await kube.get("Event", metadata["namespace"], name)
        count = int((old or {}).get("count") or 1) + 1
        await kube.merge("Event", metadata["namespace"], name, {"count": count, "lastTimestamp": now})
