"""Reads the files beside a model: each has the digest that the version's metadata.json names."""

import logging

import msgspec

from perennial_trainer.artifacts.metadata import NAME, StoredFile, read_metadata
from perennial_trainer.contract.errors import RejectedTask
from perennial_trainer.contract.task import Version
from perennial_trainer.storage import store
from perennial_trainer.storage.digest import read_verified, sha256_digest

log = logging.getLogger(__name__)


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
        raise RejectedTask("DigestMismatch", f"{uri} is not among the files that {NAME} of {version.name} names")
    log.warning("%s is read without a check: no digest of it was stored", uri)
    return store.read_bytes(uri)


def file_digests(model: str, metadata_sha256: str | None) -> dict[str, str]:
    """The sha256 by name of the files beside the model, metadata.json included; empty if there is none.

    Raises a RejectedTask, ArtifactMissing, DigestMismatch or UnreadableMetadata, if its digest is known.
    """
    try:
        content = read_metadata(model, metadata_sha256)
        files = msgspec.json.decode(content, type=FileList).files
    except (FileNotFoundError, msgspec.DecodeError, UnicodeDecodeError) as error:
        if metadata_sha256 is not None:
            reason = "ArtifactMissing" if isinstance(error, FileNotFoundError) else "UnreadableMetadata"
            raise RejectedTask(reason, f"{store.sibling_uri(model, NAME)} cannot be read: {error}") from error
        log.warning("no %s beside %s: its files have no digests", NAME, model)
        return {}
    return {**{name: file.sha256 for name, file in files.items()}, NAME: sha256_digest(content)}
