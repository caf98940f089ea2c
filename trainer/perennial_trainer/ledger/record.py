"""The story of a record: what became of a version stands in the ledger, with the digests of all its files."""

import logging

import msgspec

from perennial_trainer.artifacts import metadata
from perennial_trainer.artifacts import model_file as artifact
from perennial_trainer.artifacts.metadata import StoredFile
from perennial_trainer.contract import result
from perennial_trainer.contract.task import RecordTask
from perennial_trainer.ledger import files as ledger
from perennial_trainer.storage import store

log = logging.getLogger(__name__)


class Listed(msgspec.Struct):
    """The part of a version's metadata that names its files; a trainer of somebody's own may write none."""

    files: dict[str, StoredFile] = {}


def record_version(task: RecordTask) -> result.RecordResult:
    """The entry is in the ledger; a second time is as good as the first."""
    files = _files(task.entry.stored.artifact.uri)
    page = ledger.LedgerFile(version=task.version, storage=task.storage, files=files, entry=task.entry)
    uri = ledger.write_ledger_file(task.storage, page)
    return result.RecordResult(message=f"{task.version} is in the ledger with {len(files)} files: {uri}", entry=uri)


def _files(model: str) -> dict[str, str]:
    """Name → sha256 of what lies beside the model and is read by machines."""
    try:
        content = store.read_bytes(store.sibling_uri(model, metadata.NAME))
        listed = msgspec.json.decode(content, type=Listed).files
    except (FileNotFoundError, msgspec.DecodeError):
        log.warning("no %s beside %s: only the model and the holdout are recorded", metadata.NAME, model)
        return {}
    digests = {name: file.sha256 for name, file in listed.items() if not name.endswith(".html")}
    return {**digests, metadata.NAME: artifact.digest(content)}
