"""Does the analysis of a roll-out's step pass, fail, or lack data?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from perennial_operator.core.api import analysis as reasons
from perennial_operator.core.api.analysis import Analysis
from perennial_operator.core.api.drift_report import Outcome
from perennial_operator.core.api.model_version import ModelVersion, Phase, RolloutState
from perennial_operator.core.api.request_stats import AnalysisState, Pair, Tally
from perennial_operator.core.api.values import as_delta, shown
from perennial_operator.core.rules.canary_comparison import (
    AnalysisOutcome,
    compare_errors,
    compare_latency,
    error_share,
    latency,
)
from perennial_operator.core.rules.report_verdict import subject
from perennial_operator.core.traffic.traffic_split import is_analysed
from perennial_operator.core.world import Sample, World


@dataclass(frozen=True, slots=True)
class AnalysisResult:
    outcome: AnalysisOutcome
    reason: str
    message: str

    @property
    def condition_status(self) -> bool | None:
        """As a condition's status has it: None, which is written as Unknown, while it is inconclusive."""
        return None if self.outcome is AnalysisOutcome.INCONCLUSIVE else self.outcome is AnalysisOutcome.PASSED


def analysis_of(world: World, state: RolloutState) -> Analysis | None:
    """The analysis of the step; None if none is configured, or one version serves alone."""
    return world.spec.rollout.analysis if is_analysed(world, state.weight) else None


def next_sample_at(world: World, state: RolloutState) -> datetime | None:
    """When to measure next: as soon as the step's replicas are ready, then at each interval."""
    analysis = analysis_of(world, state)
    if analysis is None or state.ready_at is None:
        return None
    return state.analysis.sampled_at + as_delta(analysis.interval) if state.analysis else state.ready_at


def sample_is_due(world: World) -> bool:
    """Whether a roll-out needs a sample in this pass."""
    version = world.candidate
    state = version.status.rollout if version and version.phase is Phase.ROLLING_OUT else None
    at = next_sample_at(world, state) if state and not world.automation_paused else None
    return at is not None and at <= world.now


def data_deadline(world: World, state: RolloutState, hold_ends: datetime) -> datetime:
    """Until when the step waits for data."""
    analysis = analysis_of(world, state)
    return hold_ends + as_delta(analysis.limit) if analysis else hold_ends


def has_passed(world: World, state: RolloutState) -> bool:
    """Whether no analysis is configured, or the last sample passed it."""
    return analysis_of(world, state) is None or (state.analysis is not None and state.analysis.passed)


def assess_sample(
    world: World, version: ModelVersion, state: RolloutState, sample: Sample, hold_ends: datetime
) -> tuple[AnalysisState, AnalysisResult]:
    """The step's measurements with this sample added, and their result."""
    analysis, live = analysis_of(world, state), world.live
    assert analysis and live
    before = state.analysis or AnalysisState(since=world.now, sampled_at=world.now)
    pods, added = before.after(dict(sample.pods.get(version.name, {})), dict(sample.pods.get(live.name, {})))
    step, recent = before.step + added, before.recent + added
    late = hold_ends + as_delta(analysis.limit) <= world.now
    if step.candidate.requests >= analysis.min_requests > step.live.requests and (late or not _answers(world, live)):
        result = _result_alone(analysis, live, step.candidate, recent.candidate, sample)
    else:
        result = _result(analysis, before.since, step, recent, sample)
    if result.outcome is AnalysisOutcome.INCONCLUSIVE and hold_ends <= world.now:
        until = data_deadline(world, state, hold_ends)
        message = f"{result.message}; without data the candidate is rolled back at {until:%H:%M:%S}"
        result = AnalysisResult(AnalysisOutcome.INCONCLUSIVE, reasons.NO_DATA, message)
    after = AnalysisState(
        since=before.since,
        sampled_at=world.now,
        pods=pods,
        step=step,
        recent=Pair() if recent.fewest >= analysis.min_requests else recent,
        passed=result.outcome is AnalysisOutcome.PASSED,
    )
    return after, result


def breach_of(world: World, version: ModelVersion) -> AnalysisResult | None:
    """The failure that a breaching drift report about the candidate is; None without one."""
    if world.spec.rollout.analysis is None:
        return None
    for report in world.reports:
        if report.outcome is Outcome.BREACH and subject(report, world) == version.name:
            message = f"report {report.name}: {report.message}"
            return AnalysisResult(AnalysisOutcome.FAILED, reasons.BREACHED, message)
    return None


def _answers(world: World, version: ModelVersion) -> bool:
    serving = world.serving.get(version.name)
    return serving is not None and serving.answering > 0


