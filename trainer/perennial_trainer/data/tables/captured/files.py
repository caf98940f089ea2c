"""The files of captured rows: which may have rows of a window, as their folders say, and what is in them."""

import re
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import pyarrow.parquet

from perennial_trainer.captured.compacted import number_of, read_compacted
from perennial_trainer.contract.errors import RejectedTask
from perennial_trainer.data.files.file import DataFile
from perennial_trainer.data.files.parquet_file import ParquetFile
from perennial_trainer.data.files.parts import FILES_AT_ONCE, Past
from perennial_trainer.data.files.readers import naming_file, translating_errors
from perennial_trainer.data.schema import Columns
from perennial_trainer.storage.listing import list_files
from perennial_trainer.storage.store import open_filesystem

if TYPE_CHECKING:
    import pandas as pd

_FOLDERS = re.compile(r"/date=(\d{4}-\d{2}-\d{2})/(?:hour=(\d{2})/)?[^/]+$")
COPIES = 2
"""A row may be there so many times: a candidate in shadow answers a copy of the request."""


@dataclass(frozen=True)
class CapturedFiles:
    """Files by their names, which are in the order of their hours."""

    filesystem: Any
    names: Sequence[str]
    sizes: dict[str, int] = field(default_factory=dict)  # as far as they are known

    @classmethod
    def below(cls, uri: str) -> "CapturedFiles":
        """All files of the folder, none if it does not exist yet. Raises a FailedTask, DataUnreachable."""
        filesystem, path = open_filesystem(uri)
        try:
            return cls(filesystem, _without_replaced(filesystem, list_files(filesystem, path, uri).files))
        except RejectedTask as refusal:
            if refusal.reason != "NoFilesMatched":
                raise
            return cls(filesystem, [])

    def of_window(self, window: str | int, past: Past) -> "CapturedFiles":
        """The files without those that are too old for a window that is a duration or a number of rows."""
        if isinstance(window, int):
            whole = [hour for hour in self._newest_first if past.has(hour[1])]
            return self.since(self._start_of(COPIES * window, whole)) if whole else self
        starts = [start for start, _ in self._newest_first if past.has(start)]
        if window in ("auto", "all") or not starts:
            return self
        from perennial_trainer.data.window import window_start

        return self.since(window_start(starts[0], window, past.now))

    def that_fit(self, rows: int) -> "tuple[CapturedFiles, pd.Timestamp | None]":
        """The newest hours with at most so many rows, and when they start; all files if these fit, or no hour does."""
        total, first = 0, None
        for hour in self._newest_first:
            total += self._rows_of(hour)
            if total > rows:
                return (self, None) if first is None else (self.since(first), first)
            first = hour[0]
        return self, None

    def tables(self, name: str, needed: Sequence[str], columns: Columns, whole: bool = False) -> Iterator[Any]:
        """Those of these columns that the file has, in Arrow tables, or in one with `whole`."""
        with naming_file(name), translating_errors(name):
            reader = ParquetFile(DataFile(self.filesystem, name), columns)
            present = [each for each in needed if each in reader.column_names]
            for table in [reader.read_table(present)] if whole else reader.read_batches(present):
                yield table.replace_schema_metadata()

    def column_names(self, name: str) -> list[str]:
        with naming_file(name), translating_errors(name), self.filesystem.open(name, "rb") as stream:
            return list(pyarrow.parquet.read_schema(stream).names)

    def rows_of(self, names: Sequence[str]) -> int:
        """How many rows these files have, by their metadata, which is read once."""
        unknown = [name for name in names if name not in self.sizes]
        with ThreadPoolExecutor(FILES_AT_ONCE) as pool:
            self.sizes.update(zip(unknown, pool.map(self._size, unknown), strict=True))
        return sum(self.sizes[name] for name in names)

    def _size(self, name: str) -> int:
        with naming_file(name), translating_errors(name), self.filesystem.open(name, "rb") as stream:
            return int(pyarrow.parquet.read_metadata(stream).num_rows)

    @cached_property
    def _hours(self) -> "dict[str, tuple[pd.Timestamp, pd.Timestamp]]":
        """When the requests of each file began and ended at most, by its folders; without files in other folders."""
        import pandas as pd

        hours = {}
        for name in self.names:
            if match := _FOLDERS.search(name):
                start = pd.Timestamp(f"{match[1]}T{match[2] or '00'}", tz="UTC")
                hours[name] = start, start + pd.Timedelta(hours=1 if match[2] else 24)
        return hours

    @property
    def _newest_first(self) -> "list[tuple[pd.Timestamp, pd.Timestamp]]":
        return sorted(set(self._hours.values()), reverse=True)

    def _rows_of(self, hour: "tuple[pd.Timestamp, pd.Timestamp]") -> int:
        return self.rows_of([name for name, each in self._hours.items() if each == hour])

    def _start_of(self, rows: int, hours: "Sequence[tuple[pd.Timestamp, pd.Timestamp]]") -> "pd.Timestamp":
        """When the oldest of the hours starts that are needed for so many rows, the newest first."""
        counted = 0
        for hour in hours:
            counted += self._rows_of(hour)
            if counted >= rows:
                return hour[0]
        return hours[-1][0]

    def since(self, first: "pd.Timestamp") -> "CapturedFiles":
        """The files without those of hours that had ended by then."""
        old = {name for name, (_, end) in self._hours.items() if end <= first}
        return replace(self, names=[name for name in self.names if name not in old])


def _without_replaced(filesystem: Any, names: Sequence[str]) -> list[str]:
    """The files without those whose rows a compacted one of the same day has, until they are deleted."""
    by_day: dict[str, list[str]] = {}
    for name in names:
        folder, _, last = name.rpartition("/")
        by_day.setdefault(folder if number_of(last) else folder.rpartition("/")[0], []).append(name)
    replaced: set[str] = set()
    for day, files in by_day.items():
        compacted = [name for name in files if number_of(name.removeprefix(f"{day}/"))]
        for name in compacted if len(compacted) < len(files) else ():
            with naming_file(name), translating_errors(name), filesystem.open(name, "rb") as stream:
                replaced |= {f"{day}/{each}" for each in read_compacted(stream).files}
    return [name for name in names if name not in replaced]
