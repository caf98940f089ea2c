"""Opens the place of the rows, whatever it is, and selects the rows of a window there."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING

from perennial_trainer.contract.data import Captured, DataSource, Place
from perennial_trainer.contract.errors import RejectedTask
from perennial_trainer.data.files import parts as file_parts
from perennial_trainer.data.files.parts import Past
from perennial_trainer.data.files.readers import DataFiles
from perennial_trainer.data.notes import Notes
from perennial_trainer.data.schema import Columns
from perennial_trainer.data.tables.captured.rows import CapturedRows
from perennial_trainer.data.tables.captured.together import Together
from perennial_trainer.data.tables.table import Backend, Table
from perennial_trainer.storage.listing import display_uri, list_files
from perennial_trainer.storage.store import open_filesystem

if TYPE_CHECKING:
    import pandas as pd

Plain = DataFiles | Table
Source = Plain | CapturedRows | Together


def open_source(
    data: DataSource | str,
    columns: Columns,
    notes: Notes | None = None,
    optional_target: bool = False,
    now: datetime | None = None,
) -> Source:
    """The files, the table or the captured rows; a text is the URI of files.

    With `optional_target`, a target column that is missing has missing values. Captured rows that are young at the
    time `now` have no target.

    Raises a FailedTask, DataUnreachable, or a RejectedTask: NoFilesMatched, TableOfVersions, QueryRefused,
    StoreNotConfigured, LibraryNotInstalled, NotADeltaTable, NotAnIcebergTable, EmptyData.
    """
    data, notes = DataSource(uri=data) if isinstance(data, str) else data, Notes() if notes is None else notes
    before = _open_place(data, columns, notes, optional_target) if data.places else None
    if data.captured is None:
        assert before is not None
        return before
    captured = _open_captured(data.captured, columns, notes, before, now)
    if before is not None:
        return Together(before, captured)
    if not captured.names and not optional_target:
        raise RejectedTask(
            "NoFilesMatched",
            f"{display_uri(data.captured.uri)} has no captured rows yet: give data.training.uri beside captured until "
            "the model has served",
        )
    return captured


def _open_place(data: Place, columns: Columns, notes: Notes, optional_target: bool = False) -> Plain:
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


def _open_captured(
    data: Captured, columns: Columns, notes: Notes, before: Plain | None, now: datetime | None
) -> CapturedRows:
    from perennial_trainer.data.tables.captured.files import CapturedFiles
    from perennial_trainer.data.tables.captured.join import Join

    files = CapturedFiles.below(data.uri)
    if data.since is not None:
        import pandas as pd

        files = files.since(pd.Timestamp(data.since))
    join = Join(data, columns, now, notes, lambda wanted, since: _open_labels(data, wanted, since, notes))
    return CapturedRows(files, columns, columns, notes, join, before)


def _open_labels(data: Captured, columns: Columns, since: "pd.Timestamp | None", notes: Notes) -> Plain | None:
    """The labels that were written after a time, or all; None, and a note, if there is no file yet."""
    assert data.labels is not None
    own = Notes()
    try:
        source = _open_place(data.labels, columns, own)
    except RejectedTask as refusal:
        if refusal.reason != "NoFilesMatched":
            raise
        notes.no_labels = refusal.message
        return None
    if since is None:
        return source
    if isinstance(source, Table):
        return replace(source, after=since)
    return file_parts.only(source, [part for part in file_parts.list_parts(source) if part.is_after(since)])


def place_of(data: DataSource | str) -> str:
    """What messages call it."""
    if not isinstance(data, str) and data.sql is not None:
        return "the SQL query"
    uri = data if isinstance(data, str) else (data.delta or data.iceberg or data).uri
    return display_uri(uri or (data.captured.uri if not isinstance(data, str) and data.captured else ""))


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
    if isinstance(source, Together):
        return _together(source, window, past, most)
    if isinstance(source, CapturedRows):
        captured, since = source.of_window(window, past, most)
        return Selected(captured, captured.size, since)
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


def _together(source: Together, window: str | int, past: Past, most: int | None) -> Selected:
    """Each part has its rows of the window; of an automatic window captured rows come first."""
    captured, since = source.captured.of_window(window, past, most)
    before = of_window(source.before, window, past, None if most is None else max(0, most - captured.size()))
    assert isinstance(before.source, (DataFiles, Table))
    starts = [each for each in (since, before.since) if each is not None]
    chosen = Together(before.source, captured.beside(before.source))
    return Selected(chosen, lambda: captured.size() + before.size(), max(starts, default=None))


def _backend(data: Place) -> Backend:
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
