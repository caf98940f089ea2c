"""The outcome of one drift report by itself: whether it can be used, and whether it breaches a threshold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from perennial_operator.core.api.drift_report import Breach, DriftReport, Measurement, Outcome
from perennial_operator.core.api.model_version import ModelVersion
from perennial_operator.core.api.thresholds import DriftThreshold
from perennial_operator.core.api.values import shown
from perennial_operator.core.drift_reports import Report
from perennial_operator.core.rules.limits import Growth, baseline_of, lacks_standard_error, limit_for
from perennial_operator.core.world import World, not_in_future

Pair = tuple[DriftThreshold, Measurement]
"""A threshold and a measurement that it applies to."""

MAX_BREACHES_IN_MESSAGE, MAX_BREACHES_IN_STATUS = 3, 100


@dataclass(frozen=True, slots=True)
class Verdict:
    outcome: Outcome
    message: str
    version: str | None = None
    breaches: tuple[Breach, ...] = ()
    candidate: str | None = None


def subject(report: Report | DriftReport, world: World) -> str | None:
    """The version that the report names, or else the version that was live when the report was first seen."""
    return report.about or (world.live.name if world.live else None)


def judge(report: DriftReport, world: World, duplicate_of: str | None = None) -> Verdict:
    """The verdict on the report by itself: one of the final outcomes, or Breach.

    It is compared with the live version, or with the candidate while that serves beside it and is analysed. Whether a
    breach starts a training is not decided here. `duplicate_of` is an earlier report of the same measurement.
    """
    drift, about = world.spec.drift, subject(report, world)
    version = (
        world.analysed_candidate if world.analysed_candidate and world.analysed_candidate.name == about else world.live
    )
    if drift is None:
        message = f"ModelDeployment {world.name} has no spec.drift, so there is no limit; set spec.drift.thresholds"
        return Verdict(Outcome.INVALID, message, about)
    if version is None:
        return Verdict(Outcome.STALE, "no version is live yet, so the report is about none", about)
    if message := _stale(report, world, version, about):
        return Verdict(Outcome.STALE, message, about)
    if duplicate_of:
        return Verdict(Outcome.DUPLICATE, f"same version, window and metrics as {duplicate_of}", about)
    if report.spec.samples < drift.min_samples:
        message = f"{report.spec.samples} samples are fewer than spec.drift.minSamples {drift.min_samples}"
        return Verdict(Outcome.TOO_FEW_SAMPLES, message, about)
    pairs = [(t, m) for t in drift.thresholds for m in report.spec.metrics if t.concerns(m.name, m.feature)]
    if message := _invalid(report, world, version, pairs):
        return Verdict(Outcome.INVALID, message, about)
    breaches = [breach for pair in pairs if (breach := _breach(*pair, version))]
    if not breaches:
        return Verdict(Outcome.WITHIN_THRESHOLDS, f"within thresholds: {_worst(drift.thresholds, pairs)}", about)
    others = len(breaches) - MAX_BREACHES_IN_MESSAGE
    message = "; ".join(text for _, text in breaches[:MAX_BREACHES_IN_MESSAGE])
    message += f"; and {others} more" if others > 0 else ""
    return Verdict(Outcome.BREACH, message, about, tuple(breach for breach, _ in breaches[:MAX_BREACHES_IN_STATUS]))


def _stale(report: DriftReport, world: World, version: ModelVersion, about: str | None) -> str:
    """Why the report is not about the version as it serves now; empty if it is."""
    if about != version.name:
        return f"the report is about {about}, and {version.name} is live"
    since = next(iter(not_in_future(world, version.status.live_since)), None)
    if since and report.metadata.creation_timestamp < since and about != report.spec.model_version:
        return f"the report was written before {version.name} went live at {since:%Y-%m-%d %H:%M:%S}"
    trained_until = version.status.data.end if version.status.data else None
    earliest = trained_until or since
    if report.spec.window and earliest and report.spec.window.end <= earliest:
        event = "was trained on data up to" if trained_until else "went live at"
        end = report.spec.window.end
        return f"its window ends at {end:%Y-%m-%d %H:%M:%S}, and {version.name} {event} {earliest:%Y-%m-%d %H:%M:%S}"
    return ""


def _invalid(report: DriftReport, world: World, version: ModelVersion, pairs: Sequence[Pair]) -> str:
    """Why the report cannot be compared with the thresholds; empty if it can."""
    if not report.spec.metrics:
        return "spec.metrics is empty, so nothing was measured; write at least one metric"
    if not pairs:
        assert world.spec.drift
        metrics = ", ".join([*dict.fromkeys(_name(metric) for metric in report.spec.metrics)][:10])
        wanted = ", ".join(dict.fromkeys(_subject_of(threshold) for threshold in world.spec.drift.thresholds))
        return f"none of its metrics ({metrics}) has a threshold; spec.drift.thresholds asks for {wanted}"
    for threshold, metric in pairs:
        if lacks_standard_error(threshold, metric):
            return (
                f"{_name(metric)} has no standardError, which the threshold's sigmas {threshold.sigmas:g} needs; "
                "write it, or remove sigmas"
            )
        if threshold.max_increase is not None and baseline_of(version.status.metrics, metric.name) is None:
            return (
                f"{metric.name} was not measured when {version.name} was validated, so maxIncrease has nothing to "
                f"compare with; give the threshold on {metric.name} a max instead"
            )
    return ""


def _breach(threshold: DriftThreshold, metric: Measurement, version: ModelVersion) -> tuple[Breach, str] | None:
    """The breach and a message about it, or None if the measurement is within its limit."""
    limit = limit_for(threshold, metric, baseline_of(version.status.metrics, metric.name))
    if limit is None or not limit.is_crossed(metric.value):
        return None
    side = "above" if limit.side == "max" else "below"
    message = f"{_name(metric)} is {shown(metric.value)}, {side} {shown(limit.value)}"
    if limit.growth:
        message += f": {_allowed(limit.growth, version.name)}"
    return Breach(metric=metric.name, feature=metric.feature, value=metric.value, limit=limit.value), message


def _allowed(growth: Growth, version: str) -> str:
    """`100 when bike-v1 was validated, plus the greater of 5 (maxIncrease 0.05) and 23 (sigmas 3 times …)`."""
    allowed = f"{shown(growth.baseline * growth.share)} (maxIncrease {growth.share:g})"
    if growth.sigmas:
        error = growth.standard_error
        by_error = f"{shown(growth.sigmas * error)} (sigmas {growth.sigmas:g} times standard error {shown(error)})"
        allowed = f"the greater of {allowed} and {by_error}"
    return f"{shown(growth.baseline)} when {version} was validated, plus {allowed}"


def _worst(thresholds: Sequence[DriftThreshold], pairs: Sequence[Pair]) -> str:
    """For each threshold, the measurement that comes nearest to its limit."""
    worst = []
    for threshold in thresholds:
        measurements = [metric for each, metric in pairs if each is threshold]
        if measurements:
            low = threshold.max is None and threshold.min is not None
            nearest = (min if low else max)(measurements, key=lambda metric: metric.value)
            worst.append(f"{_name(nearest)} {shown(nearest.value)}")
    return ", ".join(dict.fromkeys(worst))


def _name(metric: Measurement) -> str:
    return f"{metric.name} of {metric.feature}" if metric.feature else metric.name


def _subject_of(threshold: DriftThreshold) -> str:
    return threshold.metric + (f" of {', '.join(threshold.features[:10])}" if threshold.features else "")
