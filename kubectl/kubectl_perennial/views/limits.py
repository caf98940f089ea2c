"""How near is each metric of a drift report to its limit?"""

from __future__ import annotations

from collections.abc import Iterator

from kubectl_perennial.client import Body
from perennial_operator.core.api.thresholds import DriftThreshold


def limits(thresholds: list[Body], report: Body, live: Body | None) -> list[Body]:
    """For each limit the number that comes nearest to it, or is furthest beyond it."""
    proven = ((live or {}).get("status") or {}).get("metrics") or {}
    found = []
    for each in thresholds:
        threshold = DriftThreshold.model_validate(each)
        rows = [
            row
            for metric in report["spec"].get("metrics", [])
            if threshold.concerns(metric["name"], metric.get("feature"))
            for row in _rows(threshold, metric, proven)
        ]
        for side in ("max", "min"):
            of_side = [row for row in rows if row["side"] == side]
            if of_side:
                found.append(max(of_side, key=lambda row: row["value"] * (1 if row["side"] == "max" else -1)))
    return found


def _rows(threshold: DriftThreshold, metric: Body, proven: Body) -> Iterator[Body]:
    name, value = metric["name"], metric["value"]
    baseline = proven.get("candidate", {}).get(name)
    error, before = metric.get("standardError") or 0.0, (proven.get("standardErrors") or {}).get(name, 0.0)
    grown = None if baseline is None else threshold.grown(error, baseline, before)
    highest = [limit for limit in (threshold.max, grown) if limit is not None]
    about = {"metric": name, **({"feature": metric["feature"]} if metric.get("feature") else {}), "value": value}
    if highest:
        yield {**about, "side": "max", "limit": min(highest), "beyond": value > min(highest)}
    if threshold.min is not None:
        yield {**about, "side": "min", "limit": threshold.min, "beyond": value < threshold.min}


def nearness(row: Body) -> float | None:
    """The way to the limit that is gone, 1 at the limit; None where a share of it means nothing."""
    value, limit = row["value"], row["limit"]
    if row["side"] == "max" and limit > 0:
        return max(0.0, float(value / limit))
    if row["side"] == "min" and limit > 0 and value > 0:
        return float(limit / value)
    return None
