"""Which cluster writes to a model's folder: the one that the newest owner page names.

The folder `owners` has one page for each cluster that took the folder, created once and never changed. The pages are
sealed as those of the ledger are. The seal covers their place, so that no copy of a page counts; pages of earlier
releases do not say their place.
"""

import logging
import re
from itertools import count

from perennial_trainer.contract.errors import RejectedTask
from perennial_trainer.contract.owner import Owner
from perennial_trainer.ledger.files import read_sealed, seal_fields
from perennial_trainer.storage import store

log = logging.getLogger(__name__)

NAME = re.compile(r"([0-9]{6,9})\.json")


def require_owner(owner: Owner) -> None:
    """The newest page names this owner, who wrote it now if there was no page or if the task takes the folder over.

    Raises a RejectedTask, OwnedElsewhere, if it names another one: then nothing is written.
    """
    pages = store.child_uri(owner.folder, "owners")
    numbers = sorted(
        (int(match[1]) for name in store.list_names(pages) if (match := NAME.fullmatch(name))), reverse=True
    )
    newest, last = next(((uid, each) for each in numbers if (uid := _read_uid(_page(pages, each)))), (None, 0))
    if newest == owner.uid:
        return
    if newest is not None and not owner.take_over:
        raise _owned_elsewhere(owner, newest)
    page = _page(pages, next(each for each in count(last + 1) if each not in numbers))
    if not store.create_file(page, seal_fields({"uid": owner.uid, "place": _place(page)})):
        raise _owned_elsewhere(owner, _read_uid(page))
    log.info("%s says that ModelDeployment %s writes to %s", page, owner.uid, owner.folder)


def _page(pages: str, number: int) -> str:
    return store.child_uri(pages, f"{number:06}.json")


def _place(page: str) -> str:
    """Namespace, name and number of a page; not the store, to which the folder may be copied."""
    namespace, name, _, number = page.split("/")[-4:]
    return f"{namespace}/{name}/{number}"


def _read_uid(page: str) -> str | None:
    """The owner that the page names; None if the page was not sealed with our key, or for another place."""
    try:
        fields = read_sealed(page)
    except RejectedTask as rejected:
        log.warning("%s", rejected.message)
        return None
    if fields.get("place", _place(page)) != _place(page):
        log.warning("%s is about %s: it was copied or renamed", page, fields["place"])
        return None
    return str(fields.get("uid"))


def _owned_elsewhere(owner: Owner, other: str | None) -> RejectedTask:
    return RejectedTask(
        "OwnedElsewhere",
        f"ModelDeployment {other} of another cluster, or one that was created later, writes to {owner.folder}, and "
        f"{owner.uid} here does not: delete one of both, or change spec.storage of one; to take the folder back, "
        "request a training here",
    )
