"""When is a candidate worse than the live version, beyond its limit and beyond chance?"""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perennial_operator.core.api.request_stats import Tally
from perennial_operator.core.rules.canary_comparison import errs_more, is_slower


def errors(count: int, of: int) -> Tally:
    return Tally(requests=of, errors=count)


def times(each: float, of: int, deviation: float = 0.5) -> Tally:
    """Requests whose standard deviation is this share of their mean."""
    return Tally(requests=of, seconds=of * each, squares=of * each**2 * (1 + deviation**2))


@pytest.mark.parametrize(
    ("candidate", "live", "worse"),
    [
        (errors(5, 100), errors(0, 100), None),
        (errors(5, 100), errors(0, 400), True),
        (errors(8, 100), errors(0, 100), True),
        (errors(10, 200), errors(0, 200), True),
        (errors(2, 100), errors(0, 10_000), None),
        (errors(1, 20), errors(0, 10_000), None),
        (errors(500, 10_000), errors(500, 10_000), False),
        (errors(100, 1_000), errors(100, 1_000), False),
        (errors(150, 1_000), errors(50, 1_000), True),
        (errors(110, 10_000), errors(0, 10_000), None),
        (errors(150, 10_000), errors(0, 10_000), True),
        (errors(0, 100), errors(100, 100), False),
        (errors(0, 0), errors(0, 0), False),
    ],
)
def test_errors_count_where_they_are_more_than_the_live_version_s_and_the_share_beyond_chance(
    candidate: Tally, live: Tally, worse: bool | None
) -> None:
    assert errs_more(candidate, live, 0.01) is worse


@pytest.mark.parametrize(
    ("candidate", "live", "slower"),
    [
        (times(0.03, 100), times(0.01, 100), True),
        (times(0.03, 100, deviation=1), times(0.01, 100, deviation=1), True),
        (times(0.03, 100, deviation=4), times(0.01, 100, deviation=4), None),
        (times(0.014, 10_000), times(0.01, 10_000), False),
        (times(0.016, 10_000), times(0.01, 10_000), True),
        (times(0.016, 100), times(0.01, 100), None),
        (times(0.001, 10_000), times(0.0003, 10_000), False),
        (times(0.01, 100), times(0.03, 100), False),
        (times(0.03, 1), times(0.01, 100), None),
        (times(0.03, 100), Tally(), None),
        (Tally(), times(0.01, 100), False),
    ],
)
def test_latency_counts_where_it_is_beyond_the_ratio_and_chance_and_can_be_felt(
    candidate: Tally, live: Tally, slower: bool | None
) -> None:
    assert is_slower(candidate, live, 1.5) is slower


def test_one_request_that_waited_for_a_cold_start_is_no_slowness() -> None:
    """A mean of 15 instead of 5 ms, made by a single second: a doubt, and more requests will tell."""
    warm = times(0.005, 99)
    cold = warm + Tally(requests=1, seconds=1.0, squares=1.0)
    assert not is_slower(cold, times(0.005, 100), 1.5)


def test_of_a_thousand_candidates_that_err_like_the_live_version_few_are_blamed() -> None:
    chance = random.Random(1)

    def drawn(count: int) -> Tally:
        return errors(sum(chance.random() < 0.01 for _ in range(count)), count)

    assert sum(errs_more(drawn(100), drawn(400), 0.01) is True for _ in range(1000)) < 10


@given(
    errors=st.integers(0, 1000),
    live=st.integers(0, 1000),
    more=st.integers(0, 1000),
    allowed=st.floats(0, 1),
)
def test_who_errs_no_less_is_judged_no_better(errors: int, live: int, more: int, allowed: float) -> None:
    theirs = Tally(requests=1000, errors=live)
    fewer = Tally(requests=1000, errors=min(errors, more))
    greater = Tally(requests=1000, errors=max(errors, more))
    rank = [False, None, True]
    assert rank.index(errs_more(fewer, theirs, allowed)) <= rank.index(errs_more(greater, theirs, allowed))


@given(st.integers(0, 1000), st.floats(0.0001, 10), st.floats(0, 3), st.floats(1, 100))
def test_nobody_is_worse_than_itself(count: int, each: float, deviation: float, ratio: float) -> None:
    both = times(each, count, deviation)
    assert not is_slower(both, both, ratio)
    assert not errs_more(both, both, 0.0)
