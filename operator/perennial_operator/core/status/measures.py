"""What is worth measuring about a model: how far its drift is from the limits, and how long each stage took."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from perennial_operator.core.api.conditions import find
from perennial_operator.core.api.model_version import ModelVersion, Phase
from perennial_operator.core.world import World


@dataclass(frozen=True, slots=True)
class Limit:
    """The worst value of a metric in the newest report about the live version, and the limit it is held to."""

    metric: str
    value: float
    limit: float


@dataclass(frozen=True, slots=True)
class Ended:
    stage: str
    seconds: float


BEGAN_BY = {
    Phase.TRAINING: ("training", ()),
    Phase.VALIDATING: ("validation", ("Trained",)),
    Phase.ROLLING_OUT: ("rollout", ("Approved", "Validated")),
}
"""Phase → the stage it is, and the conditions whose change began it. Waiting for a person is no stage."""


def watched_limits(world: World) -> tuple[Limit, ...]:
    """One for each threshold that the newest report about the live version speaks of."""
    live, drift = world.live, world.spec.drift
    if live is None or drift is None:
        return ()
    about = [report for report in world.reports if report.about == live.name and report.outcome]
    if not about:
        return ()
    baselines = live.status.metrics.candidate if live.status.metrics else {}
    extremes = {name: (least, greatest) for name, least, greatest in about[-1].extremes}
    found = []
    for threshold in drift.thresholds:
        if threshold.metric not in extremes:
            continue
        least, greatest = extremes[threshold.metric]
        if threshold.max is None and threshold.min is not None:
            found.append(Limit(threshold.metric, least, threshold.min))
        elif threshold.max is not None:
            found.append(Limit(threshold.metric, greatest, threshold.max))
        elif threshold.max_increase is not None and threshold.metric in baselines:
            limit = baselines[threshold.metric] * (1 + threshold.max_increase)
            found.append(Limit(threshold.metric, greatest, limit))
    return tuple({limit.metric: limit for limit in found}.values())


def stage_that_ended(before: ModelVersion, now: datetime) -> Ended | None:
    """The stage that a version leaves when it leaves this phase, and how long it took."""
    stage, conditions = BEGAN_BY.get(before.phase, ("", ()))
    if not stage:
        return None
    began = [c.last_transition_time for name in conditions if (c := find(before.status.conditions, name))]
    return Ended(stage, max(0.0, (now - (began[0] if began else before.metadata.creation_timestamp)).total_seconds()))
