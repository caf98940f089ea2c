"""What a version was trained on, in a few hundred kilobytes: the reference that recent data are compared with."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from perennial_trainer.contract.errors import RejectedTask
from perennial_trainer.contract.task import StrictStruct

if TYPE_CHECKING:
    import pandas as pd

    from perennial_trainer.data.rows import Rows

BINS = 10
MOST_POINTS, FEWEST_POINTS, ALL_POINTS = 1000, 100, 12_000  # of a column, and of all: 33 bytes each
MOST_CATEGORIES = 100  # with a bin of their own
MOST_KNOWN = 1000
HALVINGS = 10
ROUNDING = 1e-12

Floats = NDArray[np.float64]


Size = Annotated[int, Meta(ge=1)]
Share = Annotated[float, Meta(ge=0, le=1)]
Count = Annotated[int, Meta(ge=0)] | Annotated[float, Meta(ge=0)]


class NumericProfile(StrictStruct, frozen=True, kw_only=True, tag="numeric"):
    """`shares` of the bins that `edges` (ascending, each the upper end of its bin) divide, and of the missing, last.

    `points` are quantiles, or all values where there are not more; `below` and `upto` each say how many of `size`
    present values lie there. The first versions had a hundred points with shares, so of size 1, and no deviation.
    """

    edges: list[float]
    shares: list[Share]
    points: list[float]
    below: list[Count]
    upto: list[Count]
    size: Size = 1
    deviation: Annotated[float, Meta(ge=0)] | None = None


class CategoricalProfile(StrictStruct, frozen=True, kw_only=True, tag="categorical"):
    """`shares` of the most frequent `values`, of all others, and of the missing, in this order.

    `others` are the values of the second last share, or None where they are too many, or were not kept.
    """

    values: list[str]
    shares: list[Share]
    others: list[str] | None = None


ColumnProfile = NumericProfile | CategoricalProfile


class ProfileMetric(StrictStruct, frozen=True, kw_only=True):
    value: float
    standard_error: float | None = None


class Profile(StrictStruct, frozen=True, kw_only=True):
    """Of the training rows as they came in; `prediction` and `metrics` are of the holdout."""

    rows: Size
    features: dict[str, ColumnProfile]
    target: ColumnProfile
    prediction: ColumnProfile
    metrics: dict[str, ProfileMetric]


def build_profile(rows: "Rows", prediction: "pd.Series[Any]", metrics: dict[str, ProfileMetric]) -> Profile:
    """The profile of n > 0 rows: finer where there are few numeric features, so that it stays small."""
    numeric = len(rows.columns.features.numeric)
    points = min(MOST_POINTS, max(FEWEST_POINTS, ALL_POINTS // max(1, numeric)))
    return Profile(
        rows=len(rows),
        features={str(name): profile_column(values, points) for name, values in rows.features.items()},
        target=profile_column(rows.target),
        prediction=profile_column(prediction),
        metrics=metrics,
    )


def profile_column(values: "pd.Series[Any]", points: int = MOST_POINTS) -> ColumnProfile:
    """The profile of a column of n > 0 numbers or categories."""
    if values.dtype.kind == "f":
        return _numeric(values.to_numpy(dtype=np.float64), points)
    counts = values.value_counts()
    ranked = sorted(((str(name), int(count)) for name, count in counts.items()), key=lambda pair: (-pair[1], pair[0]))
    names = [name for name, _ in ranked]
    most = [count for _, count in ranked[:MOST_CATEGORIES]]
    others = int(counts.sum()) - sum(most)
    return CategoricalProfile(
        values=names[:MOST_CATEGORIES],
        shares=[count / len(values) for count in (*most, others, int(values.isna().sum()))],
        others=names[MOST_CATEGORIES:] if len(names) <= MOST_KNOWN else None,
    )


def encode_profile(found: Profile) -> bytes:
    """The profile as JSON without a space: ten thousand numbers are no reading."""
    return msgspec.json.encode(found)


def parse_profile(uri: str, content: bytes) -> Profile:
    """A stored profile; a RejectedTask, UnreadableProfile, if it is none."""
    try:
        return msgspec.json.decode(content, type=Profile)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise RejectedTask("UnreadableProfile", f"{uri} is no profile of this trainer: {error}") from error


def in_bins(present: Floats, edges: Sequence[float] | Floats) -> NDArray[np.int64]:
    """How many of the ascending values lie in each bin that the edges divide."""
    upto = np.searchsorted(present, np.asarray(edges, dtype=np.float64), side="right")
    return np.diff(upto, prepend=0, append=len(present)).astype(np.int64)


def _numeric(values: Floats, most: int) -> NumericProfile:
    present = np.sort(values[~np.isnan(values)])
    edges, points = _edges(present), _distinct(present)
    if len(points) > most + 1:
        points = np.unique(_quantiles(present, _finer_at_the_ends(most)))
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
        found = float(present.std()) if len(present) else 0.0
        if found < ROUNDING * np.abs(present[:1]).sum():  # a constant's
            return 0.0
    return found if np.isfinite(found) else None


def _edges(present: Floats) -> Floats:
    """The deciles between the lowest and the highest value, each once.

    Where the lowest bin is one value only there is an edge just below it, so that what lies lower is seen.
    """
    edges = np.unique(_quantiles(present, np.linspace(0, 1, BINS + 1))[1:-1])
    return np.insert(edges, 0, np.nextafter(edges[0], -np.inf)) if len(edges) and edges[0] == present[0] else edges


def _finer_at_the_ends(parts: int) -> Floats:
    """As many even parts, of which the outermost are halved towards the end: there the values lie far apart."""
    end = 0.5 ** np.arange(1, HALVINGS + 1) / parts
    return np.sort(np.concatenate([end, np.linspace(0, 1, parts + 1), 1 - end]))


def _quantiles(present: Floats, at: Floats) -> Floats:
    """As `np.quantile` has them by `inverted_cdf`, but what is sorted already is not sorted again."""
    if not len(present):
        return present
    return present[np.maximum(np.ceil(len(present) * at - 1).astype(np.intp), 0)]


def _distinct(present: Floats) -> Floats:
    """Each of the ascending values once."""
    first = np.ones(len(present), dtype=bool)
    first[1:] = present[1:] != present[:-1]
    return present[first]
