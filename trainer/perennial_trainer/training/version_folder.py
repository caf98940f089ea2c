"""A version's folder is created once: two clusters never write to the same one."""

import msgspec

from perennial_trainer.contract.errors import RejectedTask
from perennial_trainer.contract.task import TrainTask
from perennial_trainer.storage import store
from perennial_trainer.storage.version_files import METADATA

MARKER = "created-by.json"


def require_new_folder(task: TrainTask) -> None:
    """The folder does not exist, or this ModelDeployment created it; else a RejectedTask, FolderTaken."""
    names = store.list_names(task.storage) if task.owner else []
    if MARKER in names:
        if store.read_bytes(store.child_uri(task.storage, MARKER)) != _content(task):
            raise _taken(task)
    elif METADATA in names:
        raise _taken(task)


def create_folder(task: TrainTask) -> None:
    """The folder says who created it. Raises a RejectedTask, FolderTaken, if another one was first."""
    if task.owner is None:
        return
    require_new_folder(task)
    if not store.create_file(store.child_uri(task.storage, MARKER), _content(task)):
        raise _taken(task)


def _content(task: TrainTask) -> bytes:
    assert task.owner
    return msgspec.json.encode({"uid": task.owner.uid, "version": task.version})


def _taken(task: TrainTask) -> RejectedTask:
    return RejectedTask(
        "FolderTaken",
        f"{task.storage} holds a version of another cluster, or of a ModelDeployment that was deleted: its files are "
        "not overwritten; the next training has another number, or change spec.storage",
    )
