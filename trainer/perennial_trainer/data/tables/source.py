"""Opens the place of the rows, whatever it is, and selects the rows of a window there."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from perennial_trainer.contract.data import DataSource
from perennial_trainer.contract.errors import RejectedTask
from perennial_trainer.data.files import parts as file_parts
from perennial_trainer.data.files.parts import Past
from perennial_trainer.data.files.readers import DataFiles
from perennial_trainer.data.notes import Notes
from perennial_trainer.data.schema import Columns
from perennial_trainer.data.tables.table import Backend, Table
from perennial_trainer.storage.listing import display_uri, list_files
from perennial_trainer.storage.store import open_filesystem

if TYPE_CHECKING:
    import pandas as pd

Source = DataFiles | Table


def open_source(
    data: DataSource | str, columns: Columns, notes: Notes | None = None, optional_target: bool = False
) -> Source:
    """The files or the table; a text is the URI of files.

    With `optional_target`, a target column that is missing has missing values.

    Raises a FailedTask, DataUnreachable, or a RejectedTask: NoFilesMatched, TableOfVersions, QueryRefused,
    StoreNotConfigured, LibraryNotInstalled, NotADeltaTable, NotAnIcebergTable, EmptyData.
    """
    data, notes = DataSource(uri=data) if isinstance(data, str) else data, Notes() if notes is None else notes
    if data.delta is not None:
        from perennial_trainer.data.tables.delta import delta_files

        filesystem, _ = open_filesystem(data.delta.uri)
        names, version = delta_files(data.delta.uri, data.delta.version)
        notes.snapshot = f"Delta version {version}"
        return DataFiles(filesystem, names, columns, notes, optional_target)
    if data.uri is None:
        backend = _backend(data)
        notes.snapshot = backend.snapshot
        return Table(backend, columns, notes, optional_target)
    filesystem, path = open_filesystem(data.uri)
    listing = list_files(filesystem, path, data.uri)
    notes.passed_over = listing.passed_over
    return DataFiles(filesystem, listing.files, columns, notes, optional_target)


def place_of(data: DataSource | str) -> str:
    """What messages call it."""
    uri = data if isinstance(data, str) else (data.delta or data.iceberg or data).uri
    return "the SQL query" if uri is None else display_uri(uri)


@dataclass(frozen=True)
class Selected:
    """The parts of a source that may have rows of a window; `size` is about how many bytes they take in memory.

    An automatic window starts after `since`.
    """

    source: Source
    size: Callable[[], int]
    since: "pd.Timestamp | None" = None


def of_window(source: Source, window: str | int, past: Past, most: int | None = None) -> Selected:
    """The source without parts that have no row of the window; of an automatic window at most `most` bytes."""
    if isinstance(source, Table):
        table, since = source.of_window(window, past, most)
        return Selected(table, table.size, since)
    since = None
    all_parts = file_parts.list_parts(source)
    chosen = file_parts.parts_in_window(all_parts, window, past, source.columns.time is not None)
    if window == "auto" and most is not None:
        chosen, since = file_parts.parts_that_fit(chosen, most)
    files = source if len(chosen) == len(all_parts) else file_parts.only(source, chosen)
    return Selected(files, lambda: sum(part.size for part in chosen), since)


def _backend(data: DataSource) -> Backend:
    if data.iceberg is not None:
        try:
            from perennial_trainer.data.tables.iceberg import IcebergTable
        except ImportError as error:
            raise RejectedTask(
                "LibraryNotInstalled",
                "this image cannot read Iceberg tables: set training.pod.image to one that has pyiceberg",
            ) from error
        return IcebergTable(data.iceberg.uri, data.iceberg.snapshot)
    assert data.sql is not None
    from perennial_trainer.data.tables.postgres import PostgresQuery

    return PostgresQuery(data.sql.query)
