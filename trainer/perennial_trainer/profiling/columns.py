"""The profile of one column: the bins, points and values with which recent values are compared."""

import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from perennial_trainer.data.values.plain_rows import Coded, counts_of
from perennial_trainer.profiling.profile import CategoricalProfile, ColumnProfile, NumericProfile

BINS = 10
MOST_POINTS = 1000
MOST_CATEGORIES = 100  # with a bin of their own
MOST_NAMED = 1000
MOST_RARE = 2000
HALVINGS = 10
ROUNDING = 1e-12

Floats = NDArray[np.float64]


def profile_column(values: Any, points: int = MOST_POINTS) -> ColumnProfile:
    """The profile of a column of n > 0 numbers or categories, of pandas or not."""
    if isinstance(values, Coded) or values.dtype.kind != "f":
        return profile_categories(counts_of(values), len(values))
    return profile_numbers(np.asarray(values, dtype=np.float64), points)


def profile_categories(counts: dict[str, int], rows: int) -> CategoricalProfile:
    """The profile of a column in which each value occurs so often; in the other of n > 0 rows it is missing."""
    ranked = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))
    frequent, others, rest = (
        dict(part) for part in (ranked[:MOST_CATEGORIES], ranked[MOST_CATEGORIES:MOST_NAMED], ranked[MOST_NAMED:])
    )
    present, of_frequent = sum(counts.values()), list(frequent.values())
    rare, sampled = sample_by_hash(rest, MOST_RARE)
    return CategoricalProfile(
        values=list(frequent),
        shares=[count / rows for count in (*of_frequent, present - sum(of_frequent), rows - present)],
        others=list(others),
        other_counts=list(others.values()),
        rare=rare,
        sampled=sampled,
        rows=rows,
    )


def sample_by_hash(counts: dict[str, int], most: int, sampled: float = 1.0) -> tuple[dict[str, int], float]:
    """At most so many of the values, those whose hash is below a share of all hashes, and that share.

    Two sides that sample by the same share follow the same values, so each can tell what the other lacks (Broder, On
    the resemblance and containment of documents, 1997).
    """
    while len(counts) > most:
        sampled /= 2
        counts = {name: count for name, count in counts.items() if name_hash(name) < sampled}
    return counts, sampled


def name_hash(name: str) -> float:
    """A number in [0, 1) that depends on the name alone."""
    return zlib.crc32(name.encode("utf-8", "surrogatepass")) / 2**32


def in_bins(present: Floats, edges: Sequence[float] | Floats) -> NDArray[np.int64]:
    """How many of the ascending values lie in each bin that the edges divide."""
    upto = np.searchsorted(present, np.asarray(edges, dtype=np.float64), side="right")
    return np.diff(upto, prepend=0, append=len(present)).astype(np.int64)


def profile_numbers(values: Floats, most: int) -> NumericProfile:
    """The profile of n > 0 numbers, NaN where they are missing, with about so many points at most."""
    present = np.sort(values[~np.isnan(values)])
    points, counts = _distinct(present)
    edges = _edges(present, points, counts)
    if len(points) > most + 1:
        points = np.unique(_quantiles(present, finer_at_the_ends(most)))
    of_bins = [*in_bins(present, edges).tolist(), len(values) - len(present)]
    return NumericProfile(
        edges=edges.tolist(),
        shares=[count / len(values) for count in of_bins],
        points=points.tolist(),
        below=np.searchsorted(present, points, side="left").tolist(),
        upto=np.searchsorted(present, points, side="right").tolist(),
        size=max(1, len(present)),
        deviation=_deviation(present),
        outer_bins=bool(len(edges) and edges[0] < present[0]),
        rows=len(values),
    )


def _deviation(present: Floats) -> float | None:
    with np.errstate(over="ignore", invalid="ignore"):
        deviation = float(present.std()) if len(present) else 0.0
        if deviation < ROUNDING * np.abs(present[:1]).sum():  # a constant's
            return 0.0
    return deviation if np.isfinite(deviation) else None


def _edges(present: Floats, distinct: Floats, counts: NDArray[np.intp]) -> Floats:
    """The deciles; a bin of its own for each frequent value, and for what lies beyond all values at either end.

    A value is frequent if it fills more than a tenth of the rows: it would take a bin, or several, and hide how the
    rest is distributed. So the deciles are those of the other values.
    """
    if not len(present):
        return present
    frequent = distinct[counts * BINS > len(present)]
    others = present if not len(frequent) else present[~np.isin(present, frequent)]
    deciles = _quantiles(others, np.linspace(0, 1, BINS + 1))[1:-1]
    ends = [_just_below(present[:1]), present[-1:]]
    return np.unique(np.concatenate([deciles, frequent, _just_below(frequent), *ends]))


def _just_below(values: Floats) -> Floats:
    with np.errstate(over="ignore"):
        below: Floats = np.nextafter(values, -np.inf)
    return below[np.isfinite(below)]


def finer_at_the_ends(parts: int) -> Floats:
    """As many even parts, of which the outermost are halved towards the end: there the values lie far apart."""
    end = 0.5 ** np.arange(1, HALVINGS + 1) / parts
    return np.sort(np.concatenate([end, np.linspace(0, 1, parts + 1), 1 - end]))


def _quantiles(present: Floats, at: Floats) -> Floats:
    """As `np.quantile` has them by `inverted_cdf`, but what is sorted already is not sorted again."""
    if not len(present):
        return present
    return present[np.maximum(np.ceil(len(present) * at - 1).astype(np.intp), 0)]


def _distinct(present: Floats) -> tuple[Floats, NDArray[np.intp]]:
    """Each of the ascending values once, and how often it occurs."""
    first = np.ones(len(present), dtype=bool)
    first[1:] = present[1:] != present[:-1]
    return present[first], np.diff(np.flatnonzero(first), append=len(present))
