"""The chance of a drift statistic is what redistributing the rows themselves gives."""

from __future__ import annotations

from collections import Counter
from itertools import islice
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from perennial_trainer.drift.chances.column import chance_of_value
from perennial_trainer.drift.chances.redistribution import holm, redistributed_numbers, simes, tail_share
from perennial_trainer.drift.column_drift import column_statistics
from perennial_trainer.drift.histogram import Histogram, empty_histogram
from perennial_trainer.drift.judged import chance_of_significant
from perennial_trainer.profiling.columns import profile_column

LEVEL = 0.005


def counted(old: Any, new: Any) -> tuple[Histogram, int]:
    recent = empty_histogram(profile_column(series(old)))
    values = series(new)
    recent.add(values if values.dtype.kind != "f" else values.to_numpy())
    return recent, len(old)


def series(values: Any) -> pd.Series[Any]:
    column = pd.Series(values)
    return column.astype("float64") if column.dtype.kind in "iuf" else column.astype("str")


def chance_of(metric: str, old: Any, new: Any, level: float = LEVEL) -> float:
    recent, rows = counted(old, new)
    probability = chance_of_value(metric, column_statistics(recent, rows)[metric], recent, rows, level)
    assert probability is not None
    return probability


def by_permutation(metric: str, old: Any, new: Any, generator: np.random.Generator, draws: int = 200) -> float:
    """The chance by dealing the rows themselves: every profile and histogram is made again."""
    pooled, size = np.concatenate([old, new]), len(old)
    observed = column_statistics(*counted(old, new))[metric]
    reached = 0
    for _ in range(draws):
        generator.shuffle(pooled)
        reached += column_statistics(*counted(pooled[:size], pooled[size:]))[metric] >= observed - 1e-12
    return (reached + 1) / (draws + 1)


NORMAL = lambda g, n: g.normal(size=n)  # noqa: E731
HEAVY = lambda g, n: np.exp(1.5 * g.normal(size=n))  # noqa: E731
ZEROS = lambda g, n: np.where(g.random(n) < 0.9, 0.0, g.gamma(2, size=n))  # noqa: E731
CODES = lambda g, n: g.zipf(1.5, size=n).clip(max=60).astype(str)  # noqa: E731


@pytest.mark.parametrize(
    ("metric", "made"),
    [("psi", NORMAL), ("psi", ZEROS), ("psi", CODES), ("js", NORMAL), ("chi2", CODES), ("wasserstein", NORMAL)],
    ids=["psi normal", "psi zeros", "psi categories", "js normal", "chi2 categories", "wasserstein normal"],
)
def test_chance_is_that_of_permuted_rows(metric: str, made: Any) -> None:
    generator = np.random.default_rng(0)
    before, after = made(generator, 300), made(generator, 200)
    expected = by_permutation(metric, before, after, generator)
    # Not too small; where bins hold a few rows each, it may be too great.
    assert expected - 0.12 < chance_of(metric, before, after) < expected + 0.3


@pytest.mark.parametrize("metric", ["psi", "js", "ks", "wasserstein"])
def test_chance_of_a_shift_is_small_enough_for_many_features(metric: str) -> None:
    generator = np.random.default_rng(1)
    shifted = chance_of(metric, generator.normal(size=2000), generator.normal(0.5, size=2000))
    assert shifted < LEVEL / 5000


@pytest.mark.parametrize(("kinds", "n"), [(50, 200), (100, 500)])
def test_a_distance_of_many_categories_is_chance(kinds: int, n: int) -> None:
    """Kind 9: zipf categories have psi > 0.2 in nearly every check of rows like those of the training."""
    generator = np.random.default_rng(2)
    weights = 1 / np.arange(1, kinds + 1)
    draw = lambda size: generator.choice(kinds, size, p=weights / weights.sum()).astype(str)  # noqa: E731
    checks = [counted(draw(n), draw(n)) for _ in range(60)]
    values = [column_statistics(recent, rows)["psi"] for recent, rows in checks]
    above = [(pair, value) for pair, value in zip(checks, values, strict=True) if value > 0.2]
    assert len(above) > 30
    chances = [chance_of_value("psi", value, *pair, LEVEL) for pair, value in above]
    assert sum(each is not None and each <= LEVEL for each in chances) <= 1


def test_missing_share_has_the_hypergeometric_chance() -> None:
    old, new = [1.0] * 990 + [np.nan] * 10, [1.0] * 188 + [np.nan] * 12
    expected = stats.hypergeom(1200, 22, 200).sf(11)
    assert chance_of("missing_share", old, new) == pytest.approx(expected)


@pytest.mark.parametrize("known", [50, 1500, 30_000])
def test_new_values_of_a_category_are_seen_in_bounded_memory(known: int) -> None:
    """Kind 8: half of the recent rows have values that training never saw."""
    generator = np.random.default_rng(3)
    old = [f"c{i}" for i in generator.integers(0, known, 10 * known)]
    new = [f"c{i}" for i in generator.integers(0, known, 3000)] + [f"new{i}" for i in range(3000)]
    recent, rows = counted(old, new)
    statistics = column_statistics(recent, rows)
    assert statistics["new_share"] == pytest.approx(0.5, abs=0.05)
    assert statistics["psi"] > 0.2
    assert chance_of("new_share", old, new) < LEVEL


