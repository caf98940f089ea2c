"""Which columns of a table a task needs, and what they are."""

from dataclasses import dataclass

from perennial_trainer.contract.task import Features, Kind


@dataclass(frozen=True)
class Columns:
    """Which columns are needed, and what they are."""

    features: Features
    target: str
    kind: Kind
    time: str | None

    @property
    def names(self) -> list[str]:
        """In the order of the model, each once (a numeric feature may also be the time)."""
        return list(dict.fromkeys([*self.features.names, self.target, *([self.time] if self.time else [])]))

    @property
    def bytes_per_row(self) -> int:
        """About what a row fills in memory: numbers and times have 8 bytes, texts an offset and some characters."""
        texts = len(self.features.categorical) + (self.kind == "classification")
        return 8 * (len(self.names) - texts) + 24 * texts
