"""The metadata of an Iceberg table, and its files, which are opened as all other files are."""

import re

from pyiceberg.catalog.noop import NoopCatalog
from pyiceberg.io.fsspec import FsspecFileIO, FsspecInputFile
from pyiceberg.serializers import FromInputFile
from pyiceberg.table import StaticTable

from perennial_trainer.contract.errors import RejectedTask
from perennial_trainer.storage.listing import display_uri
from perennial_trainer.storage.store import child_uri, open_filesystem

_METADATA = re.compile(r"v?(\d+)(-[^/]*)?(\.gz)?\.metadata\.json(\.gz)?")
_OTHER_NAMES = {"s3a": "s3", "s3n": "s3", "gcs": "gs", "az": "abfs", "abfss": "abfs"}


class _Files(FsspecFileIO):
    """The files of the store of the table alone: names and properties in the metadata are of others."""

    def __init__(self, store: str) -> None:
        super().__init__({})
        self._store = _scheme(store)

    def new_input(self, location: str) -> FsspecInputFile:
        if "://" not in location:
            location = f"file://{location.removeprefix('file:')}"
        if _scheme(location) != self._store:
            raise ValueError(f"the table is in {self._store}://, but has a file in {_scheme(location)}://")
        filesystem, path = open_filesystem(f"{self._store}://{location.partition('://')[2]}")
        return FsspecInputFile(path, filesystem)


def open_table(uri: str) -> StaticTable:
    """The table with the newest metadata in its folder, or with the metadata whose address is given.

    Raises a RejectedTask, NotAnIcebergTable, and whatever the store or pyiceberg does.
    """
    files, address = _Files(uri), uri if ".metadata.json" in uri.rpartition("/")[2] else _newest(uri)
    try:
        metadata = FromInputFile.table_metadata(files.new_input(address))
    except FileNotFoundError as error:
        raise _absent(uri) from error
    # StaticTable.from_metadata would import and call the class that the table's properties name as py-io-impl.
    return StaticTable(("table",), metadata, address, files, NoopCatalog("static"))


def _newest(uri: str) -> str:
    folder = child_uri(uri, "metadata")
    filesystem, path = open_filesystem(folder)
    filesystem.invalidate_cache()
    try:
        names = [str(name).rpartition("/")[2] for name in filesystem.ls(path, detail=False)]
    except (FileNotFoundError, NotADirectoryError) as error:
        raise _absent(uri) from error
    versions = {name: int(match[1]) for name in sorted(names) if (match := _METADATA.fullmatch(name))}
    newest = [name for name, version in versions.items() if version == max(versions.values())]
    if not newest:
        raise _absent(uri)
    if len(newest) > 1:
        raise RejectedTask(
            "NotAnIcebergTable",
            f"{display_uri(uri)} has several newest metadata files, {' and '.join(newest)}: give in iceberg.uri the "
            "address of the one that the catalogue names",
        )
    return child_uri(folder, newest[0])


def _absent(uri: str) -> RejectedTask:
    return RejectedTask("NotAnIcebergTable", f"{display_uri(uri)} has no Iceberg table: correct iceberg.uri")


def _scheme(uri: str) -> str:
    scheme = uri.partition("://")[0]
    return _OTHER_NAMES.get(scheme, scheme)
