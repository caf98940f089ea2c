"""The time from the oldest to the newest of the rows added."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from msgspec import UNSET, UnsetType

from perennial_trainer.contract.result import Window

if TYPE_CHECKING:
    import pandas as pd


@dataclass
class Period:
    """Starts empty; `start` and `end` are None until a time is added."""

    start: "pd.Timestamp | None" = None
    end: "pd.Timestamp | None" = None

    def add(self, times: "pd.Series[Any] | None") -> None:
        """Extends the period to these times; missing times are ignored."""
        if times is None or not times.notna().any():
            return
        first, last = times.min(), times.max()
        self.start = first if self.start is None else min(first, self.start)
        self.end = last if self.end is None else max(last, self.end)

    def window(self) -> Window | UnsetType:
        """The period as the result of a check reports it."""
        if self.start is None or self.end is None:
            return UNSET
        from perennial_trainer.data.window import iso_time

        return Window(start=iso_time(self.start), end=iso_time(self.end))
