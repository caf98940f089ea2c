"""Which parts of the data files have rows of a window: row groups by their statistics, files by their folders."""

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime
from typing import IO, TYPE_CHECKING

from perennial_trainer.contract.errors import RejectedTask
from perennial_trainer.data.files.file import decompressed
from perennial_trainer.data.files.parquet_file import RowGroup, row_groups
from perennial_trainer.data.files.readers import DataFiles, naming_file, translating_errors
from perennial_trainer.storage.file_formats import format_of
from perennial_trainer.storage.listing import display_uri, partition_columns

if TYPE_CHECKING:
    import pandas as pd

FILES_AT_ONCE = 4  # reading from an object store is mostly waiting
SAMPLE = 1 << 20  # bytes that show how long the lines are


@dataclass(frozen=True)
class Part:
    """A row group, or a whole file without one. `rows` with a time and their times are None if only reading tells.

    `size` is about how many bytes the needed columns take in memory.
    """

    file: str
    size: int
    group: RowGroup | None = None
    rows: int | None = None
    oldest: "pd.Timestamp | None" = None
    newest: "pd.Timestamp | None" = None

    def is_after(self, start: "pd.Timestamp") -> bool:
        """Whether some row may be newer."""
        return self.newest is None or self.newest > start


@dataclass(frozen=True)
class Past:
    """Until when a time can be that of a row: in a window that ends, and not in the future."""

    now: datetime | None
    before: "pd.Timestamp | None" = None

    def newest_of(self, part: Part) -> "pd.Timestamp | None":
        """A time that some row of the part has or that one of its rows exceeds; None if there may be none."""
        return next((time for time in (part.newest, part.oldest) if time is not None and self.has(time)), None)

    def limits(self) -> "list[tuple[str, pd.Timestamp]]":
        """The limits, each with its sign in SQL."""
        from perennial_trainer.data.future import latest

        limits = [] if self.now is None else [("<=", latest(self.now))]
        return limits if self.before is None else [*limits, ("<", self.before)]

    def has(self, time: "pd.Timestamp") -> bool:
        return all(time <= limit if sign == "<=" else time < limit for sign, limit in self.limits())


def list_parts(files: DataFiles) -> list[Part]:
    """The parts of all files, in their order; only the start or the end of each file is read."""
    with ThreadPoolExecutor(FILES_AT_ONCE) as pool:
        return [part for parts in pool.map(lambda name: _parts_of(files, name), files.names) for part in parts]


def only(files: DataFiles, parts: Sequence[Part]) -> DataFiles:
    """The files with these parts alone, of which there is at least one."""
    groups: dict[str, list[RowGroup]] = {part.file: [] for part in parts}
    for part in parts:
        groups[part.file] += [part.group] if part.group else []
    chosen = {name: each for name, each in groups.items() if each}
    return DataFiles(files.filesystem, list(groups), files.columns, files.notes, files.optional_target, chosen)


def parts_in_window(parts: Sequence[Part], window: str | int, past: Past, has_times: bool) -> Sequence[Part]:
    """The parts that may have rows of a window that is a duration or a number of rows; all parts of `auto` and `all`.

    Each row of the window is in one of them. They may have other rows, too.
    """
    if isinstance(window, int):
        return _with_newest_rows(parts, window, past) if has_times else _with_last_rows(parts, window)
    if window in ("auto", "all"):
        return parts
    from perennial_trainer.data.window import window_start

    newest = [time for part in parts if (time := past.newest_of(part)) is not None]
    if not newest:
        return parts
    start = window_start(max(newest), window, past.now)
    return [part for part in parts if part.is_after(start)]


def parts_that_fit(parts: Sequence[Part], most: int) -> "tuple[Sequence[Part], pd.Timestamp | None]":
    """The newest parts of at most so many bytes, and the time of the newest row of the others.

    All parts if they fit, and if not even the newest ones do.
    """
    size, skipped = sum(part.size for part in parts), None
    for newest, of_part in sorted((part.newest, part.size) for part in parts if part.newest is not None):
        if size <= most:
            break
        size, skipped = size - of_part, newest
    fitting = [part for part in parts if skipped is None or part.is_after(skipped)]
    return (fitting, skipped) if any(part.newest for part in fitting) and size <= most else (parts, None)


def _with_newest_rows(parts: Sequence[Part], wanted: int, past: Past) -> Sequence[Part]:
    counted = [part for part in parts if part.newest is not None and past.newest_of(part) == part.newest]
    counted_rows = 0
    for oldest, rows in sorted(((part.oldest, part.rows or 0) for part in counted if part.oldest), reverse=True):
        counted_rows += rows
        if counted_rows >= wanted:
            return [part for part in parts if part.newest is None or part.newest >= oldest]
    return parts


def _with_last_rows(parts: Sequence[Part], wanted: int) -> Sequence[Part]:
    counted_rows = 0
    for place in range(len(parts) - 1, -1, -1):
        group = parts[place].group
        counted_rows += group.rows if group else 0
        if counted_rows >= wanted:
            return parts[place:]
    return parts


def _parts_of(files: DataFiles, name: str) -> list[Part]:
    """The parts of one file; of one that cannot be read, whose reading says why, one of no size.

    Over HTTP, where a file is loaded as a whole, at least the size of the file.
    """
    filesystem, columns = files.filesystem, files.columns
    try:
        if "http" in filesystem.protocol:
            return [Part(name, int(filesystem.info(name).get("size") or 0))]
        with naming_file(name), translating_errors(name), filesystem.open(name, "rb") as stored:
            if not stored.read(1):
                return [Part(name, 0)]
            stored.seek(0)
            if format_of(display_uri(name)) == "parquet":
                names, groups = row_groups(stored, columns.time)
                return _parts_of_groups(files, name, names, groups)
            rows = _estimated_rows(stored, name, filesystem.info(name)["size"])
        return [Part(name, rows * columns.bytes_per_row)]
    except RejectedTask:
        return [Part(name, 0)]


def _parts_of_groups(files: DataFiles, name: str, names: Sequence[str], groups: Sequence[RowGroup]) -> list[Part]:
    columns, folders = files.columns, partition_columns(name)
    if columns.time is not None and columns.time in folders and columns.time not in names:
        day = folders[columns.time]
        groups = [replace(group, present=group.rows, values=(day, day)) for group in groups]
    size = columns.bytes_per_row
    parts = [Part(name, group.rows * size, group, group.present) for group in groups]
    return list(_with_times(parts, files)) or [Part(name, 0)]


def _with_times(parts: Sequence[Part], files: DataFiles) -> Iterable[Part]:
    """The parts with the times of their rows, read as those of the rows are."""
    known = [part.group.values for part in parts if part.group and part.group.values]
    if files.columns.time is None or not known:
        return parts
    import pandas as pd

    from perennial_trainer.data.values.times import readable_times

    values = [each for pair in known for each in pair]
    times, _ = readable_times(files.columns.time, pd.Series(values, dtype=object), files.columns.time_format)
    if times.isna().any():
        return parts
    extremes = iter(times)
    return [
        replace(part, oldest=next(extremes), newest=next(extremes)) if part.group and part.group.values else part
        for part in parts
    ]


def _estimated_rows(stored: IO[bytes], name: str, size: int) -> int:
    """The number of rows of text, if the whole file is like its first lines; `size` is in bytes as stored."""
    with decompressed(stored, name) as unpacked:
        sample: bytes = unpacked.read(SAMPLE)
        lines, position = sample.count(b"\n"), int(stored.tell())
    return lines if len(sample) < SAMPLE else lines * size // max(1, position)
