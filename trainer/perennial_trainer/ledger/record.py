"""Records the outcome of a version in the ledger, with the digests of all its files."""

import logging

import msgspec

from perennial_trainer.artifacts import metadata
from perennial_trainer.artifacts.metadata import StoredFile
from perennial_trainer.contract.ledger_tasks import RecordTask
from perennial_trainer.contract.result import RecordResult
from perennial_trainer.ledger.files import LedgerFile, write_ledger_file
from perennial_trainer.storage.digest import sha256_digest
from perennial_trainer.storage.store import read_bytes, sibling_uri

log = logging.getLogger(__name__)


class FileList(msgspec.Struct):
    """The part of a version's metadata that names its files; a custom trainer may not write it."""

    files: dict[str, StoredFile] = {}


def record_version(task: RecordTask) -> RecordResult:
    """The outcome is in the ledger; to record it twice has the same result."""
    digests = _file_digests(task.entry.stored.artifact.uri)
    file = LedgerFile(version=task.version, storage=task.storage, files=digests, entry=task.entry)
    uri = write_ledger_file(task.storage, file)
    return RecordResult(message=f"{task.version} is in the ledger with {len(digests)} files: {uri}", entry=uri)


def _file_digests(model: str) -> dict[str, str]:
    """The sha256 by name of the files beside the model, without the HTML pages."""
    try:
        content = read_bytes(sibling_uri(model, metadata.NAME))
        files = msgspec.json.decode(content, type=FileList).files
    except (FileNotFoundError, msgspec.DecodeError):
        log.warning("no %s beside %s: only the model and the holdout are recorded", metadata.NAME, model)
        return {}
    digests = {name: file.sha256 for name, file in files.items() if not name.endswith(".html")}
    return {**digests, metadata.NAME: sha256_digest(content)}
