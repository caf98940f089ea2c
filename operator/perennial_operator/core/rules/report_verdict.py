"""The outcome of one drift report by itself: whether it can be used, and whether it breaches a threshold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from perennial_operator.core.api.drift import DriftSpec
from perennial_operator.core.api.drift_report import (
    OWN_SOURCE,
    Breach,
    DriftReport,
    NotMeasured,
    OtherVersion,
    Outcome,
)
from perennial_operator.core.api.metric_table import REGRET
from perennial_operator.core.api.model_version import ModelVersion
from perennial_operator.core.api.values import shown
from perennial_operator.core.drift_reports import Report
from perennial_operator.core.rules.breaches import Comparison, Pair, compare, pairs_of, thresholds_for
from perennial_operator.core.rules.canary_comparison import with_excess
from perennial_operator.core.rules.data_quality import Defect, bad_values, outdated_rows
from perennial_operator.core.rules.limits import baseline_of, lacks_standard_error
from perennial_operator.core.rules.trainings.regret import summed_regret
from perennial_operator.core.world import World, not_in_future, plausible

MAX_BREACHES_IN_STATUS = 100


@dataclass(frozen=True, slots=True)
class Verdict:
    outcome: Outcome
    message: str
    version: str | None = None
    breaches: tuple[Breach, ...] = ()
    candidate: str | None = None
    not_measured: tuple[NotMeasured, ...] = ()
    """Metrics of thresholds without a value."""
    quality_field: str = ""
    """Of bad data, the field of spec that decides so."""


def subject(report: Report | DriftReport, world: World) -> str | None:
    """The version that the report names, or else the version that was live when the report was first seen."""
    return report.about or (world.live.name if world.live else None)


def judge(report: DriftReport, world: World, duplicate_of: str | None = None) -> Verdict:
    """The verdict on the report by itself: one of the final outcomes, or Breach.

    It is compared with the live version, or with the candidate while that serves beside it and is analysed. Whether a
    breach starts a training is not decided here. `duplicate_of` is an earlier report of the same measurement.
    """
    drift, about = world.spec.drift, subject(report, world)
    candidate = world.analysed_candidate
    version = candidate if candidate and candidate.name == about else world.live
    if drift is None:
        message = f"ModelDeployment {world.name} has no spec.drift, so there is no limit; set spec.drift.thresholds"
        return Verdict(Outcome.INVALID, message, about)
    if version is None:
        return Verdict(Outcome.STALE, "no version is live yet, so the report is about none", about)
    if about != version.name:
        return Verdict(Outcome.STALE, f"the report is about {about}, and {version.name} is live", about)
    if message := _in_future(report, world):
        return Verdict(Outcome.INVALID, message, about)
    if against := report.spec.against:
        return _judge_pair(report, against, world, version, drift, duplicate_of)
    if defect := outdated_rows(report, drift.quality):
        return _bad_data(defect, about)
    if message := _stale(report, world, version):
        return Verdict(Outcome.STALE, message, about)
    if unusable := _unusable(report, drift, duplicate_of):
        return Verdict(*unusable, about)
    if defect := bad_values(report, drift.quality):
        return _bad_data(defect, about)
    thresholds = thresholds_for(drift.thresholds, against=False)
    pairs = pairs_of(thresholds, report)
    if message := _invalid(report, drift, version, pairs):
        return Verdict(Outcome.INVALID, message, about)
    return _compared(compare(thresholds, report, pairs, version), _regret(drift, report, world, version), about)


def _judge_pair(
    report: DriftReport,
    against: OtherVersion,
    world: World,
    version: ModelVersion,
    drift: DriftSpec,
    duplicate_of: str | None,
) -> Verdict:
    """The verdict on a report that compares the version with the one that it replaces, on the same rows."""
    watch, live = version.status.watch, world.live
    replaced = (watch and watch.predecessor) if version is live else (live and live.name)
    if against.model_version != replaced:
        now = f"it replaces {replaced} now" if replaced else "it is not watched any longer"
        message = f"the report compares {version.name} with {against.model_version}, and {now}"
        return Verdict(Outcome.STALE, message, version.name)
    if unusable := _unusable(report, drift, duplicate_of):
        waiting = f"; {report.spec.waiting} more wait for their label" if report.spec.waiting else ""
        return Verdict(unusable[0], f"{unusable[1]}{waiting}", version.name)
    thresholds = thresholds_for(drift.thresholds, against=True)
    pairs = pairs_of(thresholds, report)
    if message := _invalid(report, drift, version, pairs):
        return Verdict(Outcome.INVALID, message, version.name)
    tolerance = world.spec.validation.compared_by(version.spec.model.task).tolerance
    comparison = with_excess(compare(thresholds, report, pairs, version), report, against, tolerance)
    return _compared(comparison, None, version.name)


def _unusable(report: DriftReport, drift: DriftSpec, duplicate_of: str | None) -> tuple[Outcome, str] | None:
    """Why the report is not compared with its thresholds, or None."""
    if duplicate_of:
        same = "rows" if report.spec.rows_digest else "window and metrics"
        return Outcome.DUPLICATE, f"same version, {same} as {duplicate_of}"
    if report.spec.samples < drift.min_samples:
        rows = f"{report.spec.samples} samples are fewer than spec.drift.minSamples {drift.min_samples}"
        return Outcome.TOO_FEW_SAMPLES, rows
    return None


def _regret(drift: DriftSpec, report: DriftReport, world: World, version: ModelVersion) -> tuple[Breach, str] | None:
    """The sum of the regrets if it is beyond its limit, and a sentence about it; the candidate has none."""
    most = drift.challenger.max_regret
    if not drift.challenger.enabled or version is not world.live:
        return None
    regret = summed_regret(world, report, version.name)
    if regret is None or regret.total <= most:
        return None
    message = (
        f"a model of newer rows would save {regret.newest:.0%} of the loss of {version.name} on these rows; the "
        f"regrets of {regret.checks} checks add up to {shown(regret.total)}, above drift.challenger.maxRegret {most:g}"
    )
    return Breach(metric=REGRET, value=regret.total, limit=most), message


def _compared(comparison: Comparison, regret: tuple[Breach, str] | None, about: str | None) -> Verdict:
    """A breach decides, whatever else was not measured; without one, what was not measured might have been one."""
    missing, within = comparison.missing_message, comparison.within_message
    if comparison.breaches or regret:
        texts = [comparison.breach_message] if comparison.breaches else []
        texts += [regret[1]] if regret else []
        outcome, message = Outcome.BREACH, "; ".join(filter(None, (*texts, missing)))
    elif comparison.not_measured:
        outcome, message = Outcome.NOT_MEASURED, "; ".join(filter(None, (missing, within)))
    else:
        outcome, message = Outcome.WITHIN_THRESHOLDS, within
    all_breaches = (*comparison.breaches[:MAX_BREACHES_IN_STATUS], *((regret,) if regret else ()))
    breaches = tuple(breach for breach, _ in all_breaches)
    return Verdict(outcome, message, about, breaches, not_measured=comparison.not_measured)


def _bad_data(defect: Defect, about: str | None) -> Verdict:
    message = f"the recent data are bad, which is not drift: {defect.message}"
    return Verdict(Outcome.BAD_DATA, message, about, quality_field=defect.field)


def _in_future(report: DriftReport, world: World) -> str:
    """Why the report's window cannot be true; empty if it can."""
    window = report.spec.window
    if window is None or plausible(world, window.end):
        return ""
    return (
        f"its window ends at {window.end:%Y-%m-%d %H:%M:%S}, in the future: it is {world.now:%Y-%m-%d %H:%M:%S} now; "
        "remove the row with that time, or fix the clock that wrote it"
    )


