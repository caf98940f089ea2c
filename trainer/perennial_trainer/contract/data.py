"""The data of a task: where the rows are, and how they are read and cleaned."""

import codecs
from typing import Annotated, Any, Literal

from msgspec import Meta

from perennial_trainer.contract.fields import AwareTime, Duration, Name, Share, StrictStruct, Uri, Window


class Cleaning(StrictStruct, frozen=True, kw_only=True):
    missing: Literal["drop", "impute", "fail"]
    duplicates: Literal["drop", "keep"]
    outliers: Literal["keep", "clip", "drop"]


class CsvFormat(StrictStruct, frozen=True, kw_only=True, omit_defaults=True):
    """How csv files are written; None is recognised by the files, or as usual."""

    separator: Annotated[str, Meta(min_length=1, max_length=1)] | None = None
    decimal: Literal[".", ","] | None = None
    thousands: Literal[".", ",", " ", "'", "\u00a0", "\u202f"] | None = None
    encoding: str | None = None
    null_values: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.thousands and self.thousands == self.decimal:
            raise ValueError(f"csv.thousands and csv.decimal are both {self.thousands!r}: give different characters")
        if self.encoding:
            try:
                codecs.lookup(self.encoding)
            except LookupError:
                raise ValueError(
                    f"csv.encoding {self.encoding} is unknown: give one of Python's, such as latin-1"
                ) from None


TIME_FORMAT = "^(epoch-(s|ms|us|ns)|excel|yyyy(mm(dd(HH(MM(SS)?)?)?)?)?|.*%.*)$"
TimeFormat = Annotated[str, Meta(pattern=TIME_FORMAT)]


class SqlQuery(StrictStruct, frozen=True, kw_only=True):
    """A query of PostgreSQL; the environment has the address of the database and the password."""

    query: Annotated[str, Meta(min_length=1)]


class DeltaSource(StrictStruct, frozen=True, kw_only=True, omit_defaults=True):
    """A Delta table; without a version the newest one is read."""

    uri: Uri
    version: Annotated[int, Meta(ge=0)] | None = None


class IcebergSource(StrictStruct, frozen=True, kw_only=True, omit_defaults=True):
    """An Iceberg table; without a snapshot the current one is read."""

    uri: Uri
    snapshot: Annotated[int, Meta(ge=0)] | None = None


class Place(StrictStruct, frozen=True, kw_only=True, omit_defaults=True):
    """Files, or a table."""

    uri: Uri | None = None
    sql: SqlQuery | None = None
    delta: DeltaSource | None = None
    iceberg: IcebergSource | None = None

    @property
    def places(self) -> int:
        """How many of the fields are given."""
        return sum(each is not None for each in (self.uri, self.sql, self.delta, self.iceberg))


class Labels(Place, frozen=True, kw_only=True, omit_defaults=True):
    """What became of captured rows: the target, by the key of the request; of one key the newest counts.

    `key` and `row` are columns. Without `row`, `ride-7#2` is the key of the third row of the request `ride-7`.
    """

    key: Annotated[str, Meta(min_length=1)]
    row: str | None = None
    time_column: str | None = None  # when the label was written; without it, later rows are newer
    time_format: TimeFormat | None = None
    mature: Duration  # younger rows wait: labels that come soon may be unlike those that come late

    def __post_init__(self) -> None:
        if self.places != 1:
            raise ValueError("the labels have no place or several: give exactly one of uri, sql, delta and iceberg")


class Captured(StrictStruct, frozen=True, kw_only=True, omit_defaults=True):
    """The rows that the model server captured, below this folder."""

    uri: Uri
    labels: Labels | None = None  # without them no row has a target
    version: Name | None = None  # only the rows that it answered, copies of requests too
    since: AwareTime | None = None  # hours before it are not read
    key_in_clear: bool = False  # else a key is stored by an HMAC, whose secret the environment has


class DataSource(Place, frozen=True, kw_only=True, omit_defaults=True):
    """Files or a table, captured rows, or captured rows and those of before."""

    captured: Captured | None = None

    def __post_init__(self) -> None:
        if self.places != 1 and (self.places or not self.captured):
            raise ValueError("the rows have no place or several: give exactly one of uri, sql, delta and iceberg")


class TrainingData(DataSource, frozen=True, kw_only=True, omit_defaults=True):
    time_column: str | None = None
    window: Window
    holdout: Annotated[float, Meta(gt=0, lt=1)]
    holdout_rows: Annotated[int, Meta(ge=1)] | None = None  # the newest rows, if they are fewer than that share
    cleaning: Cleaning
    min_rows: Annotated[int, Meta(ge=1)]
    max_missing: Share
    group_column: str | None = None  # rows of one group are on one side of every split
    keep: tuple[str, ...] = ()  # columns that the holdout keeps for slices
    allow_leaks: tuple[str, ...] = ()  # features that may predict the target alone
    csv: CsvFormat = CsvFormat()
    time_format: TimeFormat | None = None

    def holdout_share(self, rows: int) -> float:
        """The share of so many rows that is the holdout."""
        return self.holdout if self.holdout_rows is None or not rows else min(self.holdout, self.holdout_rows / rows)

    def of_window(self, window: int | str) -> "RecentData":
        """The same rows, read as a check reads them."""
        return RecentData(
            uri=self.uri,
            sql=self.sql,
            delta=self.delta,
            iceberg=self.iceberg,
            captured=self.captured,
            time_column=self.time_column,
            window=window,
            csv=self.csv,
            time_format=self.time_format,
        )


class RecentData(DataSource, frozen=True, kw_only=True):
    time_column: str | None = None
    window: Window
    csv: CsvFormat = CsvFormat()
    time_format: TimeFormat | None = None


class Challenger(StrictStruct, frozen=True, kw_only=True):
    """A model that is fitted in each check, to be compared with the live version.

    To the newest rows of `data` that are older than the recent ones: `checks` times as many as have a target. With
    the `parameters` that the live version was trained with.
    """

    data: TrainingData
    parameters: dict[str, Any]
    checks: Annotated[int, Meta(ge=1)]
    weights: bool = False  # whether a blend is compared with its models of other weights, so that nothing is fitted

    def __post_init__(self) -> None:
        if self.data.time_column is None:
            raise ValueError("challenger.data has no timeColumn, so no row is known to be older: leave it out")
