"""How likely a Wasserstein distance is by chance alone, from the counts that a profile and a histogram keep."""

import numpy as np

from perennial_trainer.drift.chances.redistribution import Counts, Floats, chance_of, redistributed
from perennial_trainer.drift.column_drift import standard_deviation
from perennial_trainer.drift.histogram import NumericHistogram
from perennial_trainer.profiling.columns import finer_at_the_ends

PLACES = 200  # between which rows are redistributed, and some more at the ends
PIECES = 16  # of the recent rows between two rows of the reference
OUTER_SHAPE = (
    0.5  # the tail beyond the reference: a heavier one than that of the rows makes the chance too great at most
)


def chance_of_distance(recent: NumericHistogram, reference_rows: int, recent_rows: int, level: float) -> float | None:
    """The chance of so great a distance; None where the reference has no finite deviation.

    The pooled rows are merged into a few hundred places of about as many rows each, and of fewer at the ends. The
    observed distance is that of the merged rows too: theirs is less than that of all rows, by much where a few rows lie
    far away.
    """
    deviation = standard_deviation(recent.reference)
    if not 0 < deviation < np.inf:
        return None
    values, before, after = _pooled(recent, reference_rows, recent_rows)
    pooled = before + after
    share = (np.cumsum(pooled) - pooled / 2) / pooled.sum()
    place = np.searchsorted(finer_at_the_ends(PLACES)[1:-1], share)
    of_places = np.bincount(place, pooled)
    taken = of_places > 0
    with np.errstate(over="ignore", invalid="ignore"):
        centres = np.bincount(place, pooled * values)[taken] / of_places[taken]
    gaps = np.diff(centres) / deviation
    old, new = (np.rint(np.bincount(place, each)[taken]).astype(np.int64) for each in (before, after))
    if not np.isfinite(gaps).all() or not old.sum() or not new.sum():
        return None

    def distance(first: Counts, second: Counts) -> Floats:
        apart = first / first.sum(axis=1, keepdims=True) - second / second.sum(axis=1, keepdims=True)
        area: Floats = np.abs(np.cumsum(apart, axis=1)[:, :-1]) @ gaps
        return area

    return chance_of(distance, old, new, redistributed(old, new), level)


def _pooled(recent: NumericHistogram, reference_rows: int, recent_rows: int) -> tuple[Floats, Floats, Floats]:
    """Ascending values, and how many rows of the reference and of the recent ones have each.

    What lies between two points of the reference has one value for both sides: one side must not lie before the other
    by the way it is counted. Between points that are neighbouring rows of the reference only recent rows lie; they are
    spread, for in a redistribution rows of the reference lie between them.
    """
    points = np.asarray(recent.reference.points, dtype=np.float64)
    below, up_to = np.asarray(recent.reference.below), np.asarray(recent.reference.upto)
    before = np.zeros(2 * len(points) + 1)  # before, at and after each point
    before[1::2], before[2:-1:2] = up_to - below, below[1:] - up_to[:-1]
    means, weights = recent.weighted_values()
    left = np.searchsorted(points, means)
    position = 2 * left + (points[np.minimum(left, len(points) - 1)] == means)
    after = np.bincount(position, weights, minlength=len(before)).astype(np.float64)
    values = np.zeros(len(before))
    values[1::2], values[2:-1:2] = points, points[:-1] / 2 + points[1:] / 2
    with np.errstate(over="ignore", invalid="ignore"):
        sums = np.bincount(position, weights * means, minlength=len(before))
        values[::2] = np.where(after[::2] > 0, sums[::2] / np.maximum(after[::2], 1), values[::2])
    before *= reference_rows / before.sum()
    after *= recent_rows / after.sum()
    return _spread(points, values, before, after)


def _spread(points: Floats, values: Floats, before: Floats, after: Floats) -> tuple[Floats, Floats, Floats]:
    """Recent rows alone between two points have several values; positions without rows are left out."""
    alone = (np.arange(len(values)) % 2 == 0) & (before == 0) & (after > 1)
    whole = ~alone & (before + after > 0)
    bounds = np.concatenate([[-np.inf], points, [np.inf]])
    parts = [np.stack([values, before, after])[:, whole]]
    for position in np.flatnonzero(alone):
        pieces = _pieces(bounds[position // 2], bounds[position // 2 + 1], values[position], after[position])
        parts.append(np.stack([pieces, np.zeros(len(pieces)), np.full(len(pieces), after[position] / len(pieces))]))
    ordered = np.concatenate(parts, axis=1)
    ordered = ordered[:, np.argsort(ordered[0], kind="stable")]
    return ordered[0], ordered[1], ordered[2]


def _pieces(lower: float, upper: float, mean: float, count: float) -> Floats:
    """Values of this mean: powers of even steps between two points, a generalized Pareto distribution beyond them."""
    pieces = min(PIECES, round(count))
    even = (np.arange(pieces) + 0.5) / pieces
    with np.errstate(over="ignore", invalid="ignore"):
        if np.isfinite(lower) and np.isfinite(upper):
            share = np.clip((mean - lower) / (upper - lower), 0.01, 0.99)
            return np.asarray(lower + (upper - lower) * even ** (1 / share - 1))
        end = upper if np.isinf(lower) else lower
        steps = even**-OUTER_SHAPE - 1
        return np.asarray(end + (mean - end) * steps / steps.mean())
