"""Puts the small captured files of a day together, and deletes them a run later.

Each step leaves every row readable once, so a run may end anywhere: a compacted file appears whole, with the names of
the files in it, which readers leave out from then on; these are deleted by a later run, after each row of theirs was
found in the compacted file.
"""

import io
import logging
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import pyarrow as pa

from perennial_trainer.captured import compacted, layout
from perennial_trainer.captured.compacted import UNREADABLE, Compacted, read_compacted
from perennial_trainer.captured.encoding import decode_table, encode_table
from perennial_trainer.contract.errors import FailedTask, TaskError
from perennial_trainer.storage.store import child_uri, create_file, read_bytes
from perennial_trainer.upkeep.days import Day
from perennial_trainer.upkeep.files import AT_ONCE, Folder

LARGEST = 16 * 2**20
"""Bytes of the files that become one; a larger file stays as it is."""
PAUSE = timedelta(hours=12)
"""How long replaced files stay: a reader that has listed them may read them yet."""
DIFFERS = "CompactionDiffers"

log = logging.getLogger(__name__)


@dataclass
class Compaction:
    """Compacts days of one model's folder; `replaced` counts files, and `unreadable` ones stay as they are.

    `damaged` says what is wrong with the first day of which a compacted file cannot be used.
    """

    folder: Folder
    now: datetime
    replaced: int = 0
    unreadable: list[str] = field(default_factory=list)
    damaged: TaskError | None = None

    def compact(self, day: Day) -> None:
        """The day has few small files, or is damaged. Raises a FailedTask."""
        try:
            self._compact(day)
        except TaskError as error:
            if error.reason not in (DIFFERS, UNREADABLE):
                raise
            self.damaged = self.damaged or error

    def require_whole(self) -> None:
        """A TaskError if a day is damaged."""
        if self.damaged:
            raise self.damaged

    def _compact(self, day: Day) -> None:
        if not day.small or len(day.small) + len(day.compacted) < 2:
            return
        try:
            left = self._without_replaced(day)
        except pa.ArrowException as error:  # its text may have values of rows
            raise _damaged(f"{day.folder} has a compacted or replaced file that is torn: restore it") from error
        number = max(map(compacted.number_of, day.compacted), default=0)
        for chunk in _chunks(left):
            for tables in self._alike(day, chunk):
                if len(tables) > 1:
                    number += 1
                    self._write(self._uri(day, compacted.compacted_name(number)), tables)

    def _without_replaced(self, day: Day) -> dict[str, int]:
        """The small files that no compacted one has; of the others, those are deleted that were long enough ago."""
        left = dict(day.small)
        for name in day.compacted:
            content = self._read(self._uri(day, name))
            record = read_compacted(io.BytesIO(content))
            replaced = {each: left.pop(each) for each in record.files if each in left}
            if replaced and record.at + PAUSE <= self.now:
                self._require_rows(day, name, decode_table(content), record, replaced)
                self.folder.remove({f"{day.folder}/{each}": size for each, size in replaced.items()})
        return left

    def _require_rows(self, day: Day, name: str, table: pa.Table, record: Compacted, replaced: Iterable[str]) -> None:
        """The compacted file has each row of these files, where it says; else a FailedTask."""
        first, places = 0, {}
        for each, rows in record.files.items():
            places[each], first = (first, rows), first + rows
        for each in replaced:
            own = decode_table(self._read(self._uri(day, each)))
            if not _same(own, table.slice(*places[each])):
                raise _damaged(f"{self._uri(day, name)} lacks rows of {each}, which stays: remove the former")

    def _alike(self, day: Day, names: Iterable[str]) -> Iterator[dict[str, pa.Table]]:
        """The rows of the files, by name; those with the same columns together."""
        alike: dict[pa.Schema, dict[str, pa.Table]] = {}
        with ThreadPoolExecutor(AT_ONCE) as pool:
            for name, content in pool.map(lambda each: (each, self._read(self._uri(day, each))), names):
                table = self._decoded(f"{day.folder}/{name}", content)
                if table is not None:
                    alike.setdefault(table.schema, {})[name] = table
        yield from alike.values()

    def _decoded(self, name: str, content: bytes) -> pa.Table | None:
        """The rows; None if another format says that another release must compact the file, or it is not valid."""
        try:
            table = decode_table(content)
        except (pa.ArrowException, OSError):
            log.warning("%s is not valid parquet: it stays as it is", name)
            self.unreadable.append(name)
            return None
        known = (table.schema.metadata or {}).get(layout.METADATA_FORMAT) == layout.FORMAT.encode()
        return table.replace_schema_metadata() if known else None

    def _write(self, uri: str, tables: dict[str, pa.Table]) -> None:
        """The rows are in one file, whole. Raises a FailedTask if another run has written one of the name."""
        record = Compacted.of(self.now, {name: table.num_rows for name, table in tables.items()})
        rows = pa.concat_tables(tables[name] for name in record.files)
        content = encode_table(rows.replace_schema_metadata(record.metadata()))
        if not _same(decode_table(content), rows):
            raise _damaged(f"{uri} would lack rows, and is not written")
        if not create_file(uri, content):
            raise FailedTask("CompactedMeanwhile", f"{uri} was written by another run: the next one goes on from there")
        log.info("%s has the %d rows of %d files", uri, rows.num_rows, len(tables))
        self.replaced += len(tables)

    def _read(self, uri: str) -> bytes:
        try:
            return read_bytes(uri)
        except FileNotFoundError as error:
            raise FailedTask("CompactedMeanwhile", f"{uri} was deleted by another run: the next one goes on") from error

    def _uri(self, day: Day, name: str) -> str:
        return child_uri(self.folder.uri, f"{day.folder}/{name}")


def _same(one: pa.Table, other: pa.Table) -> bool:
    """Whether these are the same rows, in this order and with these types."""
    return bool(one.replace_schema_metadata().equals(other.replace_schema_metadata()))


def _damaged(message: str) -> FailedTask:
    return FailedTask(DIFFERS, message)


def _chunks(files: dict[str, int]) -> Iterator[list[str]]:
    """The names in their order, in lists of files that have at most LARGEST bytes together."""
    chunk: list[str] = []
    size = 0
    for name, each in files.items():
        if chunk and size + each > LARGEST:
            yield chunk
            chunk, size = [], 0
        chunk.append(name)
        size += each
    yield chunk
