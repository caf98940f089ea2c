"""Finds the version to serve in the ledger and checks that all its files are unchanged."""

import logging
import re
from collections.abc import Iterable
from typing import Any

from msgspec import UNSET
from msgspec.structs import replace

from perennial_trainer.contract.errors import RejectedTask
from perennial_trainer.contract.ledger_tasks import RecoverTask
from perennial_trainer.contract.result import RecoverResult, StoredVersion
from perennial_trainer.ledger.files import LedgerFile, LedgerFileRef, list_ledger_files, read_ledger_file
from perennial_trainer.ledger.recipe_difference import recipe_changes
from perennial_trainer.storage.store import file_sha256, list_names, sibling_uri

log = logging.getLogger(__name__)

MAX_PROBLEMS = 3  # in the message; the log has all of them


def recover_version(task: RecoverTask) -> RecoverResult:
    """The version that was live last and is complete, or the version requested by name; nothing is changed.

    A version that was rejected or rolled back after the live version is returned too, so that it stays rejected.
    """
    refs = list_ledger_files(task.storage)
    problems: dict[str, str] = {}
    if task.version:
        live = _first_complete(task, [ref for ref in refs if _version_name(task, ref) == task.version], problems)
        versions = live
    else:
        live = _first_complete(task, [ref for ref in refs if ref.phase == "Live"], problems)
        versions = live + _newer_unsuccessful(task, refs, live, problems)
    for problem in problems.values():
        log.warning("%s", problem)
    return RecoverResult(
        message=_message(task, live, list(problems.values())),
        number=max([0, *(ref.number for ref in refs), *_folder_numbers(task)]),
        versions=versions,
        passed_over=list(problems)[:10],
    )


def _first_complete(task: RecoverTask, refs: Iterable[LedgerFileRef], problems: dict[str, str]) -> list[StoredVersion]:
    """The first version that is complete; `problems` gets a message for each version before it."""
    for ref in refs:
        try:
            file = _read_current(task, ref)
            _check_files(file)
            return [_stored_version(task, ref, file)]
        except RejectedTask as rejected:
            problems[_version_name(task, ref)] = rejected.message
    return []


def _newer_unsuccessful(
    task: RecoverTask, refs: list[LedgerFileRef], live: list[StoredVersion], problems: dict[str, str]
) -> list[StoredVersion]:
    """The newest entry, if it is of a version that was rejected or rolled back after the live version was made.

    It is not to be served, so its files are not checked.
    """
    newest = refs[0] if refs else None
    if newest is None or newest.phase == "Live" or (live and newest.number < live[0].number):
        return []
    try:
        return [_stored_version(task, newest, _read_current(task, newest))]
    except RejectedTask as rejected:
        problems.setdefault(_version_name(task, newest), rejected.message)
        return []


def _read_current(task: RecoverTask, ref: LedgerFileRef) -> LedgerFile:
    """The ledger file with the current URIs of the version's files: the folder may be a copy in another store."""
    file = read_ledger_file(ref.uri)
    if file.version != _version_name(task, ref) or not ref.uri.endswith(f"/{file.entry.name}.json"):
        raise RejectedTask("LedgerDamaged", f"{ref.uri} is about {file.version}: it was copied or renamed")
    status = _with_storage(file.entry.status, file.storage.rstrip("/"), task.storage.rstrip("/"))
    return replace(file, entry=replace(file.entry, status=status))


def _with_storage(value: Any, old: str, new: str) -> Any:
    """The value with the folder `new` in each URI that starts with the folder `old`."""
    match value:
        case dict():
            return {key: _with_storage(each, old, new) for key, each in value.items()}
        case str() if value.startswith(f"{old}/"):
            return new + value.removeprefix(old)
    return value


def _check_files(file: LedgerFile) -> None:
    """Every file of the version is unchanged since it was recorded; else a RejectedTask that names the file."""
    stored = file.entry.stored
    digests = {sibling_uri(stored.artifact.uri, name): sha256 for name, sha256 in file.files.items()}
    digests |= {stored.artifact.uri: stored.artifact.sha256, stored.data.holdout_uri: stored.data.holdout_sha256}
    for uri, expected in digests.items():
        try:
            sha256 = file_sha256(uri)
        except FileNotFoundError as error:
            raise RejectedTask("ArtifactMissing", f"{file.version}: {uri} does not exist") from error
        if sha256 != expected:
            raise RejectedTask("DigestMismatch", f"{file.version}: {uri} has sha256 {sha256}, not {expected}")
    log.info("%s is complete: %s files", file.version, len(digests))


def _stored_version(task: RecoverTask, ref: LedgerFileRef, file: LedgerFile) -> StoredVersion:
    changes = recipe_changes(task.recipe, file.entry.recipe)
    return StoredVersion(
        version=file.version,
        number=ref.number,
        entry=file.entry.name,
        trigger=file.entry.trigger,
        parent=file.entry.parent or UNSET,
        recipe=file.entry.recipe if changes else UNSET,
        changes=changes or UNSET,
        status=file.entry.status,
    )


def _message(task: RecoverTask, live: list[StoredVersion], problems: list[str]) -> str:
    message = f"the ledger has no {task.version}" if task.version else "the ledger has no version that was live"
    if live:
        message = f"{live[0].version} is in the ledger and its files are complete"
    if not problems:
        return message
    more = f" and {len(problems) - MAX_PROBLEMS} more" if len(problems) > MAX_PROBLEMS else ""
    return f"{message}; passed over: {'; '.join(problems[:MAX_PROBLEMS])}{more}"


def _folder_numbers(task: RecoverTask) -> list[int]:
    """The numbers of all versions that have a folder, recorded or not."""
    name = re.compile(rf"{re.escape(task.model_deployment)}-v([1-9]\d*)")
    return [int(match[1]) for each in list_names(task.storage) if (match := name.fullmatch(each))]


def _version_name(task: RecoverTask, ref: LedgerFileRef) -> str:
    return f"{task.model_deployment}-v{ref.number}"
