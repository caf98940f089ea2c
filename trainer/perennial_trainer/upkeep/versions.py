"""Deletes the files of versions that the operator names, once the ledger says so."""

from perennial_trainer.contract.errors import RejectedTask
from perennial_trainer.contract.upkeep.tasks import UpkeepTask
from perennial_trainer.ledger.files import list_ledger_files
from perennial_trainer.ledger.removed import record_removed
from perennial_trainer.upkeep.files import Folder


def version_folders(task: UpkeepTask) -> frozenset[str]:
    """The names of the folders of these versions."""
    return frozenset(f"{task.model_deployment}-v{each.number}" for each in task.removed)


def remove_versions(folder: Folder, task: UpkeepTask) -> list[str]:
    """What was deleted, as a part of a message. Raises a RejectedTask, FilesNeeded, about the version promoted last."""
    promoted = next((ref.number for ref in list_ledger_files(task.storage) if ref.phase == "Live"), None)
    if promoted in {each.number for each in task.removed}:
        raise RejectedTask(
            "FilesNeeded",
            f"the files of {task.model_deployment}-v{promoted} were to be deleted, and the ledger says that it was "
            "promoted last: no version's files are deleted",
        )
    before = folder.deleted
    for each in task.removed:
        record_removed(task, each.number, each.at)
        folder.remove(folder.removable(f"{task.model_deployment}-v{each.number}"))
    files = folder.deleted - before
    names = ", ".join(f"v{each.number}" for each in task.removed[:3]) + (" …" if len(task.removed) > 3 else "")
    return [f"deleted {files:,} files of {names}"] if files else []