def test_new_values_that_come_by_chance_are_no_drift() -> None:
    generator = np.random.default_rng(4)
    ids = [str(i) for i in generator.integers(0, 5000, 4000)]
    recent, rows = counted(ids[:2000], ids[2000:])
    share = column_statistics(recent, rows)["new_share"]
    assert share > 0.5
    assert chance_of("new_share", ids[:2000], ids[2000:]) > 0.01


@pytest.mark.parametrize("new", [60, 500])
def test_a_new_value_in_many_rows_is_beyond_chance(new: int) -> None:
    """Corrected for 5,000 features too: no drawing finds so small a chance."""
    old = ["a"] * 700 + ["b"] * 300
    assert chance_of("new_share", old, [*old[: 1000 - new], *["c"] * new]) < LEVEL / 5000


def test_chance_of_a_few_new_values_is_not_too_small() -> None:
    """A value with 4 pooled rows: all of them are recent ones with the hypergeometric chance."""
    old, new = ["a"] * 3000, ["a"] * 296 + ["c"] * 4
    exact = stats.hypergeom(3300, 4, 300).pmf(4)
    assert exact <= chance_of("new_share", old, new) < 40 * exact


def test_wasserstein_of_heavy_tails_is_seldom_beyond_chance() -> None:
    """The tail beyond the merged places counts neither for the observed rows nor for the drawn ones."""
    generator = np.random.default_rng(7)
    chances = [chance_of("wasserstein", HEAVY(generator, 4000), HEAVY(generator, 400)) for _ in range(60)]
    assert sum(each <= 0.05 for each in chances) <= 8  # 3 are expected


def test_fitted_tail_continues_the_drawn_values() -> None:
    generator = np.random.default_rng(5)
    drawn = generator.chisquare(9, 2000)
    for chance_wanted in (1e-3, 1e-5, 1e-7):
        observed = stats.chi2(9).isf(chance_wanted)
        assert np.log10(tail_share(observed, [drawn], LEVEL)) == pytest.approx(np.log10(chance_wanted), abs=1.6)
    assert tail_share(np.median(drawn), [drawn], LEVEL) == pytest.approx(0.5, abs=0.01)


def test_an_empty_bin_of_few_rows_is_not_so_rare() -> None:
    """Some decile has none of 100 rows once in 3,800 times, and psi jumps by 0.7 then."""
    old = np.arange(10_000.0)
    for decile in range(1, 10):
        rows_of = {0: 20, decile: 0}
        new = [1000.0 * each + 40 * place for each in range(10) for place in range(rows_of.get(each, 10))]
        assert chance_of("psi", old, new, LEVEL / 100) > LEVEL / 100


def test_holm_and_simes_are_those_of_their_papers() -> None:
    assert holm([0.01, 0.04, 0.03], 3) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.001], 100) == pytest.approx([0.1])
    assert simes([0.01, 0.04, 0.03]) == pytest.approx(0.03)


def test_outer_bins_are_made_again_in_each_draw() -> None:
    """Of exchangeable rows, as many lie beyond the reference's range as in the draws."""
    generator, outside, drawn = np.random.default_rng(6), Counter[bool](), []
    for seed in range(40):
        recent, rows = counted(generator.normal(size=500), generator.normal(size=500))
        before = np.rint(recent.shares_before * rows).astype(np.int64)
        outside[bool(recent.counts[0] + recent.counts[-2] > 2)] += 1
        parts = islice(redistributed_numbers(before, recent.counts, (False, False), seed), 6)
        drawn += [float((after[:, 0] + after[:, -2] > 2).mean()) for _, after in parts]
    assert outside[True] / 40 == pytest.approx(np.mean(drawn), abs=0.2)


def test_significant_share_of_rare_categories_is_chance() -> None:
    """With 200 categories and 100 rows, the p-value of chi2 is far too small far too often."""
    generator = np.random.default_rng(8)
    weights = 1 / np.arange(1, 201)
    draw = lambda size: generator.choice(200, size, p=weights / weights.sum()).astype(str)  # noqa: E731
    by_p_value = by_chance = 0
    for _ in range(20):
        columns = {str(place): counted(draw(2000), draw(100))[0] for place in range(20)}
        statistics = {name: column_statistics(each, 0) for name, each in columns.items()}
        by_p_value += simes([each["chi2_p"] for each in statistics.values()]) <= LEVEL
        by_chance += chance_of_significant(statistics, columns, 0) <= LEVEL
    assert by_p_value > 3
    assert by_chance <= 1


@pytest.mark.parametrize(("reference", "n"), [(40, 100), (40, 5000), (3000, 300)])
def test_chance_of_wasserstein_is_uniform_without_drift(reference: int, n: int) -> None:
    """Also where the reference has few rows, between which the profile keeps only the mean of the recent ones."""
    generator = np.random.default_rng(4)
    chances = np.array([chance_of("wasserstein", HEAVY(generator, reference), HEAVY(generator, n)) for _ in range(150)])
    assert stats.kstest(chances, "uniform", alternative="greater").pvalue > 0.01
    assert np.median(chances) < 0.65
