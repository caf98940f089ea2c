"""The values exported for a model: each drift metric with its limit, and how long each stage took."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from perennial_operator.core.api.conditions import find
from perennial_operator.core.api.drift_report import Outcome
from perennial_operator.core.api.model_version import ModelVersion, Phase
from perennial_operator.core.drift_reports import Report, about_drift
from perennial_operator.core.rules.data_quality import bad_data_streaks
from perennial_operator.core.rules.limits import baseline_of, limit_for
from perennial_operator.core.rules.phases import measured_stage
from perennial_operator.core.rules.report_verdict import subject
from perennial_operator.core.rules.trainings.back_off import check_interval
from perennial_operator.core.stages.drift_assessment import NOT_COUNTED, live_outcomes, newest_report
from perennial_operator.core.stages.upkeep import upkeep_facts, wants_daily
from perennial_operator.core.world import World, not_in_future

UNUSABLE = NOT_COUNTED | {Outcome.BAD_DATA, Outcome.NOT_MEASURED, Outcome.TOO_FEW_SAMPLES}
"""Outcomes of reports after which it is not known whether the data drift."""


@dataclass(frozen=True, slots=True)
class WatchedMetric:
    """The measurement of a metric that is nearest to its limit or furthest beyond it."""

    metric: str
    value: float
    limit: float


@dataclass(frozen=True, slots=True)
class ModelGauges:
    """What is exported of one model."""

    live_since: datetime | None
    watched: tuple[WatchedMetric, ...]
    not_measured: Mapping[str, bool]
    """The metric of each threshold → whether the newest report about the live version has no value of it."""
    bad_data_reports: int
    """How many of the newest reports about it in a row had bad data."""
    newest_row: datetime | None
    """The end of the newest window that a report about it has measured."""
    last_good_check: datetime | None
    """When the newest report about it that could be judged was made, or else when it went live."""
    check_interval: timedelta | None
    """The time between two of the operator's own checks."""
    last_upkeep: datetime | None
    """When the last upkeep that succeeded began, or else when the live version went live."""
    ready_replicas: int
    wanted_replicas: int
    awaits_approval_since: datetime | None


@dataclass(frozen=True, slots=True)
class Ended:
    stage: str
    seconds: float


def watched_metrics(world: World) -> tuple[WatchedMetric, ...]:
    """One for each metric of the newest report about the live version that has a threshold.

    Of each metric a report keeps the smallest and the greatest measurement; a threshold with `features` applies where
    one of these two is of such a feature.
    """
    live, drift, newest = world.live, world.spec.drift, newest_report(world)
    if live is None or drift is None or newest is None:
        return ()
    measured = [extreme.measurement for extreme in newest.extremes]
    compared = [
        (limit.excess(each.value), WatchedMetric(each.name, each.value, limit.value))
        for threshold in drift.thresholds
        for each in measured
        if threshold.concerns(each.name, each.feature)
        and (limit := limit_for(threshold, each, baseline_of(live.status.metrics, each.name)))
    ]
    by_excess = sorted(compared, key=lambda pair: pair[0])
    return tuple({watched.metric: watched for _, watched in by_excess}.values())


def model_gauges(world: World) -> ModelGauges:
    streaks = [*bad_data_streaks(live_outcomes(world)).values()]
    return ModelGauges(
        live_since=world.live.status.live_since if world.live else None,
        watched=watched_metrics(world),
        not_measured=_unmeasured_metrics(world),
        bad_data_reports=streaks[-1] if streaks else 0,
        newest_row=max((each.measured_at for each in _about_live(world) if each.starts_at), default=None),
        last_good_check=_last_good_check(world),
        check_interval=None if world.spec.suspend or not world.live else check_interval(world, world.now) or None,
        last_upkeep=_last_upkeep(world),
        ready_replicas=sum(serving.answering for serving in world.serving.values()),
        wanted_replicas=world.spec.serving.replicas,
        awaits_approval_since=_awaits_approval_since(world),
    )


def _about_live(world: World) -> list[Report]:
    return [each for each in about_drift(world.reports) if world.live and subject(each, world) == world.live.name]


def _last_good_check(world: World) -> datetime | None:
    if world.live is None or world.spec.drift is None:
        return None
    good = [each.created_at for each in _about_live(world) if each.outcome and each.outcome not in UNUSABLE]
    return max(not_in_future(world, world.live.status.live_since, *good), default=None)


def _last_upkeep(world: World) -> datetime | None:
    if world.live is None or world.spec.suspend or not wants_daily(world):
        return None
    facts = upkeep_facts(world)
    return facts.last_time if facts and facts.last_time else world.live.status.live_since


def _awaits_approval_since(world: World) -> datetime | None:
    candidate = world.candidate
    if candidate is None or candidate.phase is not Phase.AWAITING_APPROVAL:
        return None
    validated = find(candidate.status.conditions, "Validated")
    return validated.last_transition_time if validated else candidate.metadata.creation_timestamp


def _unmeasured_metrics(world: World) -> dict[str, bool]:
    newest = newest_report(world)
    if newest is None or world.spec.drift is None:
        return {}
    missing = {each.metric for each in newest.not_measured}
    return {threshold.metric: threshold.metric in missing for threshold in world.spec.drift.thresholds}


def stage_that_ended(before: ModelVersion, now: datetime) -> Ended | None:
    """The stage that a version leaves when it leaves this phase, and how long it took."""
    measured = measured_stage(before.phase)
    if measured is None:
        return None
    stage, conditions = measured
    began = [c.last_transition_time for name in conditions if (c := find(before.status.conditions, name))]
    return Ended(stage, max(0.0, (now - (began[0] if began else before.metadata.creation_timestamp)).total_seconds()))
