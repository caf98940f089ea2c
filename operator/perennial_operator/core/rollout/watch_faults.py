"""What is wrong with a version that was just promoted, so that its predecessor should serve again?"""

from __future__ import annotations

from datetime import datetime, timedelta

from perennial_operator.core.api import analysis as reasons
from perennial_operator.core.api.drift_report import BREACHED, Outcome
from perennial_operator.core.api.model_version import ModelVersion
from perennial_operator.core.api.request_stats import AnalysisState, Pair
from perennial_operator.core.api.thresholds import QUALITY_METRICS
from perennial_operator.core.api.values import as_delta, shown
from perennial_operator.core.api.watch import WatchState
from perennial_operator.core.drift_reports import Report
from perennial_operator.core.rollout.analysis import comparisons, figures_of, query_result
from perennial_operator.core.rules.canary_comparison import AnalysisOutcome, compare_errors
from perennial_operator.core.rules.limits import baseline_of, limit_for
from perennial_operator.core.rules.report_verdict import subject
from perennial_operator.core.traffic.predecessor import predecessor_of, watch_of
from perennial_operator.core.world import Sample, World

LONGEST_SILENCE = timedelta(minutes=5)
"""Without any ready pod a version goes back after this time, if spec.rollout.timeout is not shorter."""

Fault = tuple[str, str]
"""Reason and message."""


def fault(world: World, version: ModelVersion, watch: WatchState) -> Fault | None:
    """Why the predecessor should serve again, by the pods and the drift reports; None if nothing is wrong."""
    serving = world.serving.get(version.name)
    if serving and serving.refusal:
        return str(serving.refusal.get("reason", "Refused")), str(serving.refusal.get("message"))
    for report in world.reports:
        if _is_quality_breach(world, version, watch, report):
            return reasons.BREACHED, f"report {report.name}: {report.message}"
    if is_short(world, version, watch) and watch.unready_since and unready_deadline(world, version, watch) <= world.now:
        count = serving.answering if serving else 0
        because = f": {serving.trouble}" if serving and serving.trouble else ""
        limit = int(_longest_unready(world, version, watch).total_seconds())
        needed = _needed(world, watch)
        message = f"fewer than {needed} replicas were ready for {limit} seconds of the watch, {count} are now{because}"
        return "NotReady", message
    return None


def is_short(world: World, version: ModelVersion, watch: WatchState) -> bool:
    """Whether fewer replicas are ready than at the promotion, or than are asked for now if those are fewer."""
    serving = world.serving.get(version.name)
    return (serving.answering if serving else 0) < _needed(world, watch)


def short_since(world: World, version: ModelVersion, watch: WatchState) -> datetime | None:
    """Now if too few replicas are ready."""
    return world.now if is_short(world, version, watch) else None


def unready_deadline(world: World, version: ModelVersion, watch: WatchState) -> datetime:
    """Until when too few replicas may be ready."""
    assert watch.unready_since
    return watch.unready_since + _longest_unready(world, version, watch) - timedelta(seconds=watch.unready)


def next_sample_at(world: World) -> datetime | None:
    """When the watched version is measured next; None if it is not."""
    analysis, watch = world.spec.rollout.analysis, watch_of(world)
    if analysis is None or watch is None or watch.since is None or watch.reason or predecessor_of(world) is None:
        return None
    return max(watch.since, watch.analysis.sampled_at + as_delta(analysis.interval)) if watch.analysis else watch.since


def sample_is_due(world: World) -> bool:
    """Whether the watch needs a sample in this pass."""
    at = next_sample_at(world)
    stands = world.automation_paused or world.spec.serving.replicas == 0
    return at is not None and at <= world.now and not stands


def measured(
    world: World, version: ModelVersion, watch: WatchState, predecessor: ModelVersion, sample: Sample
) -> tuple[AnalysisState, Fault | None]:
    """The measurements with this sample added, and what they prove to be wrong."""
    analysis = world.spec.rollout.analysis
    assert analysis
    before = watch.analysis or AnalysisState(since=world.now, sampled_at=world.now)
    ours, theirs = (dict(sample.pods.get(each.name, {})) for each in (version, predecessor))
    pods, added = before.after(ours, theirs)
    whole, recent = before.step + added, before.recent + added
    beside = whole.live.requests >= analysis.min_requests
    full = (recent.fewest if beside else recent.candidate.requests) >= analysis.min_requests
    after = AnalysisState(
        since=before.since, sampled_at=world.now, pods=pods, step=whole, recent=Pair() if full else recent
    )
    spans = [whole, *([recent] if full else [])] if analysis.min_requests else []
    for span in spans:
        if span.candidate.requests < analysis.min_requests:
            continue
        if beside:
            for result in comparisons(analysis, span, predecessor.name):
                if result.outcome is AnalysisOutcome.FAILED:
                    return after, (result.reason, result.message)
        elif failed := _alone(analysis.max_error_share, span, watch, predecessor):
            return after, failed
    result = query_result(analysis, whole, sample)
    return after, (result.reason, result.message) if result.outcome is AnalysisOutcome.FAILED else None


def _alone(allowed: float, span: Pair, watch: WatchState, predecessor: ModelVersion) -> Fault | None:
    """Errors beyond those of the predecessor in the roll-out: it gets no requests now to compare with."""
    if watch.baseline is None or compare_errors(span.candidate, watch.baseline, allowed) is not AnalysisOutcome.FAILED:
        return None
    figures = figures_of(Pair(candidate=span.candidate, live=watch.baseline), f"{predecessor.name} in the roll-out")
    return reasons.ERRORS_ROSE, f"{figures}: errors are more than {shown(100 * allowed)} points above"


def _is_quality_breach(world: World, version: ModelVersion, watch: WatchState, report: Report) -> bool:
    """Whether a report says that a quality metric of the version is beyond its threshold, or that the other is better.

    A report that compares it with the predecessor counts whenever it was made: its rows are those of the roll-out.
    """
    if report.against:
        same = subject(report, world) == version.name and report.against == watch.predecessor
        return same and report.outcome is Outcome.BREACH
    # The promotion, or the watch's own time if a wrong clock says that the promotion is still to come.
    since = min((at for at in (version.status.live_since, watch.since) if at), default=None)
    drift = world.spec.drift
    if report.outcome not in BREACHED or subject(report, world) != version.name:
        return False
    if drift is None or since is None or report.created_at < since:
        return False
    for threshold in drift.thresholds:
        for extreme in report.extremes:
            if threshold.metric in QUALITY_METRICS and threshold.concerns(extreme.name, extreme.feature):
                limit = limit_for(threshold, extreme.measurement, baseline_of(version.status.metrics, extreme.name))
                if limit and limit.is_crossed(extreme.value):
                    return True
    return False


def _needed(world: World, watch: WatchState) -> int:
    return max(1, min(world.spec.serving.replicas, watch.replicas))


def _longest_unready(world: World, version: ModelVersion, watch: WatchState) -> timedelta:
    serving, timeout = world.serving.get(version.name), as_delta(world.spec.rollout.timeout)
    stood = watch.elapsed > 0 or watch.replicas == 0
    starts = stood and watch.unready_since == watch.since  # its pods, since spec.serving.replicas was 0
    return timeout if starts or (serving and serving.answering) else min(timeout, LONGEST_SILENCE)
