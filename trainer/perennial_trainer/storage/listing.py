"""Which data files a URI matches, and which columns their folders name."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any
from urllib.parse import unquote

import numpy as np

from perennial_trainer import __version__
from perennial_trainer.contract.errors import FailedTask, RejectedTask, join_names
from perennial_trainer.redaction import redact_passwords
from perennial_trainer.storage.file_formats import SHOWN, format_of
from perennial_trainer.storage.store import describe_error, open_filesystem

_HIVE_NULL = "__HIVE_DEFAULT_PARTITION__"
_TABLES = {"_delta_log": "a Delta table", ".hoodie": "a Hudi table"}
_BOOKKEEPING = ("_success", "_committed_", "_started_", "_metadata", "_common_metadata", ".crc")
_WRITTEN = (
    "ETag",
    "etag",
    "mtime",
    "LastModified",
    "last_modified",
    "updated",
    "md5Hash",
    "created",
    "Last-Modified",
    "Content-MD5",
)
"""When a file was written, or the digest of its content: each store has its own name for it."""
_FOLDERS_CHECKED = 20  # of a glob, for the log of a table


@dataclass(frozen=True)
class Listing:
    """The data files of a URI in the order of their names, and the names of other files that it matches."""

    files: list[str]
    passed_over: tuple[str, ...] = ()


def list_files(filesystem: Any, path: str, uri: str) -> Listing:
    """The data files of a path, a glob or a folder.

    Hidden files and logs, below names that start with `.` or `_`, are passed over. Raises a RejectedTask:
    NoFilesMatched, or TableOfVersions, since the folder of such a table also has files whose rows were removed.
    """
    try:
        exact, names = _names(filesystem, path)
        if not exact:
            _require_no_table(filesystem, path, names, uri)
    except FileNotFoundError:
        exact, names = False, []
    except RejectedTask:
        raise
    except Exception as error:  # each store has its own exceptions for "denied" and "unreachable"
        raise FailedTask(
            "DataUnreachable", f"{display_uri(uri)} could not be listed: {describe_error(error)}"
        ) from error
    files = sorted(name for name in names if format_of(display_uri(name)) and (exact or not _is_hidden(name, path)))
    passed_over = tuple(sorted(_shown(name, path) for name in set(names) - set(files) if not _is_bookkeeping(name)))
    if not files:
        others = f" (passed over: {join_names(passed_over, 5)})" if passed_over else ""
        raise RejectedTask(
            "NoFilesMatched",
            f"{display_uri(uri)} matches no file whose name ends in {SHOWN}{others}: correct the URI",
        )
    return Listing(files, passed_over)


def files_digest(uri: str) -> str | None:
    """The digest of the names, sizes and times of the data files of a URI, or of no file.

    None where the store does not say when a file was written. Another version of this trainer has other digests, since
    it may read what this one refuses.
    """
    filesystem, path = open_filesystem(uri)
    try:
        files = list_files(filesystem, path, uri).files
    except RejectedTask as refusal:
        if refusal.reason != "NoFilesMatched":
            return None
        files = []
    digest = hashlib.sha256(__version__.encode())
    for name in files:
        try:
            info = filesystem.info(name)
        except Exception:
            return None  # reading the file says why
        written = [str(info[key]) for key in _WRITTEN if info.get(key)]
        if not written:
            return None
        digest.update(repr((display_uri(name), info.get("size"), written)).encode())
    return digest.hexdigest()


def _names(filesystem: Any, path: str) -> tuple[bool, list[str]]:
    """Whether the path names one file, and all names that it matches, without folders."""
    over_http = "http" in filesystem.protocol
    wildcards = "*[" if over_http else "*?["
    if not any(character in path for character in wildcards):
        if over_http or not filesystem.isdir(path):
            return True, [path] if filesystem.exists(path) else []
        return False, list(filesystem.find(path))
    if "*" not in path and not over_http and filesystem.isfile(path):  # a name with brackets
        return True, [path]
    if over_http:
        return False, list(filesystem.glob(path))
    matches = filesystem.glob(path, detail=True)
    names: dict[str, None] = {}
    for name, info in matches.items():
        if info["type"] != "directory":
            names[name] = None
        elif format_of(name):  # Spark writes a folder with the name of a file
            names |= dict.fromkeys(filesystem.find(name))
    return False, list(names)


def _require_no_table(filesystem: Any, path: str, names: Sequence[str], uri: str) -> None:
    """No file is part of a table that keeps its removed files; else a RejectedTask, TableOfVersions."""
    for name in names:
        for folder, kind in _TABLES.items():
            if f"/{folder}/" in name:
                raise _table(uri, name.partition(f"/{folder}/")[0], kind)
        if "/metadata/" in name and name.endswith((".metadata.json", "/version-hint.text")):
            raise _table(uri, name.rpartition("/metadata/")[0], "an Iceberg table")
    if "http" in filesystem.protocol:
        return
    data = [name for name in names if format_of(display_uri(name))]
    for folder in _folders(path, data):
        for log, kind in _TABLES.items():
            if filesystem.exists(f"{folder}/{log}"):
                raise _table(uri, folder, kind)
        if filesystem.exists(f"{folder}/metadata") and filesystem.glob(f"{folder}/metadata/*.metadata.json"):
            raise _table(uri, folder, "an Iceberg table")


def _folders(path: str, data: Sequence[str]) -> list[str]:
    """The folders whose log would say that these files are part of a table, without the root of the store."""
    literal = path.rstrip("/")
    for place, character in enumerate(literal):
        if character in "*?[":
            literal = literal[:place].rpartition("/")[0]
            break
    folders: dict[str, None] = {}
    for name in data if literal != path.rstrip("/") else ():  # else all names below the path are known
        folder = name.rpartition("/")[0]
        while len(folder) > len(literal) and folder not in folders and len(folders) < _FOLDERS_CHECKED:
            folders[folder] = None
            folder = folder.rpartition("/")[0]
    while literal.strip("/"):
        folders[literal] = None
        parent, _, last = literal.rpartition("/")
        if "=" not in last and last != "data":  # a partition of a table is some folders below its log
            break
        literal = parent
    return list(folders)


def _table(uri: str, folder: str, kind: str) -> RejectedTask:
    return RejectedTask(
        "TableOfVersions",
        f"{display_uri(uri)}: {display_uri(folder)} is {kind}, whose folder also has files with removed rows: export "
        "the current rows as parquet, and give the address of the export",
    )


def partition_columns(name: str) -> dict[str, Any]:
    """The columns that the file's folders name, as Hive and Spark write them: `region=eu/day=2026-11-22/a.parquet`.

    Values are text as written; the null partition of Hive is a missing value.
    """
    folders = [folder.partition("=") for folder in display_uri(name).split("/")[:-1] if "=" in folder]
    return {unquote(key): np.nan if value == _HIVE_NULL else unquote(value) for key, _, value in folders if key}


def display_uri(uri: str) -> str:
    """The URI without a password and, over HTTP, without its query, which holds the signature of a presigned URL."""
    return redact_passwords(uri.partition("?")[0] if uri.startswith("http") else uri)


def _is_hidden(name: str, path: str) -> bool:
    """Whether a part of the name starts with `.` or `_` that no part of the path asks for."""
    asked = [part for part in path.split("/") if part.startswith((".", "_"))]
    return any(
        part.startswith((".", "_")) and not any(fnmatchcase(part, pattern) for pattern in asked)
        for part in name.split("/")
    )


def _is_bookkeeping(name: str) -> bool:
    """Whether Spark or a file system keeps the file for itself: no one expects its rows."""
    last = name.rpartition("/")[2].lower()
    return last.startswith(_BOOKKEEPING) or last.endswith(".crc") or (last.startswith(".") and not format_of(last))


def _shown(name: str, path: str) -> str:
    """The name below the path or the path's first folders."""
    folder = path.rstrip("/")
    if name.startswith(f"{folder}/"):
        return name[len(folder) + 1 :]
    return name.rpartition("/")[2]
