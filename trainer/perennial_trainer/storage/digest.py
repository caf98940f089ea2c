"""SHA-256 digests: a stored file is used only if its bytes are the ones that were stored."""

import hashlib

from perennial_trainer.contract.errors import RejectedTask
from perennial_trainer.storage.store import read_bytes


def sha256_digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def read_verified(uri: str, sha256: str) -> bytes:
    """The bytes of the file, which have this digest.

    Raises FileNotFoundError, RejectedTask (DigestMismatch) or FailedTask (StorageUnreachable).
    """
    content = read_bytes(uri)
    actual = sha256_digest(content)
    if actual != sha256:
        raise RejectedTask(
            "DigestMismatch", f"{uri} has sha256 {actual}, not {sha256}: it was changed after it was stored"
        )
    return content
