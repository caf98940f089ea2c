"""No version is trained on the holdout of any version."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from perennial_trainer.contract.errors import RejectedTask
from perennial_trainer.contract.task import Features
from perennial_trainer.data.holdout import MOST_TOGETHER, HoldoutSplit, split_holdout, with_copies
from perennial_trainer.data.rows import Rows, concatenate, convert_rows
from perennial_trainer.data.schema import Columns

FEATURES = Features(numeric=("x",), categorical=("c",))
VALUES = st.tuples(st.none() | st.floats(allow_infinity=False), st.sampled_from(["a", "b", "", "1"]), st.integers(0, 3))


def rows(values: list[tuple[float | None, str, float]], times: list[int] | None = None) -> Rows:
    table = pd.DataFrame(values, columns=["x", "c", "y"])
    if times is None:
        return convert_rows(table, Columns(FEATURES, "y", "regression", None))
    table["t"] = pd.to_datetime(pd.Series(times) * 3600, unit="s", utc=True)
    return convert_rows(table, Columns(FEATURES, "y", "regression", "t"))


def many(n: int) -> Rows:
    return rows([(float(i), "ab"[i % 2], i % 7) for i in range(n)])


@given(st.lists(VALUES, min_size=1, max_size=30), st.randoms(use_true_random=False), st.floats(0.01, 0.99))
def test_row_is_on_same_side_in_any_order_and_data(
    values: list[tuple[float | None, str, float]], random: object, share: float
) -> None:
    order = list(range(len(values)))
    random.shuffle(order)  # type: ignore[attr-defined]
    in_holdout = HoldoutSplit(share, None).mask(rows(values))
    shuffled = HoldoutSplit(share, None).mask(rows([values[i] for i in order] + values[:3]))
    assert shuffled[: len(order)].tolist() == in_holdout[order].tolist()


@given(st.lists(VALUES, min_size=1, max_size=20), st.floats(0.01, 0.99))
def test_equal_rows_are_on_the_same_side(values: list[tuple[float | None, str, float]], share: float) -> None:
    once = rows(values)
    in_holdout = HoldoutSplit(share, None).mask(concatenate([once, once]))
    assert in_holdout[: len(values)].tolist() == in_holdout[len(values) :].tolist()


@given(st.lists(st.integers(0, 12), min_size=3, max_size=40), st.floats(0.05, 0.95))
def test_newest_rows_are_held_out_without_splitting_a_time(times: list[int], share: float) -> None:
    table = rows([(float(i), "a", 0) for i in range(len(times))], sorted(times))
    try:
        in_holdout = split_holdout(table, share).mask(table)
    except RejectedTask as refusal:
        assert refusal.reason == "HoldoutTooSmall"
        return
    assert table.time is not None
    assert table.time[~in_holdout].max() < table.time[in_holdout].min()
    # No other time to begin at is nearer to the share.
    missed = [abs(float((table.time >= time).mean()) - share) for time in table.time.unique()[1:]]
    assert abs(in_holdout.mean() - share) <= min(missed) + 1e-9


@pytest.mark.parametrize("share", [0.1, 0.2, 0.5])
def test_holdout_without_time_has_about_the_share(share: float) -> None:
    n = 20_000
    size = split_holdout(many(n), share).mask(many(n)).sum()
    assert abs(size - n * share) < 5 * np.sqrt(n * share * (1 - share))


def test_greater_share_only_adds_holdout_rows() -> None:
    less, more = HoldoutSplit(0.1, None).mask(many(1000)), HoldoutSplit(0.3, None).mask(many(1000))
    assert not (less & ~more).any()


def test_digests_depend_on_roles_and_not_on_column_order() -> None:
    table = pd.DataFrame({"a": [1.0], "b": [2.0], "y": [3.0]})

    def of(numeric: tuple[str, ...], categorical: tuple[str, ...]) -> Rows:
        features = Features(numeric=numeric, categorical=categorical)
        return convert_rows(table, Columns(features, "y", "regression", None))

    first, swapped, other = of(("a", "b"), ()), of(("b", "a"), ()), of(("a",), ("b",))
    assert (first.digests.tolist(), first.roles()) == (swapped.digests.tolist(), swapped.roles())
    assert first.roles() != other.roles()


@given(VALUES, st.integers(1, 60), st.integers(0, 60), st.floats(0.01, 0.99))
def test_few_equal_rows_stay_together_and_more_move_none(
    value: tuple[float | None, str, float], count: int, more: int, share: float
) -> None:
    numbered = with_copies(rows([value] * (count + more)))
    in_holdout = HoldoutSplit(share, None).mask(numbered)
    assert HoldoutSplit(share, None).mask(with_copies(rows([value] * count))).tolist() == in_holdout[:count].tolist()
    assert len(set(in_holdout[:MOST_TOGETHER].tolist())) == 1


def test_each_side_has_its_share_of_many_equal_rows() -> None:
    numbered = with_copies(rows([(1.0, "a", 0), (2.0, "b", 1)] * 5000))
    in_holdout = split_holdout(numbered, 0.2).mask(numbered)
    assert numbered.target[in_holdout].mean() == pytest.approx(0.5, abs=0.05)
    assert in_holdout.mean() == pytest.approx(0.2, abs=0.02)
    assert not set(numbered.units[in_holdout].tolist()) & set(numbered.units[~in_holdout].tolist())
