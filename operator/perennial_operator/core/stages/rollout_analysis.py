"""What does the analysis of a roll-out's step say: pass, fail, or no data?"""

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
from perennial_operator.core.rules.canary_comparison import error_share, errs_more, is_slower, latency
from perennial_operator.core.rules.report_verdict import subject
from perennial_operator.core.traffic.runtime import ALL, SHADOW
from perennial_operator.core.traffic.traffic_split import shadow_asked
from perennial_operator.core.world import Sample, World


@dataclass(frozen=True, slots=True)
class Answer:
    passed: bool | None
    """None where there are no data to judge by, which is never a pass."""
    reason: str
    message: str


WEIGHS = {False: 0, None: 1, True: 2}
"""A failure counts for more than a doubt, and a doubt for more than a pass."""


def asked(world: World, state: RolloutState) -> Analysis | None:
    """What the step asks for; None where it asks for nothing, or one version serves alone."""
    beside = shadow_asked(world) if state.weight == SHADOW else state.weight < ALL
    return world.spec.rollout.analysis if world.live and beside else None


def next_sample(world: World, state: RolloutState) -> datetime | None:
    """When to measure next: as soon as the step's replicas are ready, then at each interval."""
    analysis = asked(world, state)
    if analysis is None or state.ready_at is None:
        return None
    return state.analysis.sampled_at + as_delta(analysis.interval) if state.analysis else state.ready_at


def due(world: World) -> bool:
    """Whether this pass needs a sample."""
    version = world.candidate
    state = version.status.rollout if version and version.phase is Phase.ROLLING_OUT else None
    at = next_sample(world, state) if state and not world.automation_rests else None
    return at is not None and at <= world.now


def waits_until(world: World, state: RolloutState, hold_ends: datetime) -> datetime:
    """Until when the step waits for data."""
    analysis = asked(world, state)
    return hold_ends + as_delta(analysis.limit) if analysis else hold_ends


def passed(world: World, state: RolloutState) -> bool:
    """Whether nothing is asked, or all of it was kept in the last sample."""
    return asked(world, state) is None or (state.analysis is not None and state.analysis.passed)


def measured(
    world: World, version: ModelVersion, state: RolloutState, sample: Sample, hold_ends: datetime
) -> tuple[AnalysisState, Answer]:
    """The step's figures with this sample, and what they say."""
    analysis, live = asked(world, state), world.live
    assert analysis and live
    before = state.analysis or AnalysisState(since=world.now, sampled_at=world.now)
    pods, added = before.after(dict(sample.pods.get(version.name, {})), dict(sample.pods.get(live.name, {})))
    step, recent = before.step + added, before.recent + added
    answer = _answer(analysis, before.since, step, recent, sample)
    if answer.passed is None and hold_ends <= world.now:
        until = waits_until(world, state, hold_ends)
        message = f"{answer.message}; without data the candidate goes back at {until:%H:%M:%S}"
        answer = Answer(None, reasons.NO_DATA, message)
    after = AnalysisState(
        since=before.since,
        sampled_at=world.now,
        pods=pods,
        step=step,
        recent=Pair() if recent.fewest >= analysis.min_requests else recent,
        passed=answer.passed is True,
    )
    return after, answer


def breach(world: World, version: ModelVersion) -> Answer | None:
    """What a drift report about the candidate says that is beyond a threshold, or None."""
    if world.spec.rollout.analysis is None:
        return None
    for report in world.reports:
        if report.outcome is Outcome.BREACH and subject(report, world) == version.name:
            return Answer(False, reasons.BREACHED, f"report {report.name}: {report.message}")
    return None


def _answer(analysis: Analysis, since: datetime, step: Pair, recent: Pair, sample: Sample) -> Answer:
    if step.fewest < analysis.min_requests:
        return Answer(None, reasons.MEASURING, _waits(analysis, step, since, sample))
    found = [_asked_prometheus(analysis, step, sample)]
    if analysis.min_requests:
        # What seems worse and may be chance is no pass. Only the whole step says so: the newest few requests often do.
        enough = recent.fewest >= analysis.min_requests
        late = (answer for answer in _compared(analysis, recent) if answer.passed is False) if enough else ()
        found = [*_compared(analysis, step), *late, *found]
    return min(found, key=lambda answer: WEIGHS[answer.passed])


def _compared(analysis: Analysis, span: Pair) -> Iterator[Answer]:
    """In what the candidate is worse than the live version, or seems so."""
    ours, theirs = span.candidate, span.live
    points = f"more than {shown(100 * analysis.max_error_share)} points above the live version's"
    times = f"more than {analysis.max_latency_ratio:g} times the live version's"
    for worse, reason, told in (
        (errs_more(ours, theirs, analysis.max_error_share), reasons.TOO_MANY_ERRORS, f"errors are {points}"),
        (is_slower(ours, theirs, analysis.max_latency_ratio), reasons.TOO_SLOW, f"latency is {times}"),
    ):
        if worse:
            yield Answer(False, reason, f"{_figures(span)}: {told}")
        elif worse is None:
            yield Answer(None, reasons.MEASURING, f"{_figures(span)}: {told}, which may still be chance")


def _asked_prometheus(analysis: Analysis, step: Pair, sample: Sample) -> Answer:
    """What the queries say; a limit that is crossed counts for more than an answer that is missing."""
    told = [_figures(step)] if analysis.min_requests else []
    missing = []
    for query in analysis.queries:
        answers = sample.answers.get(query.name, ())
        for answer in answers:
            limit = query.crossed(answer)
            if limit is not None:
                side = "above" if answer > limit else "below"
                message = f"query {query.name} is {shown(answer)}, {side} {shown(limit)}"
                return Answer(False, reasons.QUERY_BEYOND_LIMIT, message)
        if answers:
            told.append(f"query {query.name} is {', '.join(shown(answer) for answer in answers[:3])}")
        else:
            missing.append(query.name)
    if missing:
        message = "; ".join([f"no answer to query {', '.join(missing)}", *sample.troubles[:2]])
        return Answer(None, reasons.MEASURING, message)
    return Answer(True, reasons.PASSED, "; ".join(told))


def _waits(analysis: Analysis, step: Pair, since: datetime, sample: Sample) -> str:
    counts = (
        f"{step.candidate.requests} requests to the candidate and {step.live.requests} to the live version "
        f"since {since:%H:%M:%S}, and {analysis.min_requests} to each are needed"
    )
    return "; ".join([counts, *sample.troubles[:2]])


def _figures(pair: Pair) -> str:
    return f"{_shown(pair.candidate)}; live version {_shown(pair.live)}"


def _shown(tally: Tally) -> str:
    """For people; what is predicted is told and not judged, since a candidate is trained to answer otherwise."""
    mean = f", {shown(tally.total / tally.predicted)} predicted on average" if tally.predicted else ""
    return (
        f"{tally.requests} requests, {shown(100 * error_share(tally))} % failed, "
        f"{shown(1000 * latency(tally))} ms each{mean}"
    )


def wakes_at(world: World, state: RolloutState, hold_ends: datetime) -> Iterator[datetime]:
    """When there is something to measure, and when the wait for data is over."""
    at = next_sample(world, state)
    if at:
        yield at
        yield waits_until(world, state, hold_ends)
