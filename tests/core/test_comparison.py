"""When is a candidate worse than the live version, beyond its limit and beyond chance?"""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perennial_operator.core.api.request_stats import Tally
from perennial_operator.core.rules.canary_comparison import AnalysisOutcome, compare_errors, compare_latency

FAILED, INCONCLUSIVE, PASSED = AnalysisOutcome


def errors(count: int, of: int) -> Tally:
    return Tally(requests=of, errors=count)


def times(each: float, of: int, deviation: float = 0.5) -> Tally:
    """Requests whose standard deviation is this share of their mean."""
    return Tally(requests=of, seconds=of * each, squares=of * each**2 * (1 + deviation**2))


@pytest.mark.parametrize(
    ("candidate", "live", "outcome"),
    [
        (errors(5, 100), errors(0, 100), INCONCLUSIVE),
        (errors(5, 100), errors(0, 400), FAILED),
        (errors(8, 100), errors(0, 100), FAILED),
        (errors(10, 200), errors(0, 200), FAILED),
        (errors(2, 100), errors(0, 10_000), INCONCLUSIVE),
        (errors(1, 20), errors(0, 10_000), INCONCLUSIVE),
        (errors(500, 10_000), errors(500, 10_000), PASSED),
        (errors(100, 1_000), errors(100, 1_000), PASSED),
        (errors(150, 1_000), errors(50, 1_000), FAILED),
        (errors(110, 10_000), errors(0, 10_000), INCONCLUSIVE),
        (errors(150, 10_000), errors(0, 10_000), FAILED),
        (errors(0, 100), errors(100, 100), PASSED),
        (errors(0, 0), errors(0, 0), PASSED),
        (errors(1, 100), errors(0, 100), PASSED),
        (errors(50, 100), errors(0, 0), INCONCLUSIVE),
        (errors(4, 100), errors(0, 400), FAILED),
        (errors(9, 200), errors(0, 200), INCONCLUSIVE),
    ],
)
def test_errors_fail_beyond_the_share_and_chance(candidate: Tally, live: Tally, outcome: AnalysisOutcome) -> None:
    assert compare_errors(candidate, live, 0.01) is outcome


@pytest.mark.parametrize(
    ("candidate", "live", "outcome"),
    [
        (times(0.03, 100), times(0.01, 100), FAILED),
        (times(0.03, 100, deviation=1), times(0.01, 100, deviation=1), FAILED),
        (times(0.03, 100, deviation=4), times(0.01, 100, deviation=4), INCONCLUSIVE),
        (times(0.014, 10_000), times(0.01, 10_000), PASSED),
        (times(0.016, 10_000), times(0.01, 10_000), FAILED),
        (times(0.016, 100), times(0.01, 100), INCONCLUSIVE),
        (times(0.016, 1_000), times(0.01, 1_000), INCONCLUSIVE),
        (times(0.016, 1_200), times(0.01, 1_200), FAILED),
        (times(0.75, 100), times(0.5, 100), PASSED),
        (times(1.0, 2, deviation=0), times(0.5, 2, deviation=0), FAILED),
        (times(0.001, 10_000), times(0.0003, 10_000), PASSED),
        (times(0.01, 100), times(0.03, 100), PASSED),
        (times(0.03, 1), times(0.01, 100), INCONCLUSIVE),
        (times(0.03, 100), Tally(), INCONCLUSIVE),
        (Tally(), times(0.01, 100), PASSED),
    ],
)
def test_latency_fails_beyond_ratio_chance_and_negligible(
    candidate: Tally, live: Tally, outcome: AnalysisOutcome
) -> None:
    assert compare_latency(candidate, live, 1.5) is outcome


def test_one_cold_start_is_not_a_latency_failure() -> None:
    """A mean of 15 instead of 5 ms, made by a single second: a doubt, and more requests will tell."""
    warm = times(0.005, 99)
    cold = warm + Tally(requests=1, seconds=1.0, squares=1.0)
    assert compare_latency(cold, times(0.005, 100), 1.5) is not FAILED


def test_few_of_a_thousand_equal_candidates_fail() -> None:
    chance = random.Random(1)

    def drawn(count: int) -> Tally:
        return errors(sum(chance.random() < 0.01 for _ in range(count)), count)

    assert sum(compare_errors(drawn(100), drawn(400), 0.01) is FAILED for _ in range(1000)) < 10


@given(
    errors=st.integers(0, 1000),
    live=st.integers(0, 1000),
    more=st.integers(0, 1000),
    allowed=st.floats(0, 1),
)
def test_more_errors_never_give_a_better_outcome(errors: int, live: int, more: int, allowed: float) -> None:
    theirs = Tally(requests=1000, errors=live)
    fewer = Tally(requests=1000, errors=min(errors, more))
    greater = Tally(requests=1000, errors=max(errors, more))
    assert compare_errors(fewer, theirs, allowed) >= compare_errors(greater, theirs, allowed)


@given(st.integers(0, 1000), st.floats(0.0001, 10), st.floats(0, 3), st.floats(1, 100))
def test_no_version_is_worse_than_itself(count: int, each: float, deviation: float, ratio: float) -> None:
    both = times(each, count, deviation)
    assert compare_latency(both, both, ratio) is not FAILED
    assert compare_errors(both, both, 0.0) is not FAILED
