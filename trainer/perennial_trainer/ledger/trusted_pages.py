"""Which pages of the ledger are accepted: they are about this model, and agree with the spec that asks."""

import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from msgspec.structs import replace

from perennial_trainer.contract.errors import RejectedTask
from perennial_trainer.contract.ledger_entry import restorable
from perennial_trainer.contract.ledger_tasks import RecoverTask
from perennial_trainer.ledger.files import LedgerFile, LedgerFileRef, read_ledger_file

READERS = 8  # pages read at the same time
PLAIN_NAME = re.compile(r"[\w .=+,:@~()-]*[\w=+,@~()-]")  # no `..`, nothing encoded; the operator has the same rule

Pages = dict[LedgerFileRef, LedgerFile | RejectedTask]


def read_pages(task: RecoverTask, refs: Sequence[LedgerFileRef]) -> Pages:
    """Every page, with the current URIs of the version's files, or why it is not believed."""
    with ThreadPoolExecutor(READERS) as pool:
        return dict(zip(refs, pool.map(lambda ref: _read_page(task, ref), refs), strict=True))


def describe_gap(pages: Pages) -> tuple[str, list[str]]:
    """A message about pages that others say existed, and what the names of these end in; empty if none is missing.

    Each page says how many there were when it was written, and which was the newest: pages that are removed behind it
    are known. That the newest pages are missing cannot be known from what is left.
    """
    whole = [page for page in pages.values() if isinstance(page, LedgerFile)]
    count = max((page.pages + 1 for page in whole), default=0) - len(whole)
    names = {page.entry.name for page in whole}
    missing = sorted({page.previous for page in whole if page.previous} - names)
    count = max(count, len(missing))
    if not count:
        return "", []
    example = f", such as {missing[0]}" if missing else ""
    return f"the ledger lacks earlier pages that others name or count: {count}{example}", missing


def _read_page(task: RecoverTask, ref: LedgerFileRef) -> LedgerFile | RejectedTask:
    try:
        page = read_ledger_file(ref.uri)
        _require_place(task, ref, page)
        status = _with_storage(page.entry.status, page.storage.rstrip("/"), task.storage.rstrip("/"))
        current = replace(page, entry=replace(page.entry, status=status))
        _require_agreement(task, current)
        return _restorable(current)
    except RejectedTask as rejected:
        return rejected


def _require_place(task: RecoverTask, ref: LedgerFileRef, page: LedgerFile) -> None:
    """The page was written for this model and under this name; else a RejectedTask, LedgerDamaged.

    Pages of earlier releases have the namespace and the name only as the end of `storage`.
    """
    if page.version != f"{task.model_deployment}-v{ref.number}" or not ref.uri.endswith(f"/{page.entry.name}.json"):
        raise RejectedTask("LedgerDamaged", f"{ref.uri} is about {page.version}: it was copied or renamed")
    namespace, name = page.storage.rstrip("/").split("/")[-2:]
    place = (page.namespace or namespace, page.model_deployment or name)
    if place != (task.namespace, task.model_deployment):
        raise RejectedTask(
            "LedgerDamaged", f"{ref.uri} is about {'/'.join(place)}: it was copied from the ledger of another model"
        )


def _require_agreement(task: RecoverTask, page: LedgerFile) -> None:
    """The spec, and not the storage, decides how bytes are read and where they lie; else a RejectedTask."""
    recorded, wanted = page.entry.recipe.get("model", {}), task.recipe.get("model", {})
    for field in ("framework", "format"):
        if recorded.get(field) != wanted.get(field):
            raise RejectedTask(
                "LedgerDisagrees",
                f"{page.version}: the ledger says model.{field} {recorded.get(field)} and spec {wanted.get(field)}, "
                f"which decides how its files are read: set spec.model.{field} to {recorded.get(field)} to serve it",
            )
    folder = f"{task.storage.rstrip('/')}/"
    for uri in page.entry.stored.uris:
        below = uri.removeprefix(folder)
        if below == uri or "::" in below or not all(map(PLAIN_NAME.fullmatch, below.split("/"))):
            raise RejectedTask("LedgerDisagrees", f"{page.version}: {uri} is not below {folder}, spec.storage")


def _restorable(page: LedgerFile) -> LedgerFile:
    """The page with what the operator restores; a RejectedTask if that is not possible, so that an older one serves."""
    try:
        return replace(page, entry=restorable(page.entry))
    except ValueError as error:
        message = f"{page.version}: the operator could not restore what the ledger says: {error}"
        raise RejectedTask("LedgerDisagrees", message) from error


def _with_storage(value: Any, old: str, new: str) -> Any:
    """The value with the folder `new` in each URI that starts with the folder `old`."""
    match value:
        case dict():
            return {key: _with_storage(each, old, new) for key, each in value.items()}
        case str() if value.startswith(f"{old}/"):
            return new + value.removeprefix(old)
    return value