def _result_alone(analysis: Analysis, live: ModelVersion, step: Tally, recent: Tally, sample: Sample) -> AnalysisResult:
    """The result beside a live version that does not answer: going back to it would help no one.

    Errors that exceed the limit are inconclusive, since nothing shows that the model causes them.
    """
    alone = f"{live.name} answered too few requests to compare with"
    limit = f"the greatest share of failed requests is {shown(100 * analysis.max_error_share)} %"
    for tally in (step, recent):
        if error_share(tally) > analysis.max_error_share:
            message = f"{_shown(tally)}; {alone}, and {limit}"
            return AnalysisResult(AnalysisOutcome.INCONCLUSIVE, reasons.MEASURING, message)
    result = query_result(analysis, Pair(candidate=step), sample)
    if result.outcome is not AnalysisOutcome.PASSED:
        return result
    return AnalysisResult(result.outcome, result.reason, f"{result.message}; judged alone, since {alone}; {limit}")


def _result(analysis: Analysis, since: datetime, step: Pair, recent: Pair, sample: Sample) -> AnalysisResult:
    if step.fewest < analysis.min_requests:
        message = _waiting_message(analysis, step, since, sample)
        return AnalysisResult(AnalysisOutcome.INCONCLUSIVE, reasons.MEASURING, message)
    results = [query_result(analysis, step, sample)]
    if analysis.min_requests:
        # A difference that may be chance is not a pass. Only the whole step counts: in few requests it is common.
        enough = recent.fewest >= analysis.min_requests
        recent_results = comparisons(analysis, recent) if enough else ()
        failed = (result for result in recent_results if result.outcome is AnalysisOutcome.FAILED)
        results = [*comparisons(analysis, step), *failed, *results]
    return min(results, key=lambda result: result.outcome)


def comparisons(analysis: Analysis, span: Pair, other: str = "live version") -> Iterator[AnalysisResult]:
    """One result for each respect in which the candidate is worse than the other version, or may be."""
    ours, theirs = span.candidate, span.live
    whose = "the live version's" if other == "live version" else f"that of {other}"
    points = f"more than {shown(100 * analysis.max_error_share)} points above {whose}"
    times = f"more than {analysis.max_latency_ratio:g} times {whose}"
    for outcome, reason, difference in (
        (compare_errors(ours, theirs, analysis.max_error_share), reasons.TOO_MANY_ERRORS, f"errors are {points}"),
        (compare_latency(ours, theirs, analysis.max_latency_ratio), reasons.TOO_SLOW, f"latency is {times}"),
    ):
        message = f"{figures_of(span, other)}: {difference}"
        if outcome is AnalysisOutcome.FAILED:
            yield AnalysisResult(outcome, reason, message)
        elif outcome is AnalysisOutcome.INCONCLUSIVE:
            yield AnalysisResult(outcome, reasons.MEASURING, f"{message}, which may still be chance")


def query_result(analysis: Analysis, step: Pair, sample: Sample) -> AnalysisResult:
    """The result of the queries; an exceeded limit takes precedence over a missing answer."""
    measured = [figures_of(step)] if analysis.min_requests else []
    missing = []
    for query in analysis.queries:
        answers = sample.answers.get(query.name, ())
        for answer in answers:
            limit = query.crossed(answer)
            if limit is not None:
                side = "above" if answer > limit else "below"
                message = f"query {query.name} is {shown(answer)}, {side} {shown(limit)}"
                return AnalysisResult(AnalysisOutcome.FAILED, reasons.QUERY_BEYOND_LIMIT, message)
        if answers:
            measured.append(f"query {query.name} is {', '.join(shown(answer) for answer in answers[:3])}")
        else:
            missing.append(query.name)
    if missing:
        message = "; ".join([f"no answer to query {', '.join(missing)}", *sample.troubles[:2]])
        return AnalysisResult(AnalysisOutcome.INCONCLUSIVE, reasons.MEASURING, message)
    return AnalysisResult(AnalysisOutcome.PASSED, reasons.PASSED, "; ".join(measured))


def _waiting_message(analysis: Analysis, step: Pair, since: datetime, sample: Sample) -> str:
    counts = (
        f"{step.candidate.requests} requests to the candidate and {step.live.requests} to the live version "
        f"since {since:%H:%M:%S}, and {analysis.min_requests} to each are needed"
    )
    return "; ".join([counts, *sample.troubles[:2]])


def figures_of(pair: Pair, other: str = "live version") -> str:
    return f"{_shown(pair.candidate)}; {other} {_shown(pair.live)}"


def _shown(tally: Tally) -> str:
    """For people. The mean prediction is shown but not compared: a candidate is trained to predict something else."""
    mean = f", {shown(tally.total / tally.predicted)} predicted on average" if tally.predicted else ""
    return (
        f"{tally.requests} requests, {shown(100 * error_share(tally))} % failed, "
        f"{shown(1000 * latency(tally))} ms each{mean}"
    )


def wakes_at(world: World, state: RolloutState, hold_ends: datetime) -> Iterator[datetime]:
    """When the next sample is due, and when the wait for data is over."""
    at = next_sample_at(world, state)
    if at:
        yield at
        yield data_deadline(world, state, hold_ends)
