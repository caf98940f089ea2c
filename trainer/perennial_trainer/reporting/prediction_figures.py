"""Figures of predictions against actual values: they show counts only, so no row can be recognized."""

import numpy as np
from numpy.typing import NDArray

from perennial_trainer.data.privacy import FEWEST_ROWS
from perennial_trainer.metrics.scored_rows import ScoredRows
from perennial_trainer.reporting.drawing.axis import Axis, ticks_around
from perennial_trainer.reporting.drawing.columns import Spread, column_chart
from perennial_trainer.reporting.drawing.figures import RIGHT, TOP, Figure
from perennial_trainer.reporting.drawing.grids import count_table, heat_map
from perennial_trainer.reporting.probability_figures import draw_probabilities

BINS = 20  # about
AXIS_LEFT = 60.0
MAX_CLASSES = 7  # the others are one class
TAIL = 0.005  # the share of rows on each side that falls into the outermost bin


def draw_predictions(scored: dict[str, ScoredRows], target: str) -> list[Figure]:
    """The figures for versions by name, all scored on the same rows; the page is about the first version."""
    scored = {name: each.take(each.has_known_class) for name, each in scored.items()}
    first = next(iter(scored.values()))
    if not len(first):
        return []
    if first.classes:
        return [_confusion(first), *draw_probabilities(scored)]
    return [_predicted_against_actual(first, target), _residuals(scored, target)]


def _predicted_against_actual(scored: ScoredRows, target: str) -> Figure:
    """Predicted against actual values, with the diagonal that a perfect model would be on."""
    edges = _bin_edges(np.concatenate([scored.target, scored.prediction]))
    column, row_from_bottom = _bins(scored.target, edges), _bins(scored.prediction, edges)
    size = len(edges) - 1
    counts = np.zeros((size, size))
    np.add.at(counts, (size - 1 - row_from_bottom, column), 1)
    counts[(counts > 0) & (counts < FEWEST_ROWS)] = FEWEST_ROWS
    note = (
        "On the line both are equal. Values beyond the axes are in the outermost cells. "
        f"A cell of fewer than {FEWEST_ROWS} rows looks like one of {FEWEST_ROWS}."
    )
    low, high = float(edges[0]), float(edges[-1])
    ticks = tuple(tick for tick in ticks_around(low, high) if low <= tick <= high)
    across, up = Axis(low, high, AXIS_LEFT, RIGHT, ticks), Axis(low, high, TOP + RIGHT - AXIS_LEFT, TOP, ticks)
    names = (f"actual {target}", "predicted")
    return heat_map("Predicted against actual", counts.tolist(), across, up, names, note)


def _residuals(scored: dict[str, ScoredRows], target: str) -> Figure:
    errors = {name: each.prediction - each.target for name, each in scored.items()}
    edges = _bin_edges(np.concatenate(list(errors.values())))
    shares = [np.bincount(_bins(each, edges), minlength=len(edges) - 1) / len(each) for each in errors.values()]
    note = "Right of zero the prediction is too high. Values beyond the axis are in the outermost columns."
    spread = Spread(edges.tolist(), np.stack(shares, axis=1).tolist())
    return column_chart("Residuals", spread, list(errors), note, f"predicted minus actual {target}")


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
    return count_table("Confusion", names, counts.tolist(), ("actual", "predicted"), "Numbers of rows.")


def _bin_edges(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Round numbers around all values but the outermost."""
    finite = values[np.isfinite(values)]
    low, high = np.quantile(finite, [TAIL, 1 - TAIL]).tolist() if len(finite) else (0.0, 1.0)
    edges = np.array(ticks_around(low, high if high > low else low + 1, BINS))
    return edges if np.all(np.diff(edges) > 0) else np.array([low, np.nextafter(low, np.inf)])


def _bins(values: NDArray[np.float64], edges: NDArray[np.float64]) -> NDArray[np.intp]:
    return np.clip(np.searchsorted(edges, values, side="right") - 1, 0, len(edges) - 2)
