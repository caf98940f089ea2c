"""Reads the files beside a model: each has the digest that the version's metadata.json names."""

import logging

import msgspec

from perennial_trainer.contract.errors import RejectedTask
from perennial_trainer.contract.fields import StrictStruct
from perennial_trainer.contract.task import Version
from perennial_trainer.storage import store
from perennial_trainer.storage.digest import read_verified, sha256_digest

METADATA = "metadata.json"
REFIT = "refit"  # the model fitted to all rows is `refit.<format>`
REFIT_ROWS, REFIT_GROUPS = "refit-rows.npy", "refit-groups.npy"  # digests of what it has learned beside rows.npy

log = logging.getLogger(__name__)


class StoredFile(StrictStruct, frozen=True, kw_only=True):
    sha256: str
    bytes: int


class FileList(msgspec.Struct):
    """The part of the metadata that names the version's files; a custom trainer may not write it."""

    files: dict[str, StoredFile] = {}


def read_version_file(version: Version, name: str) -> bytes:
    """The file beside the model, unchanged since the training.

    A version without the digest of its metadata is of an earlier release, or of a custom trainer: then a file that the
    metadata do not name is read without a check, and the log says so. Raises FileNotFoundError, RejectedTask
    (DigestMismatch, UnreadableMetadata) or FailedTask (StorageUnreachable).
    """
    uri = store.sibling_uri(version.uri, name)
    digests = file_digests(version.uri, version.metadata_sha256)
    if name in digests:
        return read_verified(uri, digests[name])
    if version.metadata_sha256 is not None:
        raise RejectedTask("DigestMismatch", f"{uri} is not among the files that {METADATA} of {version.name} names")
    log.warning("%s is read without a check: no digest of it was stored", uri)
    return store.read_bytes(uri)


def file_digests(model: str, metadata_sha256: str | None) -> dict[str, str]:
    """The sha256 by name of the files beside the model, metadata.json included; empty without that file.

    Raises a RejectedTask, ArtifactMissing, DigestMismatch or UnreadableMetadata, if its digest is known.
    """
    try:
        content = read_metadata(model, metadata_sha256)
        files = msgspec.json.decode(content, type=FileList).files
    except (FileNotFoundError, msgspec.DecodeError, UnicodeDecodeError) as error:
        if metadata_sha256 is not None:
            reason = "ArtifactMissing" if isinstance(error, FileNotFoundError) else "UnreadableMetadata"
            raise RejectedTask(reason, f"{store.sibling_uri(model, METADATA)} cannot be read: {error}") from error
        log.warning("no %s beside %s: its files have no digests", METADATA, model)
        return {}
    return {**{name: file.sha256 for name, file in files.items()}, METADATA: sha256_digest(content)}


def read_metadata(model: str, sha256: str | None) -> bytes:
    """The file beside this model, which has this digest, if there is one. Raises the same as `read_verified`."""
    uri = store.sibling_uri(model, METADATA)
    if sha256 is not None:
        return read_verified(uri, sha256)
    log.warning("%s is read without a check: its trainer reported no digest of it", uri)
    return store.read_bytes(uri)


def is_refit(sha256: str, files: dict[str, StoredFile]) -> bool:
    """Whether the model of this digest is the version's refit, and not the model that the gate scored."""
    return any(name.startswith(f"{REFIT}.") and file.sha256 == sha256 for name, file in files.items())
