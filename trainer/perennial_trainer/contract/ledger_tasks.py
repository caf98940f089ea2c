"""The two tasks about the ledger: to record an event of a version, and to find the versions that were recorded."""

from typing import Any

from perennial_trainer.contract.fields import Name, StrictStruct, Uri
from perennial_trainer.contract.ledger_entry import LedgerEntry
from perennial_trainer.contract.owner import Owner


class RecordTask(StrictStruct, frozen=True, kw_only=True, tag_field="task", tag="record"):
    namespace: Name
    model_deployment: Name
    version: Name
    entry: LedgerEntry
    owner: Owner | None = None
    storage: Uri  # the model's folder, which has the versions' folders


class RecoverTask(StrictStruct, frozen=True, kw_only=True, tag_field="task", tag="recover"):
    namespace: Name
    model_deployment: Name
    version: Name | None = None  # without it, the version that was live last
    at_least: int = 0  # the least number of a version that is restored without being asked for by name
    recipe: dict[str, Any]  # of the current spec
    owner: Owner | None = None
    storage: Uri
