"""How good a model is for each group of rows: whom it serves worse than the rest."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from perennial_trainer.metrics import Scored, single
from perennial_trainer.rows import Rows

MOST = 8  # categories of a feature
LEAST = 10  # rows; fewer say nothing, and would say too much of single ones


@dataclass(frozen=True)
class Slice:
    """`live` is None without a live version; a value is None where the metric does not exist for these rows."""

    feature: str
    category: str
    rows: int
    candidate: float | None
    live: float | None


def slices(metric: str, rows: Rows, candidate: Scored, live: Scored | None) -> list[Slice]:
    """The metric in each of the 8 most frequent categories of 10 rows or more, by categorical feature.

    All rows are scored already, in the same order; a missing value is a category too.
    """
    found = []
    for feature in rows.columns.features.categorical:
        values = rows.features[feature]
        counts = values.value_counts(dropna=False)
        for category, count in counts[counts >= LEAST].iloc[:MOST].items():
            missing = pd.isna(category)  # type: ignore[call-overload]
            which = np.asarray(values.isna() if missing else values == category, dtype=bool)
            name = "(missing)" if missing else str(category)
            found.append(
                Slice(feature, name, int(count), _value(metric, candidate, which), _value(metric, live, which))
            )
    return found


def _value(metric: str, scored: Scored | None, which: "np.ndarray[tuple[int], np.dtype[np.bool_]]") -> float | None:
    if scored is None:
        return None
    value = single(metric, scored.take(which))
    return value if np.isfinite(value) else None
