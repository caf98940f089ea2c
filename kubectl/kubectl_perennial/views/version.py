"""One version as plain fields, for tables and for `-o json`."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from kubectl_perennial.client import Body
from kubectl_perennial.views.times import instant
from perennial_operator.core.api.metric_table import LOSSES
from perennial_operator.core.api.model_version import ENDED, Phase


def card(version: Body, now: datetime) -> Body:
    """The fields of the version that are known."""
    spec, status = version["spec"], version.get("status") or {}
    fields = {
        "name": version["metadata"]["name"],
        "number": spec["number"],
        "phase": status.get("phase") or Phase.TRAINING.value,
        "reason": status.get("reason"),
        "message": status.get("message"),
        "trigger": spec["trigger"]["reason"],
        "triggerMessage": spec["trigger"].get("message"),
        "created": version["metadata"]["creationTimestamp"],
        "liveSince": status.get("liveSince"),
        "endedAt": status.get("endedAt"),
        "filesDeletedAt": status.get("filesDeletedAt"),
        "seconds": seconds(version, now),
        "metric": metric(status),
        "blend": (status.get("blend") or {}).get("message"),
        "refit": (status.get("refit") or {}).get("message"),
    }
    return {field: value for field, value in fields.items() if value not in (None, "")}


def metric(status: Body) -> Body | None:
    """The metric that is compared, with the live version's value on the same rows."""
    name = str(status.get("metric") or "").partition(" ")[0]
    metrics = status.get("metrics") or {}
    value, live = metrics.get("candidate", {}).get(name), (metrics.get("live") or {}).get(name)
    if value is None:
        return None
    return {"name": name, "value": value, **({} if live is None else {"live": live, **change(name, live, value)})}


def change(name: str, before: float, after: float) -> dict[str, Any]:
    """The difference, for a loss also as a share, and whether the second value is better."""
    by: dict[str, Any] = {"difference": after - before}
    if name in LOSSES and before:
        by["share"] = (after - before) / before
    if after != before:
        by["better"] = (after < before) == lower_is_better(name)
    return by


def lower_is_better(name: str) -> bool:
    return name in LOSSES


def seconds(version: Body, now: datetime) -> int | None:
    """From its creation until it was live or ended; until now for a candidate."""
    status = version.get("status") or {}
    begun = instant(version["metadata"]["creationTimestamp"])
    done = next((c for c in status.get("conditions") or [] if c["type"] == "RolledOut" and c["status"] == "True"), None)
    if done:
        end = instant(done["lastTransitionTime"])
    elif status.get("phase") in (Phase.LIVE, *ENDED):
        end = instant(status.get("liveSince") or status.get("endedAt"))
    else:
        end = now
    return max(0, int((end - begun).total_seconds())) if begun and end else None