def _stale(report: DriftReport, world: World, version: ModelVersion) -> str:
    """Why the report is not about the version as it serves now; empty if it is."""
    since = next(iter(not_in_future(world, version.status.live_since)), None)
    if since and report.metadata.creation_timestamp < since and version.name != report.spec.model_version:
        return f"the report was written before {version.name} went live at {since:%Y-%m-%d %H:%M:%S}"
    trained_until = plausible(world, version.status.data.end if version.status.data else None)
    earliest = trained_until or since
    if report.spec.window and earliest and report.spec.window.end <= earliest:
        event = "was trained on data up to" if trained_until else "went live at"
        end = report.spec.window.end
        return f"its window ends at {end:%Y-%m-%d %H:%M:%S}, and {version.name} {event} {earliest:%Y-%m-%d %H:%M:%S}"
    return ""


def _invalid(report: DriftReport, drift: DriftSpec, version: ModelVersion, pairs: Sequence[Pair]) -> str:
    """Why the report cannot be compared with the thresholds; empty if it can."""
    explained = bool(report.spec.not_measured)  # it says why it lacks a metric
    if not report.spec.metrics and not explained:
        return "spec.metrics is empty, so nothing was measured; write at least one metric"
    if not pairs and not explained and not report.spec.against and report.spec.source != OWN_SOURCE:
        metrics = ", ".join([*dict.fromkeys(metric.label for metric in report.spec.metrics)][:10])
        wanted = ", ".join(dict.fromkeys(threshold.label for threshold in drift.thresholds))
        return f"none of its metrics ({metrics}) has a threshold; spec.drift.thresholds asks for {wanted}"
    for threshold, metric in pairs:
        if lacks_standard_error(threshold, metric):
            return (
                f"{metric.label} has no standardError, which the threshold's sigmas {threshold.sigmas:g} needs; "
                "write it, or remove sigmas"
            )
        if threshold.max_increase is not None and baseline_of(version.status.metrics, metric.name) is None:
            return (
                f"{metric.name} was not measured when {version.name} was validated, so maxIncrease has nothing to "
                f"compare with; give the threshold on {metric.name} a max instead"
            )
    return ""
