"""How rows are read, cleaned and split."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from perennial_operator.core.api.cel import int_or_string, matching, rule, rules
from perennial_operator.core.api.places import Place, Source
from perennial_operator.core.api.values import Column, Duration, Share, Value

SPAN = "auto|all|[1-9][0-9]{0,5}[smhd]"
NO_SPAN = "give auto, all, a duration such as 90d, or a number of rows greater than 0"


def _known_span(span: int | str) -> int | str:
    if not (span > 0 if isinstance(span, int) else re.fullmatch(SPAN, span)):
        raise ValueError(NO_SPAN)
    return span


Span = Annotated[
    int | str,
    AfterValidator(_known_span),
    int_or_string(f"type(self) == int ? self > 0 : self.matches('^({SPAN})$')", NO_SPAN),
]


class Cleaning(Value):
    """How missing values, duplicates and outliers are treated."""

    missing: Literal["drop", "impute", "fail"] = Field(
        "drop", description="Rows with missing features: drop them, impute the median or most frequent value, or fail."
    )
    duplicates: Literal["drop", "keep"] = Field(
        "keep",
        description="Rows that repeat another one in every column that is used: keep them, since few columns repeat "
        "by themselves, or drop them.",
    )
    outliers: Literal["keep", "clip", "drop"] = Field(
        "keep",
        description="Numeric values far outside the quartiles of the training rows: keep them, clip them, or drop their rows.",
    )


TIME_NOTATIONS = r"epoch-(s|ms|us|ns)|excel|yyyy(mm(dd(HH(MM(SS)?)?)?)?)?|.*%[A-Za-z].*"
TimeFormat = Annotated[
    str,
    *matching(
        TIME_NOTATIONS,
        "give epoch-s, epoch-ms, epoch-us, epoch-ns, excel, yyyy, yyyymm, yyyymmdd, yyyymmddHH, yyyymmddHHMM or "
        "yyyymmddHHMMSS, or a format of strptime such as %d.%m.%Y %H:%M",
        64,
    ),
]


class CsvFormat(Value):
    """How csv files are written. What is left out is recognised by each file, where it is unmistakable."""

    model_config = rules(
        rule(
            "!has(self.decimal) || !has(self.thousands) || self.decimal != self.thousands",
            "decimal and thousands must be different characters",
            field_path=".thousands",
        ),
    )
    separator: str | None = Field(
        None, min_length=1, max_length=1, description="Character between two fields, such as ; or a tab."
    )
    decimal: Literal[".", ","] | None = Field(None, description="Decimal sign of numbers.")
    thousands: Literal[".", ",", " ", "'", "\u00a0", "\u202f"] | None = Field(
        None, description="Character between groups of three digits."
    )
    encoding: (
        Annotated[
            str, *matching(r"[A-Za-z0-9][A-Za-z0-9_-]*", "give an encoding as Python names it, such as latin-1", 32)
        ]
        | None
    ) = Field(None, description="Encoding as Python names it, such as utf-8, latin-1 or utf-16.")
    null_values: list[Annotated[str, Field(max_length=64)]] = Field(
        [],
        max_length=20,
        description="Words that are missing values, beside the empty field, in text columns too. "
        "Numeric columns and the time column have the usual ones (NA, NaN, null) in any case.",
    )

    @model_validator(mode="after")
    def has_two_signs(self) -> CsvFormat:
        if self.decimal and self.decimal == self.thousands:
            raise ValueError("decimal and thousands must be different characters")
        return self


class Labels(Place):
    """What became of captured rows: the column model.target, by the key of the request."""

    key: Column = Field(description="Column with the key that the request had.")
    row: Column | None = Field(
        None,
        description="Column with the place of a row, from 0, among those of its request with the same key. Without it the "
        "key of a row is key for the first and key#1, key#2 and so on for the others.",
    )
    time_column: Column | None = Field(
        None,
        description="Column with the time at which the label was written: of several labels of a row the newest counts. "
        "Without it that is the last one, by the names of files and the order of rows.",
    )
    time_format: TimeFormat | None = Field(None, description="How timeColumn is written, as in data.timeFormat.")
    mature: Duration = Field(
        description="Time after a request in which nearly all labels have come. A younger row counts neither for quality "
        "nor for training, even if it has a label: those that come soon may be unlike those that come late."
    )


class DataSpec(Value):
    """The labelled rows, and how they are read, cleaned and split."""

    model_config = rules(
        rule(
            "has(self.timeColumn) || type(self.window) == int || !self.window.matches('^[0-9]')",
            "a duration needs timeColumn; set it, or give auto, all or a number of rows",
            field_path=".window",
        ),
    )
    training: Source = Field(description="The labelled rows; the source grows with time.")
    labels: Labels | None = Field(
        None, description="The labels of captured rows, wherever captured is true, of which each joins one row."
    )
    time_column: Column | None = Field(
        None,
        description="Column with the time of each row. The newest rows become the holdout; "
        "without it the holdout is random, by row digest. Of captured rows it is the time of the request, unless the model "
        "has an input of this name.",
    )
    time_format: TimeFormat | None = Field(
        None,
        description="How timeColumn is written, where it is not ISO 8601, yyyymmdd or seconds, milli-, micro- or "
        "nanoseconds since 1970: epoch-s, epoch-ms, epoch-us, epoch-ns, excel, yyyy, yyyymm, yyyymmddHH, yyyymmddHHMM, "
        "yyyymmddHHMMSS, or a format of strptime. It applies to drift.check.data too.",
    )
    csv: CsvFormat | None = Field(
        None,
        description="How csv files are written, where the files do not show it without doubt. "
        "It applies to drift.check.data too.",
    )
    window: Span = Field(
        "auto",
        description="How much history to train on: auto (the best of several spans), all, a duration such as 90d, "
        "or a number of rows.",
    )
    holdout: float = Field(
        0.2, ge=0.05, le=0.5, description="Share of the rows that are kept out of training for validation."
    )
    cleaning: Cleaning = Field(Cleaning(), description="How missing values, duplicates and outliers are treated.")
    min_rows: int = Field(200, ge=10, description="Fewest rows after cleaning; with fewer the training fails.")
    max_missing: Share = Field(
        0.2,
        description="Greatest share of missing values in a feature; with more the training fails, because the data are "
        "broken. Rows without a target wait and do not count.",
    )
    group_column: Column | None = Field(
        None,
        description="Column whose equal values belong together, such as a patient's number: they are on one side of "
        "every split. With timeColumn the holdout keeps only groups without earlier rows. Never a feature.",
    )
    keep: list[Column] | None = Field(
        None,
        max_length=20,
        description="Columns that the holdout keeps so that validation.slices can name them; never features.",
        json_schema_extra={"x-kubernetes-list-type": "set"},
    )
    allow_leaks: list[Column] | None = Field(
        None,
        max_length=50,
        description="Features that may predict the target alone, because they are known at prediction.",
        json_schema_extra={"x-kubernetes-list-type": "set"},
    )
