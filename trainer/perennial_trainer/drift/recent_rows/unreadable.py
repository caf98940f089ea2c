"""How many values of the target or the time of recent rows cannot be read: a few are reported, more are refused."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from perennial_trainer.data.notes import Notes

if TYPE_CHECKING:
    from perennial_trainer.data.values.unusable import Unusable

MAX_SHARE = 0.2  # the default of data.maxMissing


@dataclass
class UnreadableShare:
    """The values added, of which `count` cannot be read."""

    first: "Unusable | None" = None
    count: int = 0
    values: int = 0

    def add(self, unreadable: "Unusable | None", readable: int) -> None:
        self.values += readable
        if unreadable is not None:
            self.first = self.first or unreadable
            self.count += unreadable.count
            self.values += unreadable.count

    def require_few(self, name: str, notes: Notes) -> None:
        """Notes them. Raises a RejectedTask, NonNumericTarget, InfiniteValues or UnreadableTime, if they are many."""
        if self.first is not None and self.count > MAX_SHARE * self.values:
            raise self.first.refusal(self.values, self.count)
        notes.add_unusable(name, self.count)
