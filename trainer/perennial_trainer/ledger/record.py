"""Records the outcome of a version in the ledger, with the digests of all its files."""

from perennial_trainer.contract.ledger_entry import StoredFiles
from perennial_trainer.contract.ledger_results import RecordResult
from perennial_trainer.contract.ledger_tasks import RecordTask
from perennial_trainer.ledger.files import LedgerFile, write_ledger_file
from perennial_trainer.storage.version_files import file_digests


def record_version(task: RecordTask) -> RecordResult:
    """The outcome is in the ledger; to record it twice has the same result."""
    digests = _file_digests(task.entry.stored)
    file = LedgerFile(
        namespace=task.namespace,
        model_deployment=task.model_deployment,
        version=task.version,
        storage=task.storage,
        files=digests,
        entry=task.entry,
    )
    uri = write_ledger_file(task.storage, file)
    return RecordResult(message=f"{task.version} is in the ledger with {len(digests)} files: {uri}", entry=uri)


def _file_digests(stored: StoredFiles) -> dict[str, str]:
    """The sha256 by name of the files beside the model, without the HTML pages."""
    digests = file_digests(stored.artifact.uri, stored.artifact.metadata_sha256)
    return {name: sha256 for name, sha256 in digests.items() if not name.endswith(".html")}
