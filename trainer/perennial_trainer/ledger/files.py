"""Reads and writes the files of the ledger: one file for each outcome of a version, written once and never changed.

Each file has a seal: an HMAC with the key in PERENNIAL_LEDGER_KEY if it is set, so that write access to the storage is
not enough to forge an entry; else a checksum without a key, which detects damage but not forgery.
"""

import hashlib
import hmac
import os
import re
from typing import Any, NamedTuple

import msgspec
from msgspec.structs import replace

from perennial_trainer.contract.errors import RejectedTask
from perennial_trainer.contract.fields import StrictStruct
from perennial_trainer.contract.ledger_entry import LedgerEntry
from perennial_trainer.storage import store

KEY = "PERENNIAL_LEDGER_KEY"
NAME = re.compile(r"(?P<at>\d{8}T\d{6}Z)-v(?P<number>[1-9]\d{0,8})-(?P<phase>Live|Rejected|RolledBack)\.json")


class LedgerFile(StrictStruct, frozen=True, kw_only=True, omit_defaults=True):
    """The content of one file. `files` are the digests of the files beside the model; `storage` is the model's folder.

    `storage` is recorded because the folder may be copied to another store later. `pages` is how many other files the
    ledger had when this one was written, and `previous` the name of the newest. Files of earlier releases have no
    namespace, model, pages and previous.
    """

    namespace: str = ""
    model_deployment: str = ""
    pages: int = 0
    previous: str = ""
    version: str
    storage: str
    files: dict[str, str]
    entry: LedgerEntry


class LedgerFileRef(NamedTuple):
    """What the name of a ledger file says; sorted by time."""

    at: str
    number: int
    phase: str
    uri: str

    @property
    def name(self) -> str:
        return f"{self.at}-v{self.number}-{self.phase}"


def list_ledger_files(folder: str) -> list[LedgerFileRef]:
    """The ledger files of the model in this folder, the newest first; no file is read."""
    ledger = store.child_uri(folder, "ledger")
    refs = [
        LedgerFileRef(match["at"], int(match["number"]), match["phase"], store.child_uri(ledger, name))
        for name in store.list_names(ledger)
        if (match := NAME.fullmatch(name))
    ]
    return sorted(refs, reverse=True)


def write_ledger_file(folder: str, file: LedgerFile) -> str:
    """The file is in the ledger; its URI. Raises LedgerConflict if a file with another content has its name."""
    uri = store.child_uri(folder, f"ledger/{file.entry.name}.json")
    others = [ref for ref in list_ledger_files(folder) if ref.uri != uri]
    file = replace(file, pages=len(others), previous=others[0].name if others else "")
    content = seal_fields(msgspec.to_builtins(file))
    if not store.create_file(uri, content) and not _is_same(uri, file):
        raise RejectedTask(
            "LedgerConflict",
            f"{uri} exists with another content: two clusters must not use the same folder; change spec.storage of one",
        )
    return uri


def read_ledger_file(uri: str) -> LedgerFile:
    """The content as it was written. Raises a RejectedTask: LedgerDamaged."""
    try:
        return msgspec.convert(read_sealed(uri), LedgerFile)
    except msgspec.ValidationError as error:
        raise RejectedTask("LedgerDamaged", f"{uri} is not a valid ledger file: {error}") from error


def read_sealed(uri: str) -> dict[str, Any]:
    """The fields of a sealed file. Raises a RejectedTask: LedgerDamaged."""
    try:
        fields = msgspec.json.decode(store.read_bytes(uri), type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeDecodeError, FileNotFoundError) as error:
        raise RejectedTask("LedgerDamaged", f"{uri} is not a valid ledger file: {error}") from error
    seal = fields.pop("seal", None)
    if not hmac.compare_digest(str(seal).encode(), _seal(fields).encode()):
        expected = f"the key in {KEY}" if os.environ.get(KEY) else "a checksum without a key"
        raise RejectedTask("LedgerDamaged", f"{uri} was changed, or was not sealed with {expected}")
    return fields


def seal_fields(fields: dict[str, Any]) -> bytes:
    """The content of a file with these fields and their seal."""
    return msgspec.json.format(msgspec.json.encode({**fields, "seal": _seal(fields)}), indent=2)


def _is_same(uri: str, file: LedgerFile) -> bool:
    """Whether the stored file says the same in other bytes, as an older trainer or another key makes them."""
    try:
        return _entry(read_ledger_file(uri)) == _entry(file)
    except RejectedTask:
        return False


def _entry(file: LedgerFile) -> LedgerFile:
    """The file without what depends on when it was written, and on the release that wrote it."""
    return replace(file, namespace="", model_deployment="", pages=0, previous="")


def _seal(fields: dict[str, Any]) -> str:
    content = msgspec.json.encode(fields, order="sorted")
    return hmac.new(os.environ.get(KEY, "").encode(), content, hashlib.sha256).hexdigest()
