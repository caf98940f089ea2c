"""Each threshold beside the measurement of a drift report that is nearest to it or furthest beyond it."""

from __future__ import annotations

from kubectl_perennial.client import Body
from perennial_operator.core.api.drift_report import Measurement
from perennial_operator.core.api.model_version import Metrics
from perennial_operator.core.api.thresholds import DriftThreshold
from perennial_operator.core.rules.limits import Limit, baseline_of, is_beyond_chance, limit_for


def limit_rows(thresholds: list[Body], report: Body, live: Body | None) -> list[Body]:
    """One row for each threshold; of one that was not measured, the reason."""
    metrics = ((live or {}).get("status") or {}).get("metrics")
    baselines = Metrics.model_validate(metrics) if metrics else None
    measured = [Measurement.model_validate(metric) for metric in report["spec"].get("metrics", [])]
    missing = (report.get("status") or {}).get("notMeasured") or []
    reasons = {each["metric"]: each.get("reason") or "no value" for each in missing}
    rows: list[Body] = []
    for threshold in map(DriftThreshold.model_validate, thresholds):
        compared = [
            (limit.excess(each.value), _row(each, limit))
            for each in measured
            if threshold.concerns(each.name, each.feature)
            and (limit := limit_for(threshold, each, baseline_of(baselines, each.name)))
        ]
        if compared:
            rows.append(max(compared, key=lambda pair: pair[0])[1])
        elif threshold.metric in reasons:
            rows.append({"metric": threshold.label, "notMeasured": reasons[threshold.metric]})
    return rows


def _row(measurement: Measurement, limit: Limit) -> Body:
    return {
        "metric": measurement.name,
        **({"feature": measurement.feature} if measurement.feature else {}),
        "value": measurement.value,
        "side": limit.side,
        "limit": limit.value,
        "beyond": limit.is_crossed(measurement.value) and is_beyond_chance(measurement),
        **({} if measurement.chance is None else {"chance": measurement.chance}),
    }


def share_of_limit(row: Body) -> float | None:
    """1 at the limit; None where a share of the limit has no meaning."""
    value, limit = row["value"], row["limit"]
    if row["side"] == "max" and limit > 0:
        return max(0.0, float(value / limit))
    if row["side"] == "min" and limit > 0 and value > 0:
        return float(limit / value)
    return None
