"""The features of a model: the columns that it reads, and the features that are computed from them in each row."""

from collections import Counter
from functools import cached_property
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from perennial_trainer.contract.data import TimeFormat
from perennial_trainer.contract.features.functions import Bins, Calendar, Derived, Interaction, Rule
from perennial_trainer.contract.fields import StrictStruct

MOST_NGRAM, MOST_BUCKETS = 5, 2**18


class Text(StrictStruct, frozen=True, kw_only=True, omit_defaults=True):
    """A column of texts, whose sequences of words or characters are counted in so many buckets, by their hashes."""

    column: Annotated[str, Meta(min_length=1)]
    analyzer: Literal["word", "character"] = "word"
    min_ngram: Annotated[int, Meta(ge=1, le=MOST_NGRAM)] = 1
    max_ngram: Annotated[int, Meta(ge=1, le=MOST_NGRAM)] = 1
    buckets: Annotated[int, Meta(ge=2, le=MOST_BUCKETS)] = 1024

    def __post_init__(self) -> None:
        if self.min_ngram > self.max_ngram:
            raise ValueError(
                f"text {self.column} has minNgram {self.min_ngram} and maxNgram {self.max_ngram}: swap them"
            )

    @property
    def described(self) -> str:
        """How it is counted, for people."""
        return f"{self.analyzer} n-grams in {self.buckets} buckets"

    @property
    def measures(self) -> tuple[str, str]:
        """What is measured of the texts: how many words each has, and which."""
        return f"{self.column}.length", f"{self.column}.words"


class Transformer(StrictStruct, frozen=True, kw_only=True, omit_defaults=True):
    """Features that a class of a package turns into numbers, instead of the trainer's own encoding."""

    transformer: Annotated[str, Meta(min_length=1)]
    columns: Annotated[tuple[str, ...], Meta(min_length=1)]
    parameters: dict[str, Any] = msgspec.field(default_factory=dict)

    @property
    def described(self) -> str:
        """Its name and parameters, for people."""
        given = ", ".join(f"{name} {value}" for name, value in self.parameters.items())
        return f"{self.transformer} ({given})" if given else self.transformer


class Features(StrictStruct, frozen=True, kw_only=True, omit_defaults=True, dict=True):
    """What the model is fitted to. Columns that only derived features read are inputs, and not features."""

    numeric: tuple[str, ...]
    categorical: tuple[str, ...]
    text: tuple[Text, ...] = ()
    derived: tuple[Derived, ...] = ()
    transformers: tuple[Transformer, ...] = ()

    def __post_init__(self) -> None:
        self._check_transformers()
        if self.derived or self.text:
            self._check_names()
            self._check_reading()

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The features by name, in the order of the table that the model gets."""
        return self.numeric + self.categorical + self.texts + tuple(each.name for each in self.derived)

    @cached_property
    def texts(self) -> tuple[str, ...]:
        return tuple(each.column for each in self.text)

    @cached_property
    def all_numeric(self) -> tuple[str, ...]:
        return self.numeric + tuple(each.name for each in self.derived if each.is_number)

    @cached_property
    def all_categorical(self) -> tuple[str, ...]:
        return self.categorical + tuple(each.name for each in self.derived if not each.is_number)

    @cached_property
    def transformed(self) -> frozenset[str]:
        """The features that reach the estimator by transformers alone."""
        return frozenset(column for each in self.transformers for column in each.columns)

    @cached_property
    def hashed(self) -> tuple[Text, ...]:
        """The texts whose sequences are counted: those that no transformer reads."""
        return tuple(each for each in self.text if each.column not in self.transformed)

    @cached_property
    def numbers(self) -> tuple[str, ...]:
        """The columns that are read as numbers."""
        return (*self.numeric, *(name for name, role in self._only_read.items() if role == "number"))

    @cached_property
    def categories(self) -> tuple[str, ...]:
        """The columns that are read as categories."""
        return (*self.categorical, *(name for name, role in self._only_read.items() if role == "category"))

    @cached_property
    def times(self) -> dict[str, TimeFormat | None]:
        """The columns that are read as times, and how they are written."""
        rules = [each.calendar for each in self.derived if each.calendar is not None]
        return {rule.column: rule.time_format for rule in rules}

    @cached_property
    def inputs(self) -> tuple[str, ...]:
        """The columns that are read: of files, and of requests."""
        return (*self.numbers, *self.categories, *self.texts, *self.times)

    @cached_property
    def measured(self) -> tuple[str, ...]:
        """Whose drift is measured: the features, and the numbers and categories that only derived ones read."""
        of_texts = [name for each in self.text for name in each.measures]
        only_read = [name for name, role in self._only_read.items() if role != "time"]
        return (*(name for name in self.names if name not in self.texts), *of_texts, *only_read)

    @cached_property
    def _only_read(self) -> dict[str, str]:
        """The columns that derived features read and the model does not get, and as what they are read."""
        known = set(self.names)
        roles: dict[str, str] = {}
        for each in self.derived:
            for column in each.rule.columns:
                if column not in known and roles.get(column, "category") == "category":
                    roles[column] = _role_of_input(each.rule)
        return roles

    def _check_transformers(self) -> None:
        for each in self.transformers:
            for column, times in Counter(each.columns).items():
                if column not in self.names or times > 1:
                    problem = "twice" if times > 1 else "which is not a feature"
                    raise ValueError(
                        f"transformer {each.transformer} reads {column}, {problem}: name features, each once"
                    )

    def _check_names(self) -> None:
        for name, times in [*Counter(self.names).items(), *Counter(self.measured).items()]:
            if times > 1:
                raise ValueError(f"{name} is named more than once among the features: give each its own name")

    def _check_reading(self) -> None:
        """A number reads columns, bins also derived numbers, and an interaction those and bins."""
        derived = {each.name: each for each in self.derived}
        roles = dict.fromkeys(self.numeric, "number") | dict.fromkeys(self.categorical, "category")
        roles |= dict.fromkeys(self.texts, "text") | self._only_read
        for each in self.derived:
            for column in each.rule.columns:
                if column in derived and not _may_read(each.rule, derived[column]):
                    raise ValueError(
                        f"derived {each.name} reads the derived {column}: name columns of the data; only bins read "
                        "derived numbers, and interactions derived numbers and bins"
                    )
                wanted = _role_of_input(each.rule)
                role = roles.get(column, wanted)
                if role != wanted and (role in ("time", "text") or not isinstance(each.rule, Interaction)):
                    raise ValueError(
                        f"derived {each.name} reads {column} as a {wanted}, which is a {role}: keep one role"
                    )
            if each.calendar and self.times[each.calendar.column] != each.calendar.time_format:
                raise ValueError(f"{each.calendar.column} has two formats of times: give one timeFormat")


def _role_of_input(rule: Rule) -> str:
    return "time" if isinstance(rule, Calendar) else "category" if isinstance(rule, Interaction) else "number"


def _may_read(rule: Rule, derived: Derived) -> bool:
    return isinstance(rule, Bins | Interaction) and (
        derived.is_number or (isinstance(rule, Interaction) and derived.bins is not None)
    )
