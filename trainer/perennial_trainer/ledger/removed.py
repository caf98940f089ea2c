"""Pages of the ledger that say that a version's files were deleted: it can neither be found again nor serve.

They are not counted among the pages about events of versions; a release that does not know them finds that files are
missing.
"""

import logging
import re
from datetime import UTC, datetime

from perennial_trainer.contract.errors import RejectedTask
from perennial_trainer.contract.ledger_tasks import RecoverTask
from perennial_trainer.contract.upkeep.tasks import UpkeepTask
from perennial_trainer.ledger.files import read_sealed, seal_fields
from perennial_trainer.storage import store

NAME = re.compile(r"(?P<at>\d{8}T\d{6}Z)-v(?P<number>[1-9]\d{0,8})-Removed\.json")

log = logging.getLogger(__name__)


def record_removed(task: UpkeepTask, number: int, at: datetime) -> None:
    """The ledger says that the files of this version are deleted since then."""
    name = f"{at.astimezone(UTC):%Y%m%dT%H%M%SZ}-v{number}-Removed.json"
    content = seal_fields({"place": _place(task, name), "version": f"{task.model_deployment}-v{number}"})
    uri = store.child_uri(task.storage, f"ledger/{name}")
    if not store.create_file(uri, content):
        log.warning("%s exists with another content, as of another PERENNIAL_LEDGER_KEY; it stays", uri)


def removed_numbers(task: RecoverTask) -> dict[int, str]:
    """Number of a version without files → when they were deleted. A page that is not believed is left out."""
    removed: dict[int, str] = {}
    ledger = store.child_uri(task.storage, "ledger")
    for name in store.list_names(ledger):
        if match := NAME.fullmatch(name):
            try:
                fields = read_sealed(store.child_uri(ledger, name))
            except RejectedTask as rejected:
                log.warning("%s", rejected.message)
                continue
            if fields.get("place") == _place(task, name):
                removed[int(match["number"])] = f"{datetime.strptime(match['at'], '%Y%m%dT%H%M%SZ').date()}"  # noqa: DTZ007
    return removed


def _place(task: RecoverTask | UpkeepTask, name: str) -> str:
    """Namespace, model and name of a page; not the store, to which the folder may be copied."""
    return f"{task.namespace}/{task.model_deployment}/{name}"
