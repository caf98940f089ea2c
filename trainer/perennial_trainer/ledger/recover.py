"""The story of a recovery: which version was live, by the ledger, and is it still whole?"""

import logging
import re
from collections.abc import Iterable
from typing import Any

from msgspec import UNSET
from msgspec.structs import replace

from perennial_trainer.contract import result
from perennial_trainer.contract.errors import RejectedTask
from perennial_trainer.contract.task import RecoverTask
from perennial_trainer.ledger import files
from perennial_trainer.ledger.files import LedgerFile, LedgerFileRef
from perennial_trainer.storage import store

log = logging.getLogger(__name__)

MOST_FAULTS = 3  # told in the answer; the log has them all


def recover_version(task: RecoverTask) -> result.RecoverResult:
    """The version that was live last and is whole, or the one that is asked for by name; nothing is changed.

    A version that came to nothing after it is told too, so that what was rejected stays rejected.
    """
    pages = files.list_ledger_files(task.storage)
    faults: dict[str, str] = {}
    if task.version:
        versions = served = _first_whole(task, [page for page in pages if _name(task, page) == task.version], faults)
    else:
        served = _first_whole(task, [page for page in pages if page.phase == "Live"], faults)
        versions = served + _verdict(task, pages, served, faults)
    for fault in faults.values():
        log.warning("%s", fault)
    return result.RecoverResult(
        message=_message(task, served, list(faults.values())),
        number=max([0, *(page.number for page in pages), *_numbers(task)]),
        versions=versions,
        passed_over=list(faults)[:10],
    )


def _first_whole(
    task: RecoverTask, pages: Iterable[LedgerFileRef], faults: dict[str, str]
) -> list[result.StoredVersion]:
    """The first of the pages whose version is whole; `faults` tells of those before it, by the version's name."""
    for found in pages:
        try:
            page = _read(task, found)
            _check_files(page)
            return [_told(task, found, page)]
        except RejectedTask as refusal:
            faults[_name(task, found)] = refusal.message
    return []


def _verdict(
    task: RecoverTask, found: list[LedgerFileRef], live: list[result.StoredVersion], faults: dict[str, str]
) -> list[result.StoredVersion]:
    """The last version that came to nothing, if that was after the live one was made. It is not to be served."""
    newest = found[:1]
    if not newest or newest[0].phase == "Live" or (live and newest[0].number < live[0].number):
        return []
    try:
        return [_told(task, newest[0], _read(task, newest[0]))]
    except RejectedTask as refusal:
        faults.setdefault(_name(task, newest[0]), refusal.message)
        return []


def _read(task: RecoverTask, found: LedgerFileRef) -> LedgerFile:
    """The page, with the addresses of its files as they are now: a folder may have been copied to another store."""
    page = files.read_ledger_file(found.uri)
    if page.version != _name(task, found) or not found.uri.endswith(f"/{page.entry.name}.json"):
        raise RejectedTask("LedgerDamaged", f"{found.uri} is about {page.version}: it was copied or renamed")
    status = _moved(page.entry.status, page.storage.rstrip("/"), task.storage.rstrip("/"))
    return replace(page, entry=replace(page.entry, status=status))


def _moved(value: Any, old: str, new: str) -> Any:
    match value:
        case dict():
            return {key: _moved(each, old, new) for key, each in value.items()}
        case str() if value.startswith(f"{old}/"):
            return new + value.removeprefix(old)
    return value


def _check_files(page: LedgerFile) -> None:
    """Every file of the version is as it was when it was recorded; else a RejectedTask that names it."""
    stored = page.entry.stored
    digests = {store.sibling_uri(stored.artifact.uri, name): sha256 for name, sha256 in page.files.items()}
    digests |= {stored.artifact.uri: stored.artifact.sha256, stored.data.holdout_uri: stored.data.holdout_sha256}
    for uri, sha256 in digests.items():
        try:
            found = store.file_sha256(uri)
        except FileNotFoundError as error:
            raise RejectedTask("ArtifactMissing", f"{page.version}: {uri} is not there") from error
        if found != sha256:
            raise RejectedTask("DigestMismatch", f"{page.version}: {uri} has sha256 {found}, not {sha256}")
    log.info("%s is whole: %s files", page.version, len(digests))


def _told(task: RecoverTask, found: LedgerFileRef, page: LedgerFile) -> result.StoredVersion:
    return result.StoredVersion(
        version=page.version,
        number=found.number,
        entry=page.entry.name,
        trigger=page.entry.trigger,
        parent=page.entry.parent or UNSET,
        recipe=UNSET if page.entry.recipe == task.recipe else page.entry.recipe,
        status=page.entry.status,
    )


def _message(task: RecoverTask, served: list[result.StoredVersion], faults: list[str]) -> str:
    told = f"the ledger has no {task.version}" if task.version else "the ledger has no version that was live"
    if served:
        told = f"{served[0].version} is in the ledger and its files are whole"
    more = f" and {len(faults) - MOST_FAULTS} more" if len(faults) > MOST_FAULTS else ""
    return f"{told}; passed over: {'; '.join(faults[:MOST_FAULTS])}{more}" if faults else told


def _numbers(task: RecoverTask) -> list[int]:
    """The numbers of all versions that have a folder, recorded or not."""
    name = re.compile(rf"{re.escape(task.model_deployment)}-v([1-9]\d*)")
    return [int(match[1]) for each in store.list_names(task.storage) if (match := name.fullmatch(each))]


def _name(task: RecoverTask, found: LedgerFileRef) -> str:
    return f"{task.model_deployment}-v{found.number}"
