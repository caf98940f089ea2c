"""Is the candidate worse than the live version, beyond its limit and beyond chance?"""

from __future__ import annotations

from enum import IntEnum
from math import hypot, sqrt

from perennial_operator.core.api.request_stats import Tally


class AnalysisOutcome(IntEnum):
    """The smallest of several outcomes is the outcome of all."""

    FAILED = 0
    INCONCLUSIVE = 1
    PASSED = 2


ERROR_SIGMAS, LATENCY_SIGMAS = 2.33, 3.0
"""How many standard errors a difference must exceed to be a failure; the analysis is repeated many times.

With 2.33 (99 %), of candidates with 1 % errors beside a live version with as many, one in a hundred fails within twenty
analyses; 5 % errors, with 100 requests per analysis beside 400 of the live version, fail by the third. Latency needs
fewer requests, and some of them are cold starts.
"""
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
