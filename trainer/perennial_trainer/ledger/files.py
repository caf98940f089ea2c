"""The ledger beside the artifacts: one file for each thing that became of a version, written once and never changed.

A file is sealed: with the key in PERENNIAL_LEDGER_KEY where the pod has one, so that whoever may only write to the
storage cannot write history; else by a mere checksum, which tells damage and no malice.
"""

import hashlib
import hmac
import os
import re
from typing import Any, NamedTuple

import msgspec

from perennial_trainer.contract.errors import RejectedTask
from perennial_trainer.contract.task import Entry, StrictStruct
from perennial_trainer.storage import store

KEY = "PERENNIAL_LEDGER_KEY"
NAME = re.compile(r"(?P<at>\d{8}T\d{6}Z)-v(?P<number>[1-9]\d*)-(?P<phase>Live|Rejected|RolledBack)\.json")


class LedgerFile(StrictStruct, frozen=True, kw_only=True):
    """One file of the ledger. `files` are the digests of what lies beside the model, `storage` is where that was."""

    version: str
    storage: str
    files: dict[str, str]
    entry: Entry


class LedgerFileRef(NamedTuple):
    """A page by what its name says, in the order of time."""

    at: str
    number: int
    phase: str
    uri: str


def list_ledger_files(folder: str) -> list[LedgerFileRef]:
    """What became of the model's versions, the newest first; by their names alone, nothing is read."""
    ledger = store.child_uri(folder, "ledger")
    found = [
        LedgerFileRef(match["at"], int(match["number"]), match["phase"], store.child_uri(ledger, name))
        for name in store.list_names(ledger)
        if (match := NAME.fullmatch(name))
    ]
    return sorted(found, reverse=True)


def write_ledger_file(folder: str, page: LedgerFile) -> str:
    """The page is in the ledger; its URI. A RejectedTask, LedgerConflict, if another page has its name."""
    uri = store.child_uri(folder, f"ledger/{page.entry.name}.json")
    raw = msgspec.to_builtins(page)
    content = msgspec.json.format(msgspec.json.encode({**raw, "seal": _seal(raw)}), indent=2)
    if not store.create_file(uri, content) and not _same(uri, page):
        raise RejectedTask(
            "LedgerConflict", f"{uri} is there and says something else: two clusters must not share a folder"
        )
    return uri


def read_ledger_file(uri: str) -> LedgerFile:
    """The page as it was written. A RejectedTask: LedgerDamaged."""
    try:
        raw = msgspec.json.decode(store.read_bytes(uri), type=dict[str, Any])
        seal = raw.pop("seal", None)
        if not hmac.compare_digest(str(seal), _seal(raw)):
            keyed = f"with the key in {KEY}" if os.environ.get(KEY) else "as it stands"
            raise RejectedTask("LedgerDamaged", f"{uri} was changed, or was not sealed {keyed}")
        return msgspec.convert(raw, LedgerFile)
    except (msgspec.DecodeError, FileNotFoundError) as error:
        raise RejectedTask("LedgerDamaged", f"{uri} is no page of the ledger: {error}") from error


def _same(uri: str, page: LedgerFile) -> bool:
    """Whether the page says the same in other bytes: an older trainer, or another key, may have written it."""
    try:
        return read_ledger_file(uri) == page
    except RejectedTask:
        return False


def _seal(raw: dict[str, Any]) -> str:
    content = msgspec.json.encode(raw, order="sorted")
    return hmac.new(os.environ.get(KEY, "").encode(), content, hashlib.sha256).hexdigest()
