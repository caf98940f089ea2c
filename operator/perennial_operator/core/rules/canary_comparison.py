"""Is the candidate worse than the live version, beyond its limit and beyond chance?"""

from __future__ import annotations

from math import hypot, sqrt

from perennial_operator.core.api.request_stats import Tally

ERROR_SIGMAS, LATENCY_SIGMAS = 2.33, 3.0
"""How sure a failure must be, since it is looked for many times.

With 2.33 (99 %) one in a hundred candidates with 1 % errors, beside a live version with as many, is blamed in twenty
looks; and 5 % errors, of 100 requests for each look beside 400 of the live version, are seen by the third. Of latency
each request tells more, and some are cold starts.
"""
UNFELT_SECONDS = 0.001
"""A difference that is smaller is no reason, whatever the ratio."""


def errs_more(candidate: Tally, live: Tally, allowed: float) -> bool | None:
    """Whether its share of errors is more than `allowed` above the live version's; None if it is and may be by chance.

    By Newcombe's bound of the difference of two shares, which Wilson's bounds of each make up: it holds for no errors
    at all and for few requests too.
    """
    ours, theirs = error_share(candidate), error_share(live)
    if ours - theirs <= allowed:
        return False
    chance = hypot(ours - _wilson(candidate, -1), _wilson(live, +1) - theirs)
    return True if ours - theirs - chance > allowed else None


def is_slower(candidate: Tally, live: Tally, ratio: float) -> bool | None:
    """Whether its mean latency is more than `ratio` times the live version's; None if it is and may be by chance."""
    excess = latency(candidate) - ratio * latency(live)
    if excess <= 0 or latency(candidate) - latency(live) <= UNFELT_SECONDS:
        return False
    chance = hypot(_standard_error(candidate), ratio * _standard_error(live))
    return True if excess > LATENCY_SIGMAS * chance else None


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
