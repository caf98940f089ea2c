"""The values exported for a model: each drift metric with its limit, and how long each stage took."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from perennial_operator.core.api.conditions import find
from perennial_operator.core.api.model_version import ModelVersion
from perennial_operator.core.rules.limits import baseline_of, limit_for
from perennial_operator.core.rules.phases import measured_stage
from perennial_operator.core.world import World


@dataclass(frozen=True, slots=True)
class WatchedMetric:
    """The measurement of a metric that is nearest to its limit or furthest beyond it."""

    metric: str
    value: float
    limit: float


@dataclass(frozen=True, slots=True)
class Ended:
    stage: str
    seconds: float


def watched_metrics(world: World) -> tuple[WatchedMetric, ...]:
    """One for each metric of the newest report about the live version that has a threshold.

    Of each metric a report keeps the smallest and the greatest measurement; a threshold with `features` applies where
    one of these two is of such a feature.
    """
    live, drift = world.live, world.spec.drift
    reports = [report for report in world.reports if live and report.about == live.name and report.outcome]
    if live is None or drift is None or not reports:
        return ()
    measured = [extreme.measurement for extreme in reports[-1].extremes]
    compared = [
        (limit.excess(each.value), WatchedMetric(each.name, each.value, limit.value))
        for threshold in drift.thresholds
        for each in measured
        if threshold.concerns(each.name, each.feature)
        and (limit := limit_for(threshold, each, baseline_of(live.status.metrics, each.name)))
    ]
    by_excess = sorted(compared, key=lambda pair: pair[0])
    return tuple({watched.metric: watched for _, watched in by_excess}.values())


def stage_that_ended(before: ModelVersion, now: datetime) -> Ended | None:
    """The stage that a version leaves when it leaves this phase, and how long it took."""
    measured = measured_stage(before.phase)
    if measured is None:
        return None
    stage, conditions = measured
    began = [c.last_transition_time for name in conditions if (c := find(before.status.conditions, name))]
    return Ended(stage, max(0.0, (now - (began[0] if began else before.metadata.creation_timestamp)).total_seconds()))
