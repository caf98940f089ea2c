"""Reads, lists and writes the files of a version in its store; a file is written completely or not at all."""

import hashlib
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from perennial_trainer.contract.errors import FailedTask, RejectedTask

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

PROBE = ".write-test"
USER = 65532
"""User and group of the trainer's image."""
SCHEMES = ("file", "s3", "gs", "az", "abfs", "https", "http")


def open_filesystem(uri: str) -> "tuple[AbstractFileSystem, str]":
    """The file system of a URI and the path in it. Raises a RejectedTask: UnknownScheme, StoreNotConfigured.

    Only the listed schemes are accepted: fsspec has others that unpack, cache or execute files, and chains them with
    `::`.
    """
    scheme, _, path_part = uri.partition("://")
    if scheme not in SCHEMES or "::" in uri:
        raise RejectedTask(
            "UnknownScheme", f"{uri} cannot be read: use one URI with the scheme file, s3, gs, az, abfs or https"
        )
    if ".." in path_part.split("/"):
        raise RejectedTask("UnknownScheme", f"{uri} cannot be read: path must not contain '..'")
    from fsspec.core import url_to_fs

    try:
        filesystem, path = url_to_fs(uri)
    except ValueError as error:  # adlfs requires an account to be configured
        raise RejectedTask(
            "StoreNotConfigured",
            f"{uri} cannot be opened: {error}; set secretRef to a Secret whose keys are the variables of the store's "
            "client, such as AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY",
        ) from error
    return filesystem, str(path)


def sibling_uri(uri: str, name: str) -> str:
    """The URI of `name` in the folder of the file `uri`."""
    return f"{uri.rpartition('/')[0]}/{name}"


def child_uri(folder: str, name: str) -> str:
    """The URI of `name` in the folder `folder`."""
    return f"{folder.rstrip('/')}/{name}"


def read_bytes(uri: str) -> bytes:
    """All bytes of one file. Raises FileNotFoundError, or a FailedTask if the store cannot be reached."""
    filesystem, path = open_filesystem(uri)
    try:
        return bytes(filesystem.cat_file(path))
    except FileNotFoundError:
        raise
    except Exception as error:  # each store has its own exceptions for "denied" and "unreachable"
        raise FailedTask("StorageUnreachable", f"{uri} could not be read: {describe_error(error)}") from error


