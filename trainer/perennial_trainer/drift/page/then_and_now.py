"""How the values of a column are spread, in the training rows and in the recent ones.

A number that few rows have could be a person's: values beyond round numbers are counted together, a group of fewer than
10 rows looks like one of 10, and a category is named if at least 10 rows have it.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from perennial_trainer.data.privacy import FEWEST_ROWS
from perennial_trainer.drift.column_drift import reference_counts, reference_present, weighted_values
from perennial_trainer.drift.histogram import CategoricalHistogram, Histogram, NumericHistogram
from perennial_trainer.reporting.drawing.axis import ticks_around
from perennial_trainer.reporting.drawing.bars import bar_chart
from perennial_trainer.reporting.drawing.columns import Spread, column_chart
from perennial_trainer.reporting.drawing.figures import Figure
from perennial_trainer.reporting.numbers import percent

SERIES = ("training", "recent")
BINS, FEWEST_BINS = 10, 3
ROWS_IN_BIN = 25  # of either side, about: with fewer, most columns would look like 10 rows
TAIL = 0.005  # of the training rows on each side, which lie beyond the edges
MOST_NAMED = 6

Floats = NDArray[np.float64]


def spread_figure(caption: str, recent: Histogram, rows: int, axis_name: str) -> Figure | None:
    """The figure of a column, whose reference has `rows` rows if it does not say; None where it has no value."""
    if isinstance(recent, CategoricalHistogram):
        return _categories(caption, recent, rows, axis_name)
    if not recent.reference.points:
        return None
    if len(recent.reference.points) <= MOST_NAMED:
        return _few_numbers(caption, recent, rows, axis_name)
    return _numbers(caption, recent, rows, axis_name)


def _numbers(caption: str, recent: NumericHistogram, rows: int, axis_name: str) -> Figure | None:
    values, weights = weighted_values(recent.reference)
    present = reference_present(recent, rows)
    order = np.argsort(values, kind="stable")
    values, weights = values[order], weights[order] / weights.sum() * present
    share = np.cumsum(weights) / present
    low, high = (float(values[min(int(np.searchsorted(share, at)), len(values) - 1)]) for at in (TAIL, 1 - TAIL))
    bins = max(FEWEST_BINS, min(BINS, present // ROWS_IN_BIN, recent.present // ROWS_IN_BIN))
    edges = np.array(ticks_around(low, high if high > low else low + 1.0, bins))
    if not np.isfinite(edges).all():
        return None
    counts = np.stack([_in_bins(values, weights, edges), _in_bins(*recent.weighted_values(), edges)])
    edges, counts = _with_enough_in_tails(edges, counts)
    missing = np.array([(recent.reference.rows or rows) - present, recent.missing])
    all_rows = np.array([recent.reference.rows or rows, recent.rows])
    counts = np.where((counts > 0.5) & (counts < FEWEST_ROWS), FEWEST_ROWS, counts)
    shares = np.minimum(counts / all_rows[:, None], 1.0).T.tolist()
    spread = Spread(edges.tolist(), shares[1:-1], shares[0], shares[-1], (missing / all_rows).tolist())
    return column_chart(caption, spread, SERIES, "", axis_name)


def _in_bins(values: Floats, weights: Floats, edges: Floats) -> Floats:
    """The weights below the first edge, between two, and from the last on."""
    places = np.searchsorted(edges, values, side="right")
    return np.bincount(places, weights, minlength=len(edges) + 1).astype(np.float64)


def _with_enough_in_tails(edges: Floats, counts: Floats) -> tuple[Floats, Floats]:
    """The bins without the outermost ones in which few rows of a series lie: these are counted beyond them."""
    while len(edges) > 2 and _is_few(counts[:, 1]):
        edges, counts = edges[1:], np.column_stack([counts[:, :2].sum(axis=1), counts[:, 2:]])
    while len(edges) > 2 and _is_few(counts[:, -2]):
        edges, counts = edges[:-1], np.column_stack([counts[:, :-2], counts[:, -2:].sum(axis=1)])
    return edges, counts


def _is_few(counts: Floats) -> bool:
    """Whether one side has few rows there and none has many."""
    return bool(counts.max() < FEWEST_ROWS)


def _few_numbers(caption: str, recent: NumericHistogram, rows: int, axis_name: str) -> Figure:
    """A bar for each value: so few numbers are a code, or a count."""
    reference = recent.reference
    points, all_rows = reference.points, (reference.rows or rows, recent.rows)
    before = (np.asarray(reference.upto) - reference.below) / reference.size * reference_present(recent, rows)
    after = recent.counts_up_to(points) - recent.counts_below(points)
    named = [(f"{point:.10g}", *pair) for point, *pair in zip(points, before.tolist(), after.tolist(), strict=True)]
    others = ("other numbers", 0.0, float(recent.present - after.sum()))
    missing = ("missing", all_rows[0] - reference_present(recent, rows), recent.missing)
    return _bars(caption, named, [others, missing], all_rows, axis_name)


def _categories(caption: str, recent: CategoricalHistogram, rows: int, axis_name: str) -> Figure:
    before, after = reference_counts(recent, rows).tolist(), recent.counts.tolist()
    names = recent.reference.values
    named = list(zip(names, before[: len(names)], after[: len(names)], strict=True))
    rest = list(zip(("others", "not in training", "missing"), before[-3:], after[-3:], strict=True))
    return _bars(caption, named, rest, (recent.reference.rows or rows, recent.rows), axis_name)


def _bars(
    caption: str,
    named: Sequence[tuple[str, float, float]],
    rest: Sequence[tuple[str, float, float]],
    all_rows: tuple[int, int],
    axis_name: str,
) -> Figure:
    """The most frequent on either side by name, all others together, then the rest where there is any."""
    ranked = sorted(named, key=lambda each: -max(each[1] / all_rows[0], each[2] / all_rows[1]))
    shown = [each for each in ranked[:MOST_NAMED] if max(each[1:]) >= FEWEST_ROWS]
    hidden = [each for each in named if each not in shown]
    others = ("others", sum(each[1] for each in hidden), sum(each[2] for each in hidden))
    if rest[0][0] == "others":
        others, rest = ("others", others[1] + rest[0][1], others[2] + rest[0][2]), rest[1:]
    bars = [*shown, *(each for each in (others, *rest) if each[1] or each[2])]
    shares = [(name, [before / all_rows[0], after / all_rows[1]]) for name, before, after in bars]
    return bar_chart(caption, shares, SERIES, axis_name=axis_name, write=percent, beside=True)
