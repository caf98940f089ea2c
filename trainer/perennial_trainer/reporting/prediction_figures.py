"""Figures of predictions against actual values: they show counts only, so no row can be recognized."""

import numpy as np
from numpy.typing import NDArray

from perennial_trainer.data.privacy import FEWEST_ROWS, rounded
from perennial_trainer.metrics.scored_rows import ScoredRows
from perennial_trainer.reporting.figures import Figure, column_chart, heat_map

BINS = 24
MAX_CLASSES = 7  # the others are one class
TAIL = 0.005  # the share of rows on each side that falls into the outermost bin


def draw_predictions(scored: dict[str, ScoredRows]) -> list[Figure]:
    """The figures for versions by name, all scored on the same rows; the page is about the first version."""
    scored = {name: each.take(each.has_known_class) for name, each in scored.items()}
    first = next(iter(scored.values()))
    if not len(first):
        return []
    return [_confusion(first)] if first.classes else [_predicted_against_actual(first), _residuals(scored)]


def _predicted_against_actual(scored: ScoredRows) -> Figure:
    """Predicted against actual values, with the diagonal that a perfect model would be on."""
    edges = _bin_edges(np.concatenate([scored.target, scored.prediction]))
    column, row_from_bottom = _bins(scored.target, edges), _bins(scored.prediction, edges)
    counts = np.zeros((BINS, BINS))
    np.add.at(counts, (BINS - 1 - row_from_bottom, column), 1)
    counts[(counts > 0) & (counts < FEWEST_ROWS)] = FEWEST_ROWS
    note = (
        f"Across: actual, up: predicted, both from about {rounded(edges[0])} to {rounded(edges[-1])}. On the line they "
        f"are equal. A cell of fewer than {FEWEST_ROWS} rows looks like one of {FEWEST_ROWS}."
    )
    return heat_map("Predicted against actual", [""] * BINS, [""] * BINS, counts.tolist(), note, diagonal=True)


def _residuals(scored: dict[str, ScoredRows]) -> Figure:
    errors = {name: each.prediction - each.target for name, each in scored.items()}
    edges = _bin_edges(np.concatenate(list(errors.values())))
    shares = {name: (np.bincount(_bins(each, edges), minlength=BINS) / len(each)) for name, each in errors.items()}
    middles = edges[:-1] / 2 + edges[1:] / 2
    note = "Share of rows by predicted minus actual: right of zero the prediction is too high."
    labels = [f"{middle:.3g}" for middle in middles]
    return column_chart("Residuals", labels, {name: each.tolist() for name, each in shares.items()}, note)


def _confusion(scored: ScoredRows) -> Figure:
    """Counts by actual and predicted class; the most frequent classes have their own row and column."""
    frequency = np.bincount(scored.target, minlength=len(scored.classes))
    frequent = np.argsort(-frequency, kind="stable")[:MAX_CLASSES]
    shown = np.sort(frequent[frequency[frequent] >= FEWEST_ROWS])
    place = np.full(len(scored.classes), len(shown))  # of each class; all others share the last
    place[shown] = np.arange(len(shown))
    names = [scored.classes[each] for each in shown] + (["others"] if len(shown) < len(scored.classes) else [])
    counts = np.zeros((len(names), len(names)), dtype=np.int64)
    np.add.at(counts, (place[scored.target], place[scored.prediction]), 1)
    note = "Number of rows. Down: actual, across: predicted."
    return heat_map("Confusion", names, names, counts.tolist(), note, numbers=True)


def _bin_edges(values: NDArray[np.float64]) -> NDArray[np.float64]:
    finite = values[np.isfinite(values)]
    low, high = np.quantile(finite, [TAIL, 1 - TAIL]) if len(finite) else (0.0, 1.0)
    return np.linspace(low, high if high > low else low + 1, BINS + 1)


def _bins(values: NDArray[np.float64], edges: NDArray[np.float64]) -> NDArray[np.intp]:
    return np.clip(np.searchsorted(edges, values, side="right") - 1, 0, BINS - 1)
