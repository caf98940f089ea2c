"""What the model reads: columns, and features that are computed from them in each row."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from perennial_operator.core.api.cel import CHECKED, rule, rules
from perennial_operator.core.api.derived import Derived
from perennial_operator.core.api.pod import Object
from perennial_operator.core.api.values import Column, Value

MOST_DERIVED = 50
PACKAGED = "^[a-z0-9]+(-[a-z0-9]+)*:[A-Za-z0-9_]+([.-][A-Za-z0-9_]+)*$"
"""What names an entry point of a package."""


class Text(Value):
    """A column of texts, whose sequences of words or characters are counted by their hashes."""

    model_config = rules(
        rule(
            "(has(self.minNgram) ? self.minNgram : 1) <= (has(self.maxNgram) ? self.maxNgram : 1)",
            "minNgram must not be greater than maxNgram",
            field_path=".minNgram",
        )
    )
    column: Column = Field(description="Column with texts.")
    # Without defaults here, since Argo CD would see a difference in each item: the trainer has them.
    analyzer: Literal["word", "character"] | None = Field(
        None,
        description="What the sequences are of: words of two letters or more, or characters within words. Default: word.",
    )
    min_ngram: int | None = Field(None, ge=1, le=5, description="Length of the shortest sequences. Default: 1.")
    max_ngram: int | None = Field(None, ge=1, le=5, description="Length of the longest sequences. Default: 1.")
    buckets: int | None = Field(
        None,
        ge=2,
        le=262144,
        description="In how many columns they are counted; sequences whose hashes are alike share one. Default: 1024.",
    )


class Transformer(Value):
    """A class of a package that turns features into numbers, instead of the trainer's own encoding."""

    transformer: str = Field(
        max_length=200,
        description="<package>:<entry point> of a package in your own image that the operator's administrator allows.",
        json_schema_extra={
            CHECKED: [
                rule(f"self.matches('{PACKAGED}')", "give <package>:<entry point>, such as acme-estimators:polar"),
            ]
        },
    )
    columns: list[Column] = Field(
        min_length=1,
        max_length=20,
        description="Features that it gets, in this order: numeric, categorical, text or derived. They reach the estimator "
        "by transformers alone.",
        json_schema_extra={"x-kubernetes-list-type": "set"},
    )
    parameters: Object | None = Field(None, description="Keyword arguments of the class.")


def reads(derived: str, column: str) -> str:
    """CEL: whether this derived feature reads this column."""
    return f"{_calendar_reads(derived, column)} || {reads_no_time(derived, column)}"


def reads_no_time(derived: str, column: str) -> str:
    """CEL: whether a function other than calendar reads this column."""
    others = f"{_bins_read(derived, column)} || {_interaction_reads(derived, column)}"
    return f"{_number_reads(derived, column)} || {others}"


def _number_reads(derived: str, column: str) -> str:
    """CEL: whether the function is of numbers and gives a number, and reads this column."""
    fields = {
        "log1p": ("column",),
        "ratio": ("numerator", "denominator"),
        "difference": ("column", "minus"),
        "clip": ("column",),
    }
    return " || ".join(
        f"(has({derived}.{name}) && ({' || '.join(f'{derived}.{name}.{field} == {column}' for field in read)}))"
        for name, read in fields.items()
    )


def _calendar_reads(derived: str, column: str) -> str:
    return f"(has({derived}.calendar) && {derived}.calendar.column == {column})"


def _bins_read(derived: str, column: str) -> str:
    return f"(has({derived}.bins) && {derived}.bins.column == {column})"


def _interaction_reads(derived: str, column: str) -> str:
    return f"(has({derived}.interaction) && {column} in {derived}.interaction.columns)"


def any_text(column: str, features: str = "self.features") -> str:
    """CEL: whether this column is a text of the features."""
    return f"(has({features}.text) && {features}.text.exists(t, t.column == {column}))"


def any_derived(condition: str, features: str = "self") -> str:
    """CEL: whether the condition is true of a derived feature `d`."""
    return f"(has({features}.derived) && {features}.derived.exists(d, {condition}))"


