"""Captured rows with what became of them, with the interface of `DataFiles`."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from threading import Lock
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from perennial_trainer.captured.layout import TIME
from perennial_trainer.contract.errors import FailedTask
from perennial_trainer.data.files.parts import Past
from perennial_trainer.data.files.readers import DataFiles, naming_file, require_columns
from perennial_trainer.data.notes import Notes
from perennial_trainer.data.schema import REQUEST, WEIGHT, Columns
from perennial_trainer.data.tables.captured.files import CapturedFiles
from perennial_trainer.data.tables.table import Table
from perennial_trainer.storage.listing import display_uri

if TYPE_CHECKING:
    import pandas as pd

    from perennial_trainer.data.tables.captured.index import Index
    from perennial_trainer.data.tables.captured.labels import NewestLabels


Plain = DataFiles | Table


@dataclass(frozen=True)
class Joined:
    """Which captured rows count, and their labels; None without data.labels."""

    index: "Index"
    labels: "NewestLabels | None"


Join = Callable[[CapturedFiles, Plain | None], Joined]
"""Of these files, without rows that others have."""


@dataclass(frozen=True)
class CapturedRows:
    """The rows of these files that count, with the columns that are asked for.

    `role` says which column is the label's and which the time of the request, whatever is asked for. Beside the columns
    a table has the row's weight and the hash of its request's key. A feature that no file has is an error, unless rows
    of `before` have it.
    """

    files: CapturedFiles
    columns: Columns
    role: Columns
    notes: Notes
    join: Join
    before: Plain | None = None
    lock: Any = field(default_factory=Lock)  # files are read by several threads
    known: dict[None, Joined] = field(default_factory=dict)  # as soon as it is needed

    def joined(self) -> Joined:
        with self.lock:
            if None not in self.known:
                self.known[None] = self.join(self.files, self.before)
            return self.known[None]

    @property
    def names(self) -> Sequence[str]:
        return self.files.names

    @property
    def by_request(self) -> bool:
        """Whether the time of a row is that of its request, because no input of the model has it."""
        return self.role.time not in self.role.features.inputs

    def of_window(self, window: str | int, past: Past, most: int | None) -> "tuple[CapturedRows, pd.Timestamp | None]":
        """The rows of files that may have some of the window, and since when an automatic window is cut off."""
        files, since = self.files, None
        if self.role.time is not None and self.by_request:
            if window == "auto" and most is not None:
                files, since = files.that_fit(most // self.columns.bytes_per_row)
            files = files.of_window(window, past)
        return self.beside(self.before, files), since

    def beside(self, before: Plain | None, files: CapturedFiles | None = None) -> "CapturedRows":
        """The rows of these files, or of the same ones, beside others of before."""
        return CapturedRows(files or self.files, self.columns, self.role, self.notes, self.join, before)

    def size(self) -> int:
        """About how many bytes the needed columns take in memory."""
        return self.files.rows_of(self.names) * self.columns.bytes_per_row

    def tables(self, name: str, whole: bool = False) -> Iterator[Any]:
        """The needed columns in Arrow tables of at least one row, or in one table with `whole`."""
        joined, stored = self.joined(), {name: self._stored(name) for name in self.columns.names}
        places, read = joined.index.places[name], 0
        for table in self.files.tables(name, list(dict.fromkeys([TIME, *stored.values()])), self.columns, whole):
            place = places[read : read + table.num_rows]
            read += table.num_rows
            if whole:  # it is the only table
                _require_all(name, read, places)
            counted = place >= 0
            if whole or counted.any():
                self._require(name, table.column_names)
                yield self._with_labels(table.filter(pa.array(counted)), stored, joined, place[counted])
        _require_all(name, read, places)

    def _with_labels(self, table: Any, stored: dict[str, str], joined: Joined, place: Any) -> Any:
        columns: dict[str, Any] = {}
        for name, in_file in stored.items():
            if name == self.role.target and joined.labels is not None:
                columns[name] = joined.labels.column(place)
            elif in_file in table.column_names:
                columns[name] = table[in_file]
            else:
                columns[name] = pa.nulls(table.num_rows, pa.float64())
        columns[WEIGHT] = joined.index.weights[place]
        return pa.table(columns | {REQUEST: joined.index.requests[place]})

    def _stored(self, name: str) -> str:
        return TIME if name == self.role.time and self.by_request else name

    def _require(self, file: str, in_file: Sequence[str]) -> None:
        """The file has the features, or other rows have them; else a RejectedTask, MissingColumn."""
        missing = [name for name in self.columns.features.inputs if name not in in_file]
        for name in missing:
            self.notes.add_missing_column(name, display_uri(file))
        if missing and self.before is None and not self._of_all >= set(missing):
            with naming_file(file):
                require_columns(self.columns.features.inputs, in_file, self.files.column_names(file))

    @property
    def _of_all(self) -> frozenset[str]:
        """The columns that some file has, as far as they are needed."""
        seen: set[str] = set()
        for name in self.names:
            if set(self.columns.features.inputs) <= seen:
                break
            seen |= set(self.files.column_names(name))
        return frozenset(seen)

    def row_in_file(self, name: str, row: int) -> int:  # noqa: ARG002
        """The number of the row among those of the file that count."""
        return row

    def with_columns(self, columns: Columns) -> "CapturedRows":
        """The same rows, of which other columns are read."""
        return replace(self, columns=columns)

    def present_columns(self) -> Columns | None:
        """The needed columns that there are; None if that is all of them, or leaves no feature."""
        absent = set(self.columns.features.inputs) - self._of_all
        return self.columns.without(absent) if absent else None

    def close(self) -> None:
        """Nothing is held."""


def _require_all(name: str, read: int, places: Any) -> None:
    """The file has as many rows as when it was read which row is which; else a FailedTask."""
    if read != len(places):
        raise FailedTask(
            "CapturedRowsChanged", f"{display_uri(name)} has lost rows while it was read: the next run reads it again"
        )
