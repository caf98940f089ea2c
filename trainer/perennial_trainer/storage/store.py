"""Which file lies where, and how it gets there whole or not at all."""

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from perennial_trainer.contract.errors import FailedTask, RejectedTask

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

SCHEMES = ("file", "s3", "gs", "az", "abfs", "https", "http")


def open_filesystem(uri: str) -> "tuple[AbstractFileSystem, str]":
    """The file system of a URI and the path in it. Raises a RejectedTask: UnknownScheme, StoreNotConfigured.

    fsspec knows many more schemes, some of which unpack, cache or run what they find, and chains them with `::`.
    """
    scheme, _, place = uri.partition("://")
    if scheme not in SCHEMES or "::" in uri:
        raise RejectedTask(
            "UnknownScheme", f"{uri} cannot be read: use one address, with file, s3, gs, az, abfs or https"
        )
    if ".." in place.split("/"):
        raise RejectedTask("UnknownScheme", f"{uri} cannot be read: a path does not climb, remove ..")
    from fsspec.core import url_to_fs

    try:
        filesystem, path = url_to_fs(uri)
    except ValueError as error:  # adlfs asks for an account before it does anything
        raise RejectedTask(
            "StoreNotConfigured",
            f"{uri} cannot be opened: {error}; name a Secret in secretRef whose keys are the variables of the store's "
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
    """The sha256 of one file, read in pieces. Raises as `read` does."""
    filesystem, path = open_filesystem(uri)
    try:
        with filesystem.open(path, "rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except FileNotFoundError:
        raise
    except Exception as error:
        raise FailedTask("StorageUnreachable", f"{uri} could not be read: {describe_error(error)}") from error


def list_names(folder: str) -> list[str]:
    """What lies in the folder, by name and in order; nothing where there is no such folder."""
    filesystem, path = open_filesystem(folder)
    filesystem.invalidate_cache()
    try:
        return sorted(str(found).rstrip("/").rpartition("/")[2] for found in filesystem.ls(path, detail=False))
    except FileNotFoundError:
        return []
    except Exception as error:
        raise FailedTask("StorageUnreachable", f"{folder} could not be listed: {describe_error(error)}") from error


def create_file(uri: str, content: bytes) -> bool:
    """The file is there with this content and took no other's place; False where another one has the name."""
    filesystem, path = open_filesystem(uri)
    try:
        if "file" not in filesystem.protocol:
            filesystem.pipe_file(path, content, mode="create")
        elif not Path(path).exists():  # whoever is as quick writes the same
            _put(filesystem, path, content)
    except Exception as error:
        # Each store has its own word for "it is there already".
        if not filesystem.exists(path):
            raise FailedTask("StorageNotWritable", f"{uri} could not be written: {describe_error(error)}") from error
    return read_bytes(uri) == content


def write_files(folder: str, files: Mapping[str, bytes]) -> None:
    """Every file is in the folder, in the given order, each whole or not at all; a FailedTask where that fails."""
    filesystem, path = open_filesystem(folder)
    try:
        for name, content in files.items():
            _put(filesystem, f"{path.rstrip('/')}/{name}", content)
    except Exception as error:
        raise FailedTask("StorageNotWritable", f"{folder} could not be written: {describe_error(error)}") from error


def remove_file(uri: str) -> None:
    """The file is not there; a FailedTask if it cannot be removed."""
    filesystem, path = open_filesystem(uri)
    try:
        filesystem.rm_file(path)
    except FileNotFoundError:
        return
    except Exception as error:
        raise FailedTask("StorageNotWritable", f"{uri} could not be removed: {describe_error(error)}") from error


def describe_error(error: BaseException) -> str:
    """`PermissionError: Access Denied`: an exception for a sentence."""
    return f"{type(error).__name__}: {error}".rstrip(": ")


def _put(filesystem: Any, path: str, content: bytes) -> None:
    """Object stores show an object only once it is whole; a local file is renamed into place.

    Folders are made for local files alone: a bucket with a mistyped name must not come into being.
    """
    if "file" not in filesystem.protocol:
        filesystem.pipe_file(path, content)
        return
    part = Path(f"{path}.part")
    part.parent.mkdir(parents=True, exist_ok=True)
    try:
        with part.open("wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        part.replace(path)
    except OSError:
        part.unlink(missing_ok=True)  # on a full disk it would be in everybody's way
        raise
