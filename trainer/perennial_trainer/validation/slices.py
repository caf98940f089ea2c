"""How good a model is for each group of rows, compared with the other groups and with the live version."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd

from perennial_trainer.contract.metric_table import LOSSES
from perennial_trainer.contract.result import SliceResult
from perennial_trainer.contract.task import SliceBy
from perennial_trainer.data.privacy import DIGITS
from perennial_trainer.data.rows import Mask, Rows, Series
from perennial_trainer.metrics.evaluate import metric_value
from perennial_trainer.metrics.scored_rows import ScoredRows

MAX_CATEGORIES = 8  # of a feature in the report
MIN_ROWS = 10  # of a group in the report; fewer are not informative and would reveal single rows
MIN_PROOF_ROWS = 30  # of a group in the result; fewer prove nothing, as in a holdout
MAX_NAME = 64  # characters of a group's name in the result
MAX_RATIO = 1e9  # JSON has no infinity


@dataclass(frozen=True)
class Slice:
    """`live` is None without a live version; a value is None if the metric is undefined for these rows."""

    feature: str
    category: str
    rows: int
    candidate: float | None
    live: float | None


def measure_slices(metric: str, rows: Rows, candidate: ScoredRows, live: ScoredRows | None) -> list[Slice]:
    """The metric in each of the 8 most frequent categories of 10 rows or more, by categorical feature.

    All rows are scored already, in the same order; a missing value is a category too.
    """
    measured = []
    kept = [] if rows.kept is None else [str(name) for name in rows.kept]
    for feature in (*rows.columns.features.all_categorical, *kept):
        large = [(name, which) for name, which in groups(rows.column(feature)) if which.sum() >= MIN_ROWS]
        measured += [_slice(feature, metric, name, which, candidate, live) for name, which in large[:MAX_CATEGORIES]]
    return measured


def worst_groups(
    requested: Sequence[SliceBy], rows: Rows, candidate: ScoredRows, live: ScoredRows
) -> list[SliceResult]:
    """For each requested slice, the group of 30 rows or more with the greatest ratio, the greatest of all first.

    A slice is left out if no group is so large, or if the metric is undefined in every group.
    """
    worst = []
    for each in requested:
        large = [(name, which) for name, which in groups(rows.column(each.column)) if which.sum() >= MIN_PROOF_ROWS]
        measured = [_slice(each.column, each.metric, name, which, candidate, live) for name, which in large]
        compared = [_compared(of, each.metric) for of in measured if of.candidate is not None and of.live is not None]
        worst += [max(compared, key=lambda of: of.ratio)] if compared else []
    return sorted(worst, key=lambda of: -of.ratio)


def groups(values: "Series[Any]") -> Iterator[tuple[str, Mask]]:
    """The categories, or the quarters of a number, and the missing; the most frequent first."""
    if values.dtype.kind == "f":
        values = _quarters(values)
    for category in values.value_counts(dropna=False).index:
        missing = pd.isna(category)
        yield "(missing)" if missing else str(category), np.asarray(values.isna() if missing else values == category)


def _quarters(values: "Series[Any]") -> "Series[Any]":
    """The name of the quarter in which each number lies."""
    present = values.dropna()
    if present.empty:
        return pd.Series(np.nan, index=values.index, dtype="str")
    edges = np.unique(present.quantile([0.25, 0.5, 0.75], interpolation="lower"))
    limits = _limits(edges)
    between = [f"above {low} up to {high}" for low, high in pairwise(limits)]
    names = np.array([f"up to {limits[0]}", *between, f"above {limits[-1]}"], dtype=object)
    return pd.Series(names[np.searchsorted(edges, values)], index=values.index, dtype="str").where(values.notna())


def _limits(edges: Iterable[float]) -> list[str]:
    """The limits of the quarters, each with as few digits as tell them apart: each is the value of a row."""
    wordings = ([f"{edge:.{digits}g}" for edge in edges] for digits in range(DIGITS, 18))
    return next(texts for texts in wordings if len(set(texts)) == len(texts))


def _slice(feature: str, metric: str, name: str, which: Mask, candidate: ScoredRows, live: ScoredRows | None) -> Slice:
    return Slice(feature, name, int(which.sum()), _value(metric, candidate, which), _value(metric, live, which))


def _compared(of: Slice, metric: str) -> SliceResult:
    assert of.candidate is not None and of.live is not None
    worse, better = (of.candidate, of.live) if metric in LOSSES else (of.live, of.candidate)
    ratio = 1.0 if worse == better else min(worse / better, MAX_RATIO) if better else MAX_RATIO
    return SliceResult(
        column=of.feature,
        metric=metric,
        group=of.category[:MAX_NAME],
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
