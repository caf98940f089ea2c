"""What does the page of a drift check show beyond its own measurements? Limits that grow, and earlier checks."""

from __future__ import annotations

from typing import Any

from perennial_operator.core.api.drift import DriftSpec
from perennial_operator.core.api.model_version import ModelVersion
from perennial_operator.core.api.thresholds import DriftThreshold
from perennial_operator.core.api.values import as_text
from perennial_operator.core.drift_reports import Report, about_drift
from perennial_operator.core.names import NEVER
from perennial_operator.core.rules.breaches import thresholds_for
from perennial_operator.core.rules.data_quality import limits_as_thresholds
from perennial_operator.core.rules.limits import baseline_of, limit_for
from perennial_operator.core.rules.report_verdict import subject
from perennial_operator.core.world import World

MOST_PREVIOUS = 20


def thresholds_in_task(
    drift: DriftSpec, live: ModelVersion, *, with_growth: bool, against: bool = False
) -> list[dict[str, Any]]:
    """What decides, so that it comes first in the result, and on the page how much a loss may grow."""
    given = [
        each.model_dump(include={"metric", "features", "max", "min"}, exclude_none=True)
        | (_growth(each, live) if with_growth else {})
        for each in thresholds_for(drift.thresholds, against=against)
    ]
    return given if against else given + limits_as_thresholds(drift.quality)


def page_fields(world: World, live: ModelVersion) -> dict[str, Any]:
    """The fewest rows of a report, and what the last checks of the live version measured, the oldest first."""
    assert world.spec.drift
    drift = world.spec.drift
    wanted = [DriftThreshold.model_validate(each) for each in limits_as_thresholds(drift.quality)]
    thresholds = [*thresholds_for(drift.thresholds, against=False), *wanted]
    made = (each for each in about_drift(world.reports) if each.scheduled_at != NEVER)
    checks = [each for each in made if subject(each, world) == live.name]
    previous = [
        {"time": as_text(each.scheduled_at), "values": [_value(each, threshold, live) for threshold in thresholds]}
        for each in checks[-MOST_PREVIOUS:]
    ]
    return {"minSamples": drift.min_samples, **({"previous": previous} if previous else {})}


def _growth(threshold: DriftThreshold, live: ModelVersion) -> dict[str, Any]:
    baseline = baseline_of(live.status.metrics, threshold.metric)
    if threshold.max_increase is None or baseline is None:
        return {}
    growth = {"baseline": baseline.value, "share": threshold.max_increase}
    growth |= {"standardError": baseline.standard_error} if baseline.standard_error else {}
    return {"increase": growth | ({"sigmas": threshold.sigmas} if threshold.sigmas else {})}


def _value(report: Report, threshold: DriftThreshold, live: ModelVersion) -> float | None:
    """The measurement nearest to the limit, or furthest beyond; of a metric, reports keep the extremes."""
    measured = [each.measurement for each in report.extremes if threshold.concerns(each.name, each.feature)]
    limits = [(each, limit_for(threshold, each, baseline_of(live.status.metrics, each.name))) for each in measured]
    excess = [(limit.excess(each.value) if limit else 0.0, each.value) for each, limit in limits]
    return max(excess)[1] if excess else None
