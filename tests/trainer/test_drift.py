"""Drift statistics are always defined, never negative, zero without drift, and equal to those of SciPy."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import special, stats
from scipy.spatial.distance import jensenshannon

from perennial_trainer.drift.column_drift import column_statistics
from perennial_trainer.drift.histogram import Histogram, NumericHistogram, empty_histogram
from perennial_trainer.drift.mark_index import MarkIndex
from perennial_trainer.drift.statistics import chi_square, ks_p_value, psi, significant_share
from perennial_trainer.profiling.columns import profile_column
from perennial_trainer.profiling.profile import NumericProfile
from tests.trainer.tasks import diabetes

NUMBERS = arrays(np.float64, st.integers(1, 60), elements=st.floats(-1e9, 1e9) | st.sampled_from([0.0, 1.0, np.nan]))
CATEGORIES = st.lists(st.sampled_from(["a", "b", "c", None]), min_size=1, max_size=30)
SMOKERS = ["no"] * 60 + ["yes"] * 30 + ["once"] * 8 + [None] * 2


def numbers(values: Any) -> "pd.Series[Any]":
    return pd.Series(values, dtype=np.float64)


def texts(values: Any) -> "pd.Series[Any]":
    return pd.Series(values, dtype="str")


def moved(old: "pd.Series[Any]", new: "pd.Series[Any]", points: int = 1000) -> dict[str, float]:
    return column_statistics(count(old, new, points), len(old))


def count(old: "pd.Series[Any]", new: "pd.Series[Any]", points: int = 1000) -> Histogram:
    histogram = empty_histogram(profile_column(old, points))
    histogram.add(new)
    return histogram


def shares(old: "pd.Series[Any]", new: "pd.Series[Any]") -> list[float]:
    histogram = count(old, new)
    return [float(each) / histogram.rows for each in histogram.counts]


def present(values: Any) -> np.ndarray:
    return numbers(values).dropna().to_numpy()


@given(
    arrays(np.float64, st.integers(0, 60), elements=st.floats(allow_nan=False), unique=True),
    arrays(np.float64, st.integers(0, 60), elements=st.floats(allow_nan=False)),
    st.sampled_from([1.0, 1e-9, 1e-300, 5e-324]),
)
def test_mark_index_equals_binary_search(marks: np.ndarray, values: np.ndarray, scale: float) -> None:
    marks = np.unique(marks[np.isfinite(marks)] * scale)
    with np.errstate(over="ignore"):
        beside = [np.nextafter(marks, np.inf), np.nextafter(marks, -np.inf)]
    values = np.concatenate([values, values * scale, marks, *beside])
    searched = np.searchsorted(marks, values) + np.searchsorted(marks, values, side="right")
    assert MarkIndex(marks).positions(values).tolist() == searched.tolist()


@given(NUMBERS, NUMBERS)
def test_psi_of_numbers_is_zero_for_equal_and_never_negative(old: np.ndarray, new: np.ndarray) -> None:
    assert moved(numbers(old), numbers(old))["psi"] == pytest.approx(0, abs=1e-12)
    assert 0 <= moved(numbers(old), numbers(new))["psi"] < np.inf
    assert sum(shares(numbers(old), numbers(new))) == pytest.approx(1)


@given(CATEGORIES, CATEGORIES)
def test_psi_of_categories_is_zero_for_equal_and_never_negative(old: list[str], new: list[str]) -> None:
    assert moved(texts(old), texts(old))["psi"] == 0
    assert 0 <= moved(texts(old), texts(new))["psi"] < np.inf
    assert sum(shares(texts(old), texts(new))) == pytest.approx(1)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=10), st.randoms(use_true_random=False))
def test_psi_is_symmetric(before: list[float], random: object) -> None:
    after = random.sample(before, len(before))  # type: ignore[attr-defined]
    assert psi(before, after) == pytest.approx(psi(after, before))


def test_psi_equals_textbook_value() -> None:
    assert psi([0.5, 0.5], [0.6, 0.4]) == pytest.approx(0.1 * np.log(1.2) - 0.1 * np.log(0.8))


@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # of scipy, where a sample is too small for its p-value
@given(NUMBERS, NUMBERS)
def test_ks_and_p_value_equal_scipy_for_small_reference(old: np.ndarray, new: np.ndarray) -> None:
    statistics = moved(numbers(old), numbers(new))
    old, new = present(old), present(new)
    if "ks" not in statistics:
        assert not len(old) or not len(new)
        return
    exact = stats.ks_2samp(old, new, method="asymp")
    assert statistics["ks"] == pytest.approx(exact.statistic, abs=1e-12)
    if len(old) * len(new) / (len(old) + len(new)) > 0.5:  # scipy has no p-value for one value against one
        assert statistics["ks_p"] == pytest.approx(exact.pvalue, abs=1e-9)


@given(st.data())
def test_wasserstein_equals_scipy_without_shared_gaps(
    data: st.DataObject,
) -> None:
    whole = data.draw(st.lists(st.integers(-1000, 1000), min_size=2, max_size=40, unique=True))
    old = numbers(whole)
    new = numbers(data.draw(st.lists(st.sampled_from(whole) | st.just(5000), min_size=1, max_size=40)))
    exact = stats.wasserstein_distance(old, new) / old.std(ddof=0)
    assert moved(old, new)["wasserstein"] == pytest.approx(exact, abs=1e-9)


@given(NUMBERS, NUMBERS)
def test_wasserstein_error_is_at_most_the_gaps_of_reference(old: np.ndarray, new: np.ndarray) -> None:
    area = moved(numbers(old), numbers(new)).get("wasserstein")
    old, new = present(old), present(new)
    if area is None:
        assert not len(new) or not len(old) or old.std() <= 1e-11 * np.abs(old).max()
        return
    points = np.unique(old)
    inner = (new > points[0]) & (new < points[-1]) & ~np.isin(new, points)
    place = np.searchsorted(points, new[inner])
    slack = float((points[place] - points[place - 1]).sum()) / len(new) / old.std()
    exact = stats.wasserstein_distance(old, new) / old.std()
    assert abs(area - exact) <= slack + 1e-6 * (1 + exact)


@pytest.mark.parametrize("shift", [0, 0.01, 0.1, 1, 10])
@pytest.mark.parametrize("points", [100, 1000])
def test_statistics_of_large_reference_are_near_scipy(shift: float, points: int) -> None:
    generator = np.random.default_rng(0)
    old, new = generator.gamma(2, size=50_000), generator.gamma(2, size=30_000) + shift
    statistics = moved(numbers(old), numbers(new), points)
    exact = stats.ks_2samp(old, new).statistic
    assert exact - 1 / points <= statistics["ks"] <= exact + 1e-12
    assert statistics["wasserstein"] == pytest.approx(
        stats.wasserstein_distance(old, new) / old.std(), abs=0.2 / points
    )


@given(CATEGORIES, CATEGORIES)
def test_chi_square_equals_scipy_with_missing_as_category(old: list[str], new: list[str]) -> None:
    statistics = moved(texts(old), texts(new))
    names = sorted({str(each) for each in old + new})
    table = [[[str(each) for each in side].count(name) for name in names] for side in (old, new)]
    if len(names) == 1:
        assert "chi2" not in statistics
        return
    exact = stats.chi2_contingency(table, correction=False)
    new_ones = [name for name in names if name not in {str(each) for each in old} | {"None"}]
    if len(new_ones) < 2:  # those the reference does not know are one category
        assert (statistics["chi2"], statistics["chi2_p"]) == pytest.approx((exact.statistic, exact.pvalue))


@given(NUMBERS, NUMBERS)
def test_jensen_shannon_equals_scipy_for_same_bins(old: np.ndarray, new: np.ndarray) -> None:
    before, after = shares(numbers(old), numbers(old)), shares(numbers(old), numbers(new))
    exact = jensenshannon(before, after, base=2)
    assert moved(numbers(old), numbers(new))["js"] == pytest.approx(exact if np.isfinite(exact) else 0, abs=1e-7)


def test_significant_share_is_corrected_for_number_of_tests() -> None:
    p_values = np.random.default_rng(0).uniform(size=1000)
    assert (p_values < 0.05).mean() > 0.03
    assert significant_share(p_values.tolist()) == 0
    assert significant_share([1e-9] * 10 + p_values.tolist()) == pytest.approx(10 / 1010, abs=0.003)
    assert significant_share([]) == 0


@given(st.integers(0, 2**32), st.integers(1, 40))
def test_significant_share_equals_scipy_adjusted_p_values(seed: int, size: int) -> None:
    p_values = np.random.default_rng(seed).uniform(size=size) ** 3
    assert significant_share(p_values.tolist()) == (stats.false_discovery_control(p_values) <= 0.05).mean()


@given(st.floats(0, 1), st.integers(1001, 10**9))
def test_ks_p_value_of_large_samples_equals_scipy_limit(distance: float, size: int) -> None:
    scaled = distance * size**0.5
    limit = special.kolmogorov(scaled + 1 / (6 * size**0.5) + (scaled - 1) / (4 * size))
    assert ks_p_value(distance, 2 * size, 2 * size) == pytest.approx(limit, abs=1e-11)


@given(st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 10**6)), min_size=2, max_size=100))
def test_chi_square_of_any_counts_equals_scipy(counts: list[tuple[int, int]]) -> None:
    table = np.array(counts).T
    table = table[:, table.sum(axis=0) > 0]
    if table.shape[1] > 1 and table.sum(axis=1).all():
        exact = stats.chi2_contingency(table, correction=False)
        assert chi_square(*table) == pytest.approx((exact.statistic, exact.pvalue), rel=1e-9, abs=1e-12)


@given(NUMBERS, NUMBERS, st.integers(1, 5))
def test_counts_of_batches_equal_counts_of_all_rows(old: np.ndarray, new: np.ndarray, size: int) -> None:
    reference = profile_column(numbers(old))
    batches = empty_histogram(reference)
    for start in range(0, len(new), size):
        batches.add(numbers(new[start : start + size]))
    assert column_statistics(batches, len(old)) == pytest.approx(moved(numbers(old), numbers(new)), rel=1e-12, abs=1e-6)


def test_weight_equals_repeated_values() -> None:
    for old, new in (
        (numbers([1, 2, 3, np.nan]), numbers([2.5, 2.5, 9, np.nan])),
        (texts(SMOKERS), texts(["no", "pipe"])),
    ):
        once, thrice = empty_histogram(profile_column(old)), empty_histogram(profile_column(old))
        once.add(new, weight=3)
        thrice.add(pd.concat([new] * 3, ignore_index=True))
        assert column_statistics(once, len(old)) == pytest.approx(column_statistics(thrice, len(old)))


@pytest.mark.parametrize("column_name", ["bmi", "s5"])
def test_psi_exceeds_limit_for_shifted_rows_only(column_name: str) -> None:
    values = diabetes()[column_name].sample(frac=1, random_state=0).astype(float)
    assert moved(values, values.iloc[:221])["psi"] < 0.2
    assert moved(values, values + values.std())["psi"] > 0.2


@pytest.mark.parametrize("recent", [[0.0], [2.0], [np.nan]])
def test_change_of_constant_column_is_drift_in_both_directions(recent: list[float]) -> None:
    statistics = moved(numbers([1.0] * 50), numbers(recent))
    assert statistics["psi"] > 1
    assert "wasserstein" not in statistics  # there is no deviation to measure it by


def test_values_in_a_previously_empty_column_are_drift() -> None:
    statistics = moved(numbers([np.nan, np.nan]), numbers([1.0]))
    assert statistics["psi"] > 1
    assert "ks" not in statistics


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("values", [[1e308, -1e308, 1.5e308], [5e-324, 0.0, 1e-323], [1e300, 1.0, 1e-300]])
def test_extreme_floats_are_counted_without_error(values: list[float]) -> None:
    statistics = moved(numbers(values), numbers([*values, 0.5, -1e308, 1.7e308]))
    assert all(np.isfinite(value) for value in statistics.values())


def test_new_categories_have_a_bin_and_a_share() -> None:
    old, new = texts(["a"] * 60 + ["b"] * 40), texts(["a", "new", "newer", None])
    assert shares(old, new) == [0.25, 0, 0, 0.5, 0.25]
    assert moved(old, new)["new_share"] == 0.5


@pytest.mark.parametrize("known", [150, 1000, 3000])
def test_a_rare_category_is_not_new(known: int) -> None:
    old = texts([f"c{i:04}" for i in range(known)])
    assert moved(old, texts([f"c{known - 1:04}", "c-new"])).get("new_share") == 0.5


def test_profile_has_bins_for_a_hundred_categories() -> None:
    reference = profile_column(texts([f"c{i:03}" for i in range(150)]))
    assert (len(reference.shares), reference.shares[-2:]) == (102, [pytest.approx(50 / 150), 0])


def test_profile_of_a_million_numbers_is_small() -> None:
    reference = profile_column(numbers(np.random.default_rng(0).normal(size=1_000_000)))
    assert isinstance(reference, NumericProfile)
    assert len(reference.edges) == 9 + 2  # deciles, and both ends of the range
    assert 1000 < len(reference.points) <= 1021


def test_profile_of_first_release_gives_nearly_same_statistics() -> None:
    generator = np.random.default_rng(0)
    old, new = numbers(generator.normal(size=10_000)), numbers(generator.normal(0.5, size=5000))
    now = profile_column(old, 100)
    assert isinstance(now, NumericProfile)
    older = NumericProfile(
        edges=now.edges,
        shares=now.shares,
        points=now.points,
        below=[each / now.size for each in now.below],
        upto=[each / now.size for each in now.upto],
    )
    recent = NumericHistogram(older)
    recent.add(new)
    assert column_statistics(recent, 10_000) == pytest.approx(moved(old, new), abs=0.01)
