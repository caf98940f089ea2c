"""A table of which only the rows of a window are read, with the interface of `DataFiles`."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol

import pyarrow as pa

from perennial_trainer.contract.errors import RejectedTask
from perennial_trainer.data.files.parts import Past
from perennial_trainer.data.files.readers import naming_file, require_columns, with_columns
from perennial_trainer.data.notes import Notes
from perennial_trainer.data.schema import Columns

if TYPE_CHECKING:
    import pandas as pd


class Backend(Protocol):
    """What holds the rows, in one state as long as it is open."""

    name: str
    """What messages call it."""
    snapshot: str
    """Which state is read, if it can be read again."""
    column_names: Sequence[str]

    def time_of_newest(self, n: int, columns: Columns, past: Past) -> "pd.Timestamp | None":
        """The time of the newest row but n - 1 that is past; None if only reading all rows would tell."""

    def count(self, columns: Columns, after: "pd.Timestamp | None") -> int:
        """How many rows are newer than that time; about as many, or more."""

    def batches(self, names: Sequence[str], columns: Columns, after: "pd.Timestamp | None") -> Iterator[Any]:
        """These columns of all rows that are newer than that time, in Arrow tables; the first may be empty."""

    def close(self) -> None:
        """Nothing is held any more."""


@dataclass(frozen=True)
class Table:
    """All rows, or those newer than `after`. With `optional_target`, the target may be missing."""

    backend: Backend
    columns: Columns
    notes: Notes
    optional_target: bool = False
    after: "pd.Timestamp | None" = None

    @property
    def names(self) -> Sequence[str]:
        """The names of the parts that are read one by one: one."""
        return [self.backend.name]

    def of_window(self, window: str | int, past: Past, most: int | None) -> "tuple[Table, pd.Timestamp | None]":
        """The table without rows that are too old for the window, and since when an automatic window is cut off.

        Of an automatic window, at most `most` bytes are left. Raises a RejectedTask, WindowNeedsTimeColumn.
        """
        if isinstance(window, int) and self.columns.time is None:
            raise RejectedTask(
                "WindowNeedsTimeColumn",
                f"data.window {window} is a number of rows, but the rows of {self.backend.name} have no order: set "
                "data.timeColumn",
            )
        if self.columns.time is None or self.columns.time not in self.backend.column_names:
            return self, None
        if isinstance(window, int):
            start = self.backend.time_of_newest(window, self.columns, past)
            return replace(self, after=None if start is None else _just_before(start)), None
        if window not in ("auto", "all"):
            from perennial_trainer.data.window import window_start

            newest = self.backend.time_of_newest(1, self.columns, past)
            return replace(self, after=None if newest is None else window_start(newest, window, past.now)), None
        rows = None if most is None or window == "all" else most // self.columns.bytes_per_row
        if rows is None or self.backend.count(self.columns, None) <= rows:
            return self, None
        since = self.backend.time_of_newest(rows, self.columns, past) if rows else None
        return replace(self, after=since), since

    def size(self) -> int:
        """About how many bytes the needed columns take in memory."""
        return self.backend.count(self.columns, self.after) * self.columns.bytes_per_row

    def tables(self, name: str, whole: bool = False) -> Iterator[Any]:
        """The needed columns in Arrow tables of at least one row, or in one table with `whole`."""
        with naming_file(name):
            present = self.backend.column_names
            missing = [each for each in self.columns.names if each not in present]
            added = {each: float("nan") for each in missing if self.optional_target and each == self.columns.target}
            require_columns(self.columns.names, [*present, *added], present)
            needed = [each for each in self.columns.names if each in present]
            batches = self.backend.batches(needed, self.columns, self.after)
            for table in [pa.concat_tables(batches)] if whole else batches:
                if whole or table.num_rows:
                    yield with_columns(added, table)

    def row_in_file(self, name: str, row: int) -> int:  # noqa: ARG002
        """The number of the row among those that are read."""
        return row

    def with_columns(self, columns: Columns) -> "Table":
        """The same rows, of which other columns are read."""
        return replace(self, columns=columns)

    def present_columns(self) -> Columns | None:
        """The needed columns that there are; None if that is all of them, or leaves no feature or no target."""
        absent = set(self.columns.names) - set(self.backend.column_names)
        return self.columns.without(absent) if absent else None

    def close(self) -> None:
        self.backend.close()


def _just_before(time: "pd.Timestamp") -> "pd.Timestamp":
    import pandas as pd

    return time - pd.Timedelta(microseconds=1)
