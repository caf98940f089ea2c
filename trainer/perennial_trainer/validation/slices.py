"""How good a model is for each group of rows: whom it serves worse than the rest, or than the live version does."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd

from perennial_trainer.contract import result
from perennial_trainer.contract.metric_table import LOSSES
from perennial_trainer.contract.task import SliceBy
from perennial_trainer.data.rows import Mask, Rows, Series
from perennial_trainer.metrics.evaluate import metric_value
from perennial_trainer.metrics.scored_rows import ScoredRows

MOST = 8  # categories of a feature
LEAST = 10  # rows; fewer say nothing, and would say too much of single ones
PROOF = 30  # rows; fewer prove nothing, for a group as for a holdout
LONGEST = 64  # characters of a group's name in an answer
ENDLESS = 1e9  # times as bad: JSON has no infinity


@dataclass(frozen=True)
class Slice:
    """`live` is None without a live version; a value is None where the metric does not exist for these rows."""

    feature: str
    category: str
    rows: int
    candidate: float | None
    live: float | None


def slices(metric: str, rows: Rows, candidate: ScoredRows, live: ScoredRows | None) -> list[Slice]:
    """The metric in each of the 8 most frequent categories of 10 rows or more, by categorical feature.

    All rows are scored already, in the same order; a missing value is a category too.
    """
    found = []
    for feature in rows.columns.features.categorical:
        large = [(name, which) for name, which in groups(rows.features[feature]) if which.sum() >= LEAST]
        found += [_slice(feature, metric, name, which, candidate, live) for name, which in large[:MOST]]
    return found


def worst(asked: Sequence[SliceBy], rows: Rows, candidate: ScoredRows, live: ScoredRows) -> list[result.SliceResult]:
    """Of each slice that is asked for the group of 30 rows or more that is made worst off, the worst of all first.

    A slice is left out where no group is so large, or the metric exists in none for both versions.
    """
    found = []
    for each in asked:
        large = [(name, which) for name, which in groups(rows.features[each.column]) if which.sum() >= PROOF]
        measured = [_slice(each.column, each.metric, name, which, candidate, live) for name, which in large]
        compared = [_compared(of, each.metric) for of in measured if of.candidate is not None and of.live is not None]
        found += [max(compared, key=lambda of: of.ratio)] if compared else []
    return sorted(found, key=lambda of: -of.ratio)


def groups(values: "Series[Any]") -> Iterator[tuple[str, Mask]]:
    """The categories, or the quarters of a number, and the missing; the most frequent first."""
    if values.dtype.kind == "f":
        values = _quarters(values)
    for category in values.value_counts(dropna=False).index:
        missing = pd.isna(category)
        yield "(missing)" if missing else str(category), np.asarray(values.isna() if missing else values == category)


def _quarters(values: "Series[Any]") -> "Series[Any]":
    """Of each number the quarter it lies in, by name."""
    present = values.dropna()
    if present.empty:
        return pd.Series(np.nan, index=values.index, dtype="str")
    edges = np.unique(present.quantile([0.25, 0.5, 0.75], interpolation="lower"))
    told = [f"{edge:.6g}" for edge in edges]
    between = [f"above {low} up to {high}" for low, high in pairwise(told)]
    names = np.array([f"up to {told[0]}", *between, f"above {told[-1]}"], dtype=object)
    return pd.Series(names[np.searchsorted(edges, values)], index=values.index, dtype="str").where(values.notna())


def _slice(feature: str, metric: str, name: str, which: Mask, candidate: ScoredRows, live: ScoredRows | None) -> Slice:
    return Slice(feature, name, int(which.sum()), _value(metric, candidate, which), _value(metric, live, which))


def _compared(of: Slice, metric: str) -> result.SliceResult:
    assert of.candidate is not None and of.live is not None
    worse, better = (of.candidate, of.live) if metric in LOSSES else (of.live, of.candidate)
    ratio = 1.0 if worse == better else min(worse / better, ENDLESS) if better else ENDLESS
    return result.SliceResult(
        column=of.feature,
        metric=metric,
        group=of.category[:LONGEST],
        rows=of.rows,
        candidate=of.candidate,
        live=of.live,
        ratio=ratio,
    )


def _value(metric: str, scored: ScoredRows | None, which: Mask) -> float | None:
    if scored is None:
        return None
    value = metric_value(metric, scored.take(which))
    return value if np.isfinite(value) else None
