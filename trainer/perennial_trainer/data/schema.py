"""Which columns of a table a task needs, and their roles."""

from dataclasses import dataclass

from perennial_trainer.contract.task import Features, Kind


@dataclass(frozen=True)
class Columns:
    """The needed columns by role; `kind` is the task of the model."""

    features: Features
    target: str
    kind: Kind
    time: str | None

    @property
    def names(self) -> list[str]:
        """In the order of the model, each once (a numeric feature may also be the time)."""
        return list(dict.fromkeys([*self.features.names, self.target, *([self.time] if self.time else [])]))

    @property
    def as_text(self) -> list[str]:
        """The columns that are read as text, also where all values look like numbers."""
        return [*self.features.categorical, *([self.target] if self.kind == "classification" else [])]

    @property
    def bytes_per_row(self) -> int:
        """About what a row takes in memory: a number or a time 8 bytes, a text an offset and some characters."""
        texts = len(self.as_text)
        return 8 * (len(self.names) - texts) + 24 * texts