_NAMES = (
    rule(
        "size(self.numeric) + size(self.categorical) + (has(self.text) ? size(self.text) : 0)"
        " + (has(self.derived) ? size(self.derived) : 0) > 0",
        "name at least one numeric or categorical feature",
    ),
    rule(
        "!has(self.text) || !self.text.exists(t, t.column in self.numeric || t.column in self.categorical)",
        "a text is neither numeric nor categorical; remove it from one of the lists",
        field_path=".text",
    ),
    rule(
        f"!has(self.text) || !self.text.exists(t, {any_derived('d.name == t.column || ' + reads('d', 't.column'))})",
        "a derived feature reads a text or has its name; name another column",
        field_path=".derived",
    ),
    rule(
        "!has(self.text) || !self.text.exists(t, [t.column + '.length', t.column + '.words'].exists(n,"
        f" n in self.numeric || n in self.categorical || {any_derived('d.name == n || ' + reads_no_time('d', 'n'))}))",
        "a feature has the name by which the drift of a text is measured, its column with .length or .words; rename the "
        "column in the data, or give the derived feature another name",
        field_path=".text",
    ),
    rule(
        "self.numeric.all(f, !(f in self.categorical))",
        "a feature is either numeric or categorical; remove it from one of the lists",
        field_path=".categorical",
    ),
    rule(
        f"!{any_derived('d.name in self.numeric || d.name in self.categorical')}",
        "a derived feature has the name of a numeric or categorical one; give it another name",
        field_path=".derived",
    ),
)
_TRANSFORMED = rule(
    "!has(self.transformers) || self.transformers.all(t, t.columns.all(c, c in self.numeric || c in self.categorical"
    f" || {any_text('c', 'self')} || {any_derived('d.name == c')}))",
    "a transformer reads a column that is not a feature; name it in numeric, categorical, text or derived, too",
    field_path=".transformers",
)
_READ = "other.name"
_READS_WRONG = (
    f"{_number_reads('d', _READ)} || {_calendar_reads('d', _READ)}"
    f" || ({_bins_read('d', _READ)} && (has(other.bins) || has(other.interaction)))"
    f" || ({_interaction_reads('d', _READ)} && has(other.interaction))"
)
_READS_CATEGORY = f"self.categorical.exists(c, {_number_reads('d', 'c')} || {_bins_read('d', 'c')})"
_TIME = "d.calendar.column"
_TIME_IS_MORE = (
    f"has(d.calendar) && ({_TIME} in self.numeric || {_TIME} in self.categorical"
    f" || self.derived.exists(other, {reads_no_time('other', _TIME)}))"
)
_TWO_FORMATS = (
    f"has(d.calendar) && self.derived.exists(other, {_calendar_reads('other', _TIME)}"
    " && (has(other.calendar.timeFormat) != has(d.calendar.timeFormat)"
    " || (has(d.calendar.timeFormat) && other.calendar.timeFormat != d.calendar.timeFormat)))"
)
_READING = tuple(
    rule(f"!{any_derived(condition)}", message, field_path=".derived")
    for condition, message in (
        (
            f"self.derived.exists(other, {_READS_WRONG})",
            "a derived feature reads another one; name columns of the data: only bins read derived numbers, and "
            "interactions derived numbers and bins",
        ),
        (
            _READS_CATEGORY,
            "a derived feature reads a categorical feature as a number; remove it from categorical, or use interaction",
        ),
        (
            _TIME_IS_MORE,
            "the column of calendar is a time; remove it from numeric and categorical, and from other functions",
        ),
        (_TWO_FORMATS, "one column of times has one timeFormat; give all its calendar parts the same"),
    )
)


class Features(Value):
    """The columns the model reads."""

    model_config = rules(*_NAMES, *_READING, _TRANSFORMED)
    numeric: list[Column] = Field(
        [], max_length=5000, description="Columns with numbers.", json_schema_extra={"x-kubernetes-list-type": "set"}
    )
    categorical: list[Column] = Field(
        [],
        max_length=100,
        description="Columns with categories, as text or codes.",
        json_schema_extra={"x-kubernetes-list-type": "set"},
    )
    text: list[Text] | None = Field(
        None,
        max_length=10,
        description="Columns with texts of people. Needs an estimator that takes sparse rows.",
        json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["column"]},
    )
    derived: list[Derived] | None = Field(
        None,
        max_length=MOST_DERIVED,
        description="Features that are computed from other columns of their row, the same in training, validation, checks "
        "and requests. A column that only they read need not be a feature itself.",
        json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]},
    )
    transformers: list[Transformer] | None = Field(
        None,
        max_length=10,
        description="Classes of packages that turn features into numbers, instead of imputation, scaling, one-hot encoding "
        "or hashing.",
    )
