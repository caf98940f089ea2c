"""Is the candidate worse than the live version, beyond its limit and beyond chance?"""

from __future__ import annotations

from dataclasses import replace
from enum import IntEnum
from math import hypot, sqrt

from perennial_operator.core.api.drift_report import Breach, DriftReport, NotMeasured, OtherVersion
from perennial_operator.core.api.metric_table import EXCESS_LOSS
from perennial_operator.core.api.request_stats import Tally
from perennial_operator.core.api.values import shown
from perennial_operator.core.rules.breaches import Comparison


class AnalysisOutcome(IntEnum):
    """The smallest of several outcomes is the outcome of all."""

    FAILED = 0
    INCONCLUSIVE = 1
    PASSED = 2


ERROR_SIGMAS, LATENCY_SIGMAS, LOSS_SIGMAS = 2.33, 3.0, 3.0
"""How many standard errors a difference must exceed to be a failure; the analysis is repeated many times.

With 2.33 (99 %), of candidates with 1 % errors beside a live version with as many, one in a hundred fails within twenty
analyses; 5 % errors, with 100 requests per analysis beside 400 of the live version, fail by the third. Latency needs
fewer requests, and some of them are cold starts. The loss has as many, since rows that depend on each other are fewer
than they look.
"""
NEGLIGIBLE_EXCESS = 0.02
"""A smaller share of the loss never fails, however many rows show it."""
NEGLIGIBLE_SECONDS = 0.001
"""A smaller difference of latency never fails, whatever the ratio."""


def compare_errors(candidate: Tally, live: Tally, allowed: float) -> AnalysisOutcome:
    """FAILED if its share of errors exceeds the live version's by more than `allowed`; INCONCLUSIVE if by chance.

    Newcombe's bound of the difference of two shares, from Wilson's bounds of each, holds without errors and for few
    requests too.
    """
    ours, theirs = error_share(candidate), error_share(live)
    if ours - theirs <= allowed:
        return AnalysisOutcome.PASSED
    chance = hypot(ours - _wilson(candidate, -1), _wilson(live, +1) - theirs)
    return AnalysisOutcome.FAILED if ours - theirs - chance > allowed else AnalysisOutcome.INCONCLUSIVE


def compare_latency(candidate: Tally, live: Tally, ratio: float) -> AnalysisOutcome:
    """FAILED if its mean latency exceeds `ratio` times the live version's; INCONCLUSIVE if by chance."""
    excess = latency(candidate) - ratio * latency(live)
    if excess <= 0 or latency(candidate) - latency(live) <= NEGLIGIBLE_SECONDS:
        return AnalysisOutcome.PASSED
    chance = hypot(_standard_error(candidate), ratio * _standard_error(live))
    return AnalysisOutcome.FAILED if excess > LATENCY_SIGMAS * chance else AnalysisOutcome.INCONCLUSIVE


def with_excess(comparison: Comparison, report: DriftReport, against: OtherVersion, tolerance: float) -> Comparison:
    """The comparison, and what the other version would have saved on the same rows.

    `tolerance` is how much more than the other version's the loss may be by spec.validation, as a share of that.
    """
    excess = next((each for each in report.spec.metrics if each.name == EXCESS_LOSS), None)
    if excess is None or excess.standard_error is None:
        reasons = [each.reason for each in report.spec.not_measured or () if each.metric == EXCESS_LOSS]
        lacks = f"{EXCESS_LOSS} without a standardError" if excess else f"no value of {EXCESS_LOSS}"
        missing = NotMeasured(metric=EXCESS_LOSS, reason=next(iter(reasons), None) or f"the report has {lacks}")
        return replace(comparison, not_measured=(*comparison.not_measured, missing))
    limit = max(NEGLIGIBLE_EXCESS, tolerance / (1 + tolerance))
    figures = f"{EXCESS_LOSS} is {shown(excess.value)}{_figures(report, against)}"
    if excess.value - LOSS_SIGMAS * excess.standard_error <= limit:
        return replace(comparison, nearest="; ".join(filter(None, (comparison.nearest, figures))))
    breach = Breach(metric=EXCESS_LOSS, value=excess.value, limit=limit)
    errors = f"{LOSS_SIGMAS:g} standard errors of {shown(excess.standard_error)}"
    text = f"{figures}, above {shown(limit)} by more than {errors}"
    return replace(comparison, breaches=(*comparison.breaches, (breach, text)))


def _figures(report: DriftReport, against: OtherVersion) -> str:
    """What both versions measured on the same rows, in the first metric that both have."""
    ours = {each.name: each.value for each in report.spec.metrics}
    other = next((each for each in against.metrics if each.name in ours), None)
    if other is None:
        return f" beside {against.model_version}"
    return (
        f" ({other.name} {shown(ours[other.name])}, of {against.model_version} on the same rows {shown(other.value)})"
    )


def error_share(tally: Tally) -> float:
    return tally.errors / tally.requests if tally.requests else 0.0


def latency(tally: Tally) -> float:
    """Mean seconds."""
    return tally.seconds / tally.requests if tally.requests else 0.0


def _wilson(tally: Tally, side: int) -> float:
    """The lower (-1) or upper (+1) bound of the share of errors."""
    if not tally.requests:
        return max(0, side)
    count, share, spread = tally.requests, error_share(tally), ERROR_SIGMAS**2 / tally.requests
    half = ERROR_SIGMAS * sqrt(max(0.0, share * (1 - share)) / count + spread / (4 * count))
    return (share + spread / 2 + side * half) / (1 + spread)


def _standard_error(tally: Tally) -> float:
    """Of the mean latency."""
    if tally.requests < 2:
        return float("inf")
    variance = tally.squares / tally.requests - latency(tally) ** 2
    return sqrt(max(0.0, variance) / tally.requests)
