"""How answers lie beside the truth, in figures of counts: no row can be told from them."""

import numpy as np
from numpy.typing import NDArray

from perennial_trainer.metrics.scored_rows import ScoredRows
from perennial_trainer.reporting.figures import Figure, column_chart, heat_map

BINS = 24
MOST = 7  # classes; the rarer are one
TAIL = 0.005  # of the rows on either side lie in the outermost bin


def draw_predictions(scored: dict[str, ScoredRows]) -> list[Figure]:
    """Of versions by name, the first being the one that the page is about; they were scored on the same rows."""
    first = next(iter(scored.values()))
    if not len(first):
        return []
    return [_confusion(first)] if first.classes else [_against(first), _residuals(scored)]


def _against(scored: ScoredRows) -> Figure:
    """Predicted against actual, with the diagonal on which a perfect model lies."""
    edges = _edges(np.concatenate([scored.target, scored.prediction]))
    across, up = _bin(scored.target, edges), _bin(scored.prediction, edges)
    counts = np.zeros((BINS, BINS))
    np.add.at(counts, (BINS - 1 - up, across), 1)
    note = f"Across: actual, up: predicted, both from {edges[0]:.4g} to {edges[-1]:.4g}. On the line they are equal."
    return heat_map("Predicted against actual", [""] * BINS, [""] * BINS, counts.tolist(), note, diagonal=True)


def _residuals(scored: dict[str, ScoredRows]) -> Figure:
    errors = {name: each.prediction - each.target for name, each in scored.items()}
    edges = _edges(np.concatenate(list(errors.values())))
    series = {name: (np.bincount(_bin(e, edges), minlength=BINS) / len(e)).tolist() for name, e in errors.items()}
    middles = edges[:-1] / 2 + edges[1:] / 2
    note = "Share of rows by predicted minus actual: right of zero the prediction is too high."
    return column_chart("Residuals", [f"{middle:.3g}" for middle in middles], series, note)


def _confusion(scored: ScoredRows) -> Figure:
    frequency = np.bincount(scored.target, minlength=len(scored.classes))
    kept = np.sort(np.argsort(-frequency, kind="stable")[:MOST])
    place = np.full(len(scored.classes), len(kept))
    place[kept] = np.arange(len(kept))
    names = [scored.classes[each] for each in kept] + (["others"] if len(kept) < len(scored.classes) else [])
    counts = np.zeros((len(names), len(names)), dtype=np.int64)
    np.add.at(counts, (place[scored.target], place[scored.prediction]), 1)
    return heat_map("Confusion", names, names, counts.tolist(), "Down: actual, across: predicted. Rows.", numbers=True)


def _edges(values: NDArray[np.float64]) -> NDArray[np.float64]:
    finite = values[np.isfinite(values)]
    low, high = np.quantile(finite, [TAIL, 1 - TAIL]) if len(finite) else (0.0, 1.0)
    return np.linspace(low, high if high > low else low + 1, BINS + 1)


def _bin(values: NDArray[np.float64], edges: NDArray[np.float64]) -> NDArray[np.intp]:
    return np.clip(np.searchsorted(edges, values, side="right") - 1, 0, BINS - 1)