def file_sha256(uri: str) -> str:
    """The sha256 of one file, read in blocks. Raises the same as `read_bytes`."""
    filesystem, path = open_filesystem(uri)
    try:
        with filesystem.open(path, "rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except FileNotFoundError:
        raise
    except Exception as error:
        raise FailedTask("StorageUnreachable", f"{uri} could not be read: {describe_error(error)}") from error


def list_names(folder: str) -> list[str]:
    """The sorted names in the folder; empty if the folder does not exist."""
    filesystem, path = open_filesystem(folder)
    filesystem.invalidate_cache()
    try:
        return sorted(str(name).rstrip("/").rpartition("/")[2] for name in filesystem.ls(path, detail=False))
    except FileNotFoundError:
        return []
    except Exception as error:
        raise FailedTask("StorageUnreachable", f"{folder} could not be listed: {describe_error(error)}") from error


def create_file(uri: str, content: bytes) -> bool:
    """The file exists and no other file was overwritten; False if a file with other content has the name."""
    filesystem, path = open_filesystem(uri)
    try:
        if "file" not in filesystem.protocol:
            filesystem.pipe_file(path, content, mode="create")
        else:
            _create_local(Path(path), content)
    except Exception as error:
        # Each store has its own exception for "exists already".
        if not filesystem.exists(path):
            raise FailedTask("StorageNotWritable", f"{uri} could not be written: {describe_error(error)}") from error
    return read_bytes(uri) == content


def _create_local(path: Path, content: bytes) -> None:
    """The file exists, complete; of two processes that create it at the same moment, the first one wins."""
    temporary = Path(f"{path}.{uuid4().hex}.part")
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        _write_synced(temporary, content)
        os.link(temporary, path)
    except FileExistsError:
        return
    except OSError:  # a volume without links
        if not path.exists():
            temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def replace_file(uri: str, content: bytes) -> None:
    """The file has this content, read back, else a FailedTask; a reader gets the former content or this one, whole."""
    filesystem, path = open_filesystem(uri)
    try:
        if "file" not in filesystem.protocol:
            filesystem.pipe_file(path, content)
        else:
            write_local(Path(path), Path(f"{path}.{uuid4().hex}.part"), content)
    except Exception as error:
        raise FailedTask("StorageNotWritable", f"{uri} could not be written: {describe_error(error)}") from error
    if read_bytes(uri) != content:
        raise FailedTask("StorageNotWritable", f"{uri} has another content than the one that was written")


def write_files(folder: str, files: Mapping[str, bytes]) -> None:
    """Every file is in the folder, written in the given order; a FailedTask if one cannot be written."""
    filesystem, path = open_filesystem(folder)
    try:
        for name, content in files.items():
            _put(filesystem, f"{path.rstrip('/')}/{name}", content)
    except Exception as error:
        raise FailedTask(
            "StorageNotWritable", f"{folder} could not be written: {describe_error(error)}{_who_writes(error)}"
        ) from error


def require_writable(folder: str) -> None:
    """A file can be written into the folder and removed again, and nothing is left; else a FailedTask."""
    write_files(folder, {PROBE: b""})
    remove_file(child_uri(folder, PROBE))
    filesystem, path = open_filesystem(folder)
    if "file" in filesystem.protocol:
        with suppress(OSError):  # it is not empty
            Path(path).rmdir()


def remove_file(uri: str) -> None:
    """The file does not exist; a FailedTask if it cannot be removed."""
    filesystem, path = open_filesystem(uri)
    try:
        filesystem.rm_file(path)
    except FileNotFoundError:
        return
    except Exception as error:
        raise FailedTask("StorageNotWritable", f"{uri} could not be removed: {describe_error(error)}") from error


def describe_error(error: BaseException) -> str:
    """An exception as part of a message: `PermissionError: Access Denied`."""
    return f"{type(error).__name__}: {error}".rstrip(": ")


def _who_writes(error: BaseException) -> str:
    """Which user and group need the right to write, if a local folder refuses it."""
    if not isinstance(error, PermissionError) or error.errno is None:  # an object store has no errno
        return ""
    uid, gid = os.getuid(), os.getgid()
    here = "" if (uid, gid) == (USER, USER) else f" (here uid {uid} and gid {gid})"
    return (
        f"; uid {USER} and gid {USER}, as which the trainer's pods run{here}, need to write there: "
        f"let the volume apply fsGroup {USER}, or run chown -R {USER}:{USER} on the folder"
    )


def _put(filesystem: Any, path: str, content: bytes) -> None:
    """The file has this content; a reader never sees a part of it.

    Object stores show an object when its upload is complete; a local file is written under another name and renamed.
    Folders are created for local files only: a bucket with a mistyped name must not be created.
    """
    if "file" not in filesystem.protocol:
        filesystem.pipe_file(path, content)
        return
    write_local(Path(path), Path(f"{path}.part"), content)


def write_local(path: Path, temporary: Path, content: bytes) -> None:
    """The local file has this content; it is complete under its temporary name before it gets its own."""
    for each in (path, temporary):
        each.parent.mkdir(parents=True, exist_ok=True)
    try:
        _write_synced(temporary, content)
        temporary.replace(path)
    except OSError:
        temporary.unlink(missing_ok=True)  # frees the space on a full disk
        raise


def _write_synced(path: Path, content: bytes) -> None:
    """The content is on the disk, also if the node loses its power."""
    with path.open("wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())
