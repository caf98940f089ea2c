"""The reference profile: the distribution of each column of the training rows, in a few hundred kilobytes."""

from typing import Annotated

import msgspec
from msgspec import Meta

from perennial_trainer.contract.errors import RejectedTask
from perennial_trainer.contract.fields import StrictStruct

Size = Annotated[int, Meta(ge=1)]
Share = Annotated[float, Meta(ge=0, le=1)]
Count = Annotated[int, Meta(ge=0)] | Annotated[float, Meta(ge=0)]


class NumericProfile(StrictStruct, frozen=True, kw_only=True, tag="numeric"):
    """`shares` are of the bins between the ascending `edges` (each the upper end of a bin), and of missing values.

    `points` are quantiles, or all values where there are not more; `below` and `upto` each say how many of `size`
    present values lie there. With `outer_bins` the first and the last bin lie beyond all values. Profiles of earlier
    trainers have no such bins and no `rows`; the first had a hundred points with shares, so of size 1, and no
    deviation.
    """

    edges: list[float]
    shares: list[Share]
    points: list[float]
    below: list[Count]
    upto: list[Count]
    size: Size = 1
    deviation: Annotated[float, Meta(ge=0)] | None = None
    outer_bins: bool = False
    rows: Size | None = None  # the missing included


class CategoricalProfile(StrictStruct, frozen=True, kw_only=True, tag="categorical"):
    """`shares` are of the most frequent `values`, then of all others, then of missing values.

    `others` are the next frequent values, and `other_counts` how often each occurs. Of the values beyond these, `rare`
    has the counts of those whose `name_hash` is below `sampled`. Profiles of earlier trainers have no counts, and no
    `others` where these were more than 900.
    """

    values: list[str]
    shares: list[Share]
    others: list[str] | None = None
    other_counts: list[Size] | None = None
    rare: dict[str, Size] = msgspec.field(default_factory=dict)
    sampled: Annotated[float, Meta(gt=0, le=1)] = 1.0
    rows: Size | None = None  # the missing included

    @property
    def knows_new_values(self) -> bool:
        """Whether it can tell which values have never occurred, at least among the sampled."""
        return self.others is not None or self.shares[-2] == 0


ColumnProfile = NumericProfile | CategoricalProfile


class ProfileMetric(StrictStruct, frozen=True, kw_only=True):
    """A metric of the version on its holdout."""

    value: float
    standard_error: float | None = None


class Profile(StrictStruct, frozen=True, kw_only=True):
    """Of the training rows as they came in; `prediction`, `probabilities` (by class) and `metrics` of the holdout."""

    rows: Size
    features: dict[str, ColumnProfile]
    target: ColumnProfile
    prediction: ColumnProfile
    metrics: dict[str, ProfileMetric]
    probabilities: dict[str, NumericProfile] = msgspec.field(default_factory=dict)


def encode_profile(profile: Profile) -> bytes:
    """The profile as compact JSON."""
    return msgspec.json.encode(profile)


def parse_profile(uri: str, content: bytes) -> Profile:
    """A stored profile. Raises a RejectedTask: UnreadableProfile."""
    try:
        return msgspec.json.decode(content, type=Profile)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise RejectedTask("UnreadableProfile", f"{uri} is not a profile of this trainer: {error}") from error
