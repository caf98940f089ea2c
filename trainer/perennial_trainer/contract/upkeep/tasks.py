"""The task that keeps a model's folder small: it deletes what is too old, and puts small files together."""

from typing import Annotated

from msgspec import Meta

from perennial_trainer.contract.fields import AwareTime, Duration, Name, Sha256, StrictStruct, Uri
from perennial_trainer.contract.owner import Owner


class Forget(StrictStruct, frozen=True, kw_only=True):
    """Whose captured rows are deleted: the HMACs of the keys, with the secret of those that are stored."""

    keys: tuple[Sha256, ...]
    key_in_clear: bool = False  # whether keys are stored as they are, as of now


class RemovedVersion(StrictStruct, frozen=True, kw_only=True):
    """A version whose files are deleted, since then as its status says."""

    number: Annotated[int, Meta(ge=1)]
    at: AwareTime


class UpkeepTask(StrictStruct, frozen=True, kw_only=True, tag_field="task", tag="upkeep"):
    namespace: Name
    model_deployment: Name
    owner: Owner
    now: AwareTime
    retain: Duration | None = None  # of captured rows and of pages of checks; without it neither is touched
    forget: Forget | None = None
    removed: tuple[RemovedVersion, ...] = ()
    storage: Uri  # the model's folder
