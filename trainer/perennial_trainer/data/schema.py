"""Which columns of a table a task needs, and their roles."""

from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace

from perennial_trainer.contract.data import CsvFormat
from perennial_trainer.contract.features.columns import Features
from perennial_trainer.contract.task import Kind

DEFAULT_CSV = CsvFormat()
WEIGHT = "perennial.weight"  # the column of captured rows and holdout files with what a row counts
REQUEST = "perennial.request"  # and the one with the hash of its request
CHARACTERS = 200  # of a text


@dataclass(frozen=True)
class Columns:
    """The needed columns by role, and how files write their values; `kind` is the task of the model."""

    features: Features
    target: str
    kind: Kind
    time: str | None
    positive: str | None = None  # the class that binary metrics are of
    group: str | None = None  # rows with the same value are on one side of every split
    keep: tuple[str, ...] = ()  # for slices
    time_format: str | None = None
    csv: CsvFormat = DEFAULT_CSV

    @property
    def names(self) -> list[str]:
        """In the order of the model, each once (a column of a feature may also be the time)."""
        others = [self.time] if self.time else []
        others += [self.group] if self.group else []
        return list(dict.fromkeys([*self.features.inputs, self.target, *others, *self.keep]))

    @property
    def times(self) -> set[str]:
        """The columns of times that are not also read as numbers."""
        return {*([self.time] if self.time else []), *self.features.times} - {*self.features.numeric}

    def without(self, absent: AbstractSet[str]) -> "Columns | None":
        """The other columns; None if no feature or no target is left."""
        numeric, categorical = (
            tuple(name for name in names if name not in absent)
            for names in (self.features.numeric, self.features.categorical)
        )
        text = tuple(each for each in self.features.text if each.column not in absent)
        gone = {*absent, *(each.name for each in self.features.derived if not absent.isdisjoint(each.rule.columns))}
        derived = tuple(each for each in self.features.derived if gone.isdisjoint((each.name, *each.rule.columns)))
        if self.target in absent or not (numeric or categorical or text or derived):
            return None
        return replace(
            self,
            features=Features(numeric=numeric, categorical=categorical, text=text, derived=derived),
            time=None if self.time in absent else self.time,
            group=None if self.group in absent else self.group,
            keep=tuple(name for name in self.keep if name not in absent),
        )

    @property
    def as_text(self) -> list[str]:
        """The columns that are read as text, also where all values look like numbers."""
        text = [
            *self.features.categories,
            *self.features.texts,
            *([self.target] if self.kind == "classification" else []),
        ]
        others = [*([self.group] if self.group else []), *self.keep]
        return [*text, *(name for name in dict.fromkeys(others) if name not in (*text, self.time))]

    @property
    def bytes_per_row(self) -> int:
        """About what a row takes in memory: a number or a time 8 bytes, a text an offset and some characters."""
        texts = len(self.as_text)
        return 8 * (len(self.names) - texts) + 24 * texts + CHARACTERS * len(self.features.texts)
