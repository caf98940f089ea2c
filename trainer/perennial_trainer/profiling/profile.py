"""The reference profile: the distribution of each column of the training rows, in a few hundred kilobytes."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from perennial_trainer.contract.errors import RejectedTask
from perennial_trainer.contract.fields import StrictStruct

if TYPE_CHECKING:
    import pandas as pd

    from perennial_trainer.data.rows import Rows

BINS = 10
MAX_POINTS, MIN_POINTS, TOTAL_POINTS = 1000, 100, 12_000  # of a column, and of all columns; 33 bytes each
MAX_BINS = 100  # categories with their own bin
MAX_CATEGORIES = 1000  # above it, only the categories with a bin are stored
HALVINGS = 10
ROUNDING = 1e-12  # relative

Floats = NDArray[np.float64]

Size = Annotated[int, Meta(ge=1)]
Share = Annotated[float, Meta(ge=0, le=1)]
Count = Annotated[int, Meta(ge=0)] | Annotated[float, Meta(ge=0)]


class NumericProfile(StrictStruct, frozen=True, kw_only=True, tag="numeric"):
    """`shares` are of the bins between the ascending `edges` (each the upper end of a bin), and of missing values.

    `points` are quantiles, or all distinct values if there are few; `below` and `upto` count the present values less
    than, and up to, each point, of `size` in total. Profiles of the first release have shares of a hundred points
    instead, so a size of 1, and no deviation.
    """

    edges: list[float]
    shares: list[Share]
    points: list[float]
    below: list[Count]
    upto: list[Count]
    size: Size = 1
    deviation: Annotated[float, Meta(ge=0)] | None = None


class CategoricalProfile(StrictStruct, frozen=True, kw_only=True, tag="categorical"):
    """`shares` are of the most frequent `values`, then of all others, then of missing values.

    `others` are the values of the second last share; None if they are too many, or were not stored.
    """

    values: list[str]
    shares: list[Share]
    others: list[str] | None = None


ColumnProfile = NumericProfile | CategoricalProfile


class ProfileMetric(StrictStruct, frozen=True, kw_only=True):
    """A metric of the version on its holdout."""

    value: float
    standard_error: float | None = None


class Profile(StrictStruct, frozen=True, kw_only=True):
    """Of the training rows including those with missing features; `prediction` and `metrics` are of the holdout."""

    rows: Size
    features: dict[str, ColumnProfile]
    target: ColumnProfile
    prediction: ColumnProfile
    metrics: dict[str, ProfileMetric]


def build_profile(rows: "Rows", prediction: "pd.Series[Any]", metrics: dict[str, ProfileMetric]) -> Profile:
    """The profile of n > 0 rows, with fewer points by column if there are many numeric features, to limit its size."""
    numeric = len(rows.columns.features.numeric)
    points = min(MAX_POINTS, max(MIN_POINTS, TOTAL_POINTS // max(1, numeric)))
    return Profile(
        rows=len(rows),
        features={str(name): profile_column(values, points) for name, values in rows.features.items()},
        target=profile_column(rows.target),
        prediction=profile_column(prediction),
        metrics=metrics,
    )


def profile_column(values: "pd.Series[Any]", points: int = MAX_POINTS) -> ColumnProfile:
    """The profile of a column of n > 0 numbers or categories."""
    if values.dtype.kind == "f":
        return _numeric(values.to_numpy(dtype=np.float64), points)
    counts = values.value_counts()
    ranked = sorted(((str(name), int(count)) for name, count in counts.items()), key=lambda pair: (-pair[1], pair[0]))
    names = [name for name, _ in ranked]
    in_bins = [count for _, count in ranked[:MAX_BINS]]
    in_others = int(counts.sum()) - sum(in_bins)
    return CategoricalProfile(
        values=names[:MAX_BINS],
        shares=[count / len(values) for count in (*in_bins, in_others, int(values.isna().sum()))],
        others=names[MAX_BINS:] if len(names) <= MAX_CATEGORIES else None,
    )


def encode_profile(profile: Profile) -> bytes:
    """The profile as compact JSON."""
    return msgspec.json.encode(profile)


def parse_profile(uri: str, content: bytes) -> Profile:
    """A stored profile. Raises a RejectedTask: UnreadableProfile."""
    try:
        return msgspec.json.decode(content, type=Profile)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise RejectedTask("UnreadableProfile", f"{uri} is not a profile of this trainer: {error}") from error


def in_bins(present: Floats, edges: Sequence[float] | Floats) -> NDArray[np.int64]:
    """How many of the ascending values lie in each bin between the edges."""
    up_to = np.searchsorted(present, np.asarray(edges, dtype=np.float64), side="right")
    return np.diff(up_to, prepend=0, append=len(present)).astype(np.int64)


def _numeric(values: Floats, max_points: int) -> NumericProfile:
    present = np.sort(values[~np.isnan(values)])
    edges, points = _edges(present), _distinct(present)
    if len(points) > max_points + 1:
        points = np.unique(_quantiles(present, _finer_at_the_ends(max_points)))
    counts = [*in_bins(present, edges).tolist(), len(values) - len(present)]
    return NumericProfile(
        edges=edges.tolist(),
        shares=[count / len(values) for count in counts],
        points=points.tolist(),
        below=np.searchsorted(present, points, side="left").tolist(),
        upto=np.searchsorted(present, points, side="right").tolist(),
        size=max(1, len(present)),
        deviation=_deviation(present),
    )


def _deviation(present: Floats) -> float | None:
    with np.errstate(over="ignore", invalid="ignore"):
        deviation = float(present.std()) if len(present) else 0.0
        if deviation < ROUNDING * np.abs(present[:1]).sum():  # the rounding error of a constant column
            return 0.0
    return deviation if np.isfinite(deviation) else None


def _edges(present: Floats) -> Floats:
    """The distinct deciles without the lowest and the highest value.

    If the lowest bin has only one value, an edge just below it is added: lower recent values get their own bin.
    """
    edges = np.unique(_quantiles(present, np.linspace(0, 1, BINS + 1))[1:-1])
    return np.insert(edges, 0, np.nextafter(edges[0], -np.inf)) if len(edges) and edges[0] == present[0] else edges


def _finer_at_the_ends(parts: int) -> Floats:
    """Even quantiles; the first and the last part are halved repeatedly, because the values are sparse there."""
    end = 0.5 ** np.arange(1, HALVINGS + 1) / parts
    return np.sort(np.concatenate([end, np.linspace(0, 1, parts + 1), 1 - end]))


def _quantiles(present: Floats, at: Floats) -> Floats:
    """The same as `np.quantile` with `inverted_cdf`, for values that are sorted already."""
    if not len(present):
        return present
    return present[np.maximum(np.ceil(len(present) * at - 1).astype(np.intp), 0)]


def _distinct(present: Floats) -> Floats:
    """The distinct values of ascending values."""
    first = np.ones(len(present), dtype=bool)
    first[1:] = present[1:] != present[:-1]
    return present[first]
