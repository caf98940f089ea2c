"""How many replicas of each version a weight means."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perennial_operator.core.traffic.traffic_split import split


@pytest.mark.parametrize(
    ("replicas", "weight", "pair"),
    [
        (0, 50, (0, 0)),
        (1, 20, (1, 1)),
        (1, 99, (1, 1)),
        (1, 100, (1, 0)),
        (2, 50, (1, 1)),
        (2, 20, (1, 2)),
        (10, 20, (2, 8)),
        (10, 50, (5, 5)),
        (10, 5, (1, 10)),
        (10, 99, (10, 1)),
        (10, 100, (10, 0)),
    ],
)
def test_split_of_replicas(replicas: int, weight: int, pair: tuple[int, int]) -> None:
    assert split(replicas, weight) == pair


@given(st.integers(1, 1000), st.integers(1, 99))
def test_sum_is_at_most_one_more_and_each_has_one(replicas: int, weight: int) -> None:
    ours, rest = split(replicas, weight)
    assert replicas <= ours + rest <= replicas + 1
    assert ours >= 1
    assert rest >= 1


@given(st.integers(1, 1000), st.integers(1, 98))
def test_greater_weight_never_means_fewer_replicas(replicas: int, weight: int) -> None:
    assert split(replicas, weight)[0] <= split(replicas, weight + 1)[0]


@given(st.integers(2, 1000), st.integers(1, 99))
def test_share_is_nearest_to_the_weight(replicas: int, weight: int) -> None:
    ours, rest = split(replicas, weight)
    smallest_share = 1 / (replicas + 1)
    wanted = min(max(weight / 100, smallest_share), 1 - smallest_share)
    assert abs(ours / (ours + rest) - wanted) <= 0.5 / replicas + 1e-9
