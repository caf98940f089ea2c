"""Which files a version of a Delta table has: its log says it, and the files are read as others are."""

from urllib.parse import unquote

from perennial_trainer.contract.errors import FailedTask, RejectedTask
from perennial_trainer.storage.listing import display_uri
from perennial_trainer.storage.store import describe_error, open_filesystem

_READABLE = frozenset({"timestampNtz", "vacuumProtocolCheck", "v2Checkpoint"})
"""Features of a table whose files can be read as they are."""


def delta_files(uri: str, version: int | None = None) -> tuple[list[str], int]:
    """The names of the files, and the version, which is the newest one if none is given.

    Raises a FailedTask, DataUnreachable, or a RejectedTask: LibraryNotInstalled, NotADeltaTable, TableOfVersions,
    EmptyData.
    """
    try:
        from deltalake import DeltaTable
        from deltalake.exceptions import DeltaError, TableNotFoundError
    except ImportError as error:
        raise RejectedTask(
            "LibraryNotInstalled",
            "this image cannot read Delta tables: set training.pod.image to one that has deltalake",
        ) from error
    place = display_uri(uri)
    _, folder = open_filesystem(uri)
    try:
        table = DeltaTable(uri, version=version)
        actions = table.get_add_actions(flatten=True)
        names = [f"{folder.rstrip('/')}/{unquote(str(path))}" for path in actions.column("path").to_pylist()]
    except TableNotFoundError as error:
        raise RejectedTask("NotADeltaTable", f"{place} has no Delta table: correct delta.uri") from error
    except DeltaError as error:
        wanted = "the newest version" if version is None else f"version {version}"
        raise RejectedTask(
            "NotADeltaTable", f"{place} has no readable log of {wanted}: correct delta.version, or leave it out"
        ) from error
    except Exception as error:  # each store has its own exceptions
        raise FailedTask("DataUnreachable", f"{place} could not be read: {describe_error(error)}") from error
    _require_plain_files(table, place)
    if not names:
        raise RejectedTask("EmptyData", f"{place} has no row in version {table.version()}: write rows there")
    return sorted(names), int(table.version())


def _require_plain_files(table: object, place: str) -> None:
    """No row of a file is removed, and columns have their own names there; else a RejectedTask, TableOfVersions."""
    protocol, settings = table.protocol(), table.metadata().configuration  # type: ignore[attr-defined]
    unreadable = sorted(set(protocol.reader_features or ()) - _READABLE)
    if settings.get("delta.columnMapping.mode", "none") != "none":
        unreadable = sorted({*unreadable, "columnMapping"})
    if unreadable:
        raise RejectedTask(
            "TableOfVersions",
            f"{place} is a Delta table with {', '.join(unreadable)}, whose files alone are not its rows: switch that "
            "off and rewrite the table, or give a parquet export",
        )
