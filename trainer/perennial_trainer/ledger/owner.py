"""Which cluster writes to a model's folder: the one that the newest owner page names.

The folder `owners` has one page for each cluster that took the folder, created once and never changed. The pages are
sealed as those of the ledger are.
"""

import logging
import re

from perennial_trainer.contract.errors import RejectedTask
from perennial_trainer.contract.owner import Owner
from perennial_trainer.ledger.files import read_sealed, seal_fields
from perennial_trainer.storage import store

log = logging.getLogger(__name__)

NAME = re.compile(r"([0-9]{6})\.json")


def require_owner(owner: Owner) -> None:
    """The newest page names this owner, who wrote it now if there was no page or if the task takes the folder over.

    Raises a RejectedTask, OwnedElsewhere, if it names another one: then nothing is written.
    """
    pages = store.child_uri(owner.folder, "owners")
    numbers = sorted(
        (int(match[1]) for name in store.list_names(pages) if (match := NAME.fullmatch(name))), reverse=True
    )
    newest = next((uid for number in numbers if (uid := _read_uid(_page(pages, number)))), None)
    if newest == owner.uid:
        return
    if newest is not None and not owner.take_over:
        raise _owned_elsewhere(owner, newest)
    page = _page(pages, max(numbers, default=0) + 1)
    if not store.create_file(page, seal_fields({"uid": owner.uid})):
        raise _owned_elsewhere(owner, _read_uid(page))
    log.info("%s says that ModelDeployment %s writes to %s", page, owner.uid, owner.folder)


def _page(pages: str, number: int) -> str:
    return store.child_uri(pages, f"{number:06}.json")


def _read_uid(page: str) -> str | None:
    """The owner that the page names; None if the page was not sealed with our key."""
    try:
        return str(read_sealed(page).get("uid"))
    except RejectedTask as rejected:
        log.warning("%s", rejected.message)
        return None


def _owned_elsewhere(owner: Owner, other: str | None) -> RejectedTask:
    return RejectedTask(
        "OwnedElsewhere",
        f"ModelDeployment {other} of another cluster, or one that was created later, writes to {owner.folder}, and "
        f"{owner.uid} here does not: delete one of both, or change spec.storage of one; to take the folder back, "
        "request a training here",
    )
