"""What does one drift report say by itself: is it usable, and does it breach?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from perennial_operator.core.api.drift_report import Breach, DriftReport, Measurement, Outcome
from perennial_operator.core.api.model_version import ModelVersion
from perennial_operator.core.api.thresholds import DriftThreshold
from perennial_operator.core.api.values import shown
from perennial_operator.core.drift_reports import Report
from perennial_operator.core.world import World, by_now

Pair = tuple[DriftThreshold, Measurement]
"""A limit and a number that it is about."""

TOLD = 3
"""How many breaches a message names; the status holds more."""


@dataclass(frozen=True, slots=True)
class Verdict:
    outcome: Outcome
    message: str
    version: str | None = None
    breaches: tuple[Breach, ...] = ()
    candidate: str | None = None


def subject(report: Report | DriftReport, world: World) -> str | None:
    """The version a report is about: the one it names, or else the one that was live when it was first seen."""
    return report.about or (world.live.name if world.live else None)


def judge(report: DriftReport, world: World, twin: str | None = None) -> Verdict:
    """The report's verdict by itself: one of the final outcomes, or Breach.

    It is held to the live version, or to the candidate while that serves beside it and is analysed. Whether a breach
    starts a training is not asked here. `twin` is an earlier report of the same measurement.
    """
    drift, about = world.spec.drift, subject(report, world)
    version = world.on_trial if world.on_trial and world.on_trial.name == about else world.live
    if drift is None:
        told = f"ModelDeployment {world.name} has no spec.drift, so no limit to compare with; set spec.drift.thresholds"
        return Verdict(Outcome.INVALID, told, about)
    if version is None:
        return Verdict(Outcome.STALE, "no version is live yet, so there is nothing it could be about", about)
    if told := _stale(report, world, version, about):
        return Verdict(Outcome.STALE, told, about)
    if twin:
        return Verdict(Outcome.DUPLICATE, f"version, window and metrics are those of {twin}", about)
    if report.spec.samples < drift.min_samples:
        told = f"{report.spec.samples} samples are fewer than spec.drift.minSamples {drift.min_samples}"
        return Verdict(Outcome.TOO_FEW_SAMPLES, told, about)
    pairs = [(t, m) for t in drift.thresholds for m in report.spec.metrics if t.concerns(m.name, m.feature)]
    if told := _invalid(report, world, version, pairs):
        return Verdict(Outcome.INVALID, told, about)
    found = [breach for pair in pairs if (breach := _breach(*pair, version))]
    if not found:
        return Verdict(Outcome.WITHIN_THRESHOLDS, f"within thresholds: {_worst(drift.thresholds, pairs)}", about)
    more = f"; and {len(found) - TOLD} more" if len(found) > TOLD else ""
    message = "; ".join(text for _, text in found[:TOLD]) + more
    return Verdict(Outcome.BREACH, message, about, tuple(breach for breach, _ in found[:100]))


def _stale(report: DriftReport, world: World, version: ModelVersion, about: str | None) -> str:
    if about != version.name:
        return f"it is about {about}, and {version.name} is live"
    since = next(iter(by_now(world, version.status.live_since)), None)
    if since and report.metadata.creation_timestamp < since and about != report.spec.model_version:
        return f"it was written before {version.name} went live at {since:%Y-%m-%d %H:%M:%S}"
    learnt = version.status.data.end if version.status.data else None
    known = learnt or since
    if report.spec.window and known and report.spec.window.end <= known:
        what = "was trained on data up to" if learnt else "went live at"
        end = report.spec.window.end
        return f"its window ends at {end:%Y-%m-%d %H:%M:%S}, and {version.name} {what} {known:%Y-%m-%d %H:%M:%S}"
    return ""


def _invalid(report: DriftReport, world: World, version: ModelVersion, pairs: Sequence[Pair]) -> str:
    if not report.spec.metrics:
        return "spec.metrics is empty, so nothing was measured; write at least one metric"
    if not pairs:
        assert world.spec.drift
        carried = ", ".join([*dict.fromkeys(_name(metric) for metric in report.spec.metrics)][:10])
        wanted = ", ".join(dict.fromkeys(_limited(threshold) for threshold in world.spec.drift.thresholds))
        return f"none of its metrics ({carried}) has a threshold; spec.drift.thresholds asks for {wanted}"
    for threshold, metric in pairs:
        if threshold.sigmas and metric.standard_error is None:
            return (
                f"{_name(metric)} has no standardError, which the threshold's sigmas {threshold.sigmas:g} needs; "
                "write it, or remove sigmas"
            )
        if threshold.max_increase is not None and _proven(version, metric.name) is None:
            return (
                f"{metric.name} was not measured when {version.name} was validated, so maxIncrease has nothing to "
                f"compare with; give the threshold on {metric.name} a max instead"
            )
    return ""


def _breach(threshold: DriftThreshold, metric: Measurement, version: ModelVersion) -> tuple[Breach, str] | None:
    limit = threshold.crossed(metric.value)
    baseline = _proven(version, metric.name)
    if limit is not None:
        side = "above" if metric.value > limit else "below"
        text = f"{_name(metric)} is {shown(metric.value)}, {side} {shown(limit)}"
    elif baseline is not None:
        proven = version.status.metrics
        error = ((proven and proven.standard_errors) or {}).get(metric.name, 0.0)
        limit = threshold.outgrown(metric.value, metric.standard_error or 0.0, baseline, error)
        text = (
            f"{_name(metric)} is {shown(metric.value)}, was {shown(baseline)} when {version.name} was validated, "
            f"and may grow to {shown(limit or 0)}"
        )
    if limit is None:
        return None
    return Breach(metric=metric.name, feature=metric.feature, value=metric.value, limit=limit), text


def _proven(version: ModelVersion, metric: str) -> float | None:
    return version.status.metrics.candidate.get(metric) if version.status.metrics else None


def _worst(thresholds: Sequence[DriftThreshold], pairs: Sequence[Pair]) -> str:
    """The number of each threshold that comes nearest to its limit."""
    told = []
    for threshold in thresholds:
        numbers = [metric for one, metric in pairs if one is threshold]
        if numbers:
            low = threshold.max is None and threshold.min is not None
            worst = (min if low else max)(numbers, key=lambda metric: metric.value)
            told.append(f"{_name(worst)} {shown(worst.value)}")
    return ", ".join(dict.fromkeys(told))


def _name(metric: Measurement) -> str:
    return f"{metric.name} of {metric.feature}" if metric.feature else metric.name


def _limited(threshold: DriftThreshold) -> str:
    return threshold.metric + (f" of {', '.join(threshold.features[:10])}" if threshold.features else "")
