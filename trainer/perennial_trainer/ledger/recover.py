"""Finds the version to serve in the ledger and checks that all its files are unchanged."""

import logging
import re
from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any

from msgspec import UNSET

from perennial_trainer.contract.errors import FailedTask, RejectedTask
from perennial_trainer.contract.ledger_results import RecoverResult, StoredVersion
from perennial_trainer.contract.ledger_tasks import RecoverTask
from perennial_trainer.contract.owner import Owner
from perennial_trainer.ledger.files import LedgerFile, LedgerFileRef, list_ledger_files
from perennial_trainer.ledger.owner import require_owner
from perennial_trainer.ledger.recipe_difference import recipe_changes
from perennial_trainer.ledger.removed import removed_numbers
from perennial_trainer.ledger.trusted_pages import Pages, describe_gap, read_pages
from perennial_trainer.storage.store import file_sha256, list_names, sibling_uri
from perennial_trainer.storage.version_files import METADATA

log = logging.getLogger(__name__)

LIMIT = "spec.history.artifacts"
MAX_PROBLEMS = 3  # in the message; the log has all of them


def recover_version(task: RecoverTask) -> RecoverResult:
    """The version that was live last and is complete, or the version requested by name; nothing is changed.

    A version that was rejected or rolled back after the live version is returned too, so that it stays rejected.
    """
    pages, removed = read_pages(task, list_ledger_files(task.storage)), removed_numbers(task)
    problems: dict[str, str] = {}
    if task.owner:
        _take_over(task.owner)
    find = partial(_first_complete, task, pages=pages, removed=removed, problems=problems)
    if task.version:
        live = versions = find([ref for ref in pages if _version_name(task, ref) == task.version])
    else:
        candidates = [ref for ref in pages if ref.phase == "Live"]
        recent = [ref for ref in candidates if ref.number >= task.at_least]
        live = find(recent)
        if not live and (older := [ref for ref in candidates if ref not in recent]):
            problems[_version_name(task, older[0])] = (
                f"{_version_name(task, older[0])} is older than spec.recover.atLeast v{task.at_least}"
            )
        versions = live + _newer_unsuccessful(task, pages, live, problems)
    gap, missing = describe_gap(pages)
    for problem in (*problems.values(), *filter(None, [gap])):
        log.warning("%s", problem)
    absent = {f"{task.model_deployment}-{name.split('-')[1]}" for name in missing} - problems.keys()
    return RecoverResult(
        message=_message(task, live, list(problems.values())) + (f"; {gap}" if gap else ""),
        number=max([task.at_least, *(ref.number for ref in pages), *_folder_numbers(task)]),
        versions=versions,
        passed_over=[*problems, *sorted(absent)][:10],
    )


def _take_over(owner: Owner) -> None:
    """This ModelDeployment writes to the folder from now on; a folder that cannot be written is served all the same."""
    try:
        require_owner(owner)
    except FailedTask as failed:
        log.warning("the folder has no owner page of this cluster: %s", failed.message)


def _first_complete(
    task: RecoverTask,
    refs: Iterable[LedgerFileRef],
    pages: Pages,
    removed: Mapping[int, str],
    problems: dict[str, str],
) -> list[StoredVersion]:
    """The first version that is complete; `problems` gets a message for each version before it."""
    for ref in refs:
        page = pages[ref]
        try:
            if isinstance(page, RejectedTask):
                raise page
            if at := removed.get(ref.number):
                raise RejectedTask("ArtifactMissing", f"{page.version}: its files were deleted on {at}, by {LIMIT}")
            _check_files(page)
            return [_stored_version(task, ref, page)]
        except RejectedTask as rejected:
            problems[_version_name(task, ref)] = rejected.message
    return []


def _newer_unsuccessful(
    task: RecoverTask, pages: Pages, live: list[StoredVersion], problems: dict[str, str]
) -> list[StoredVersion]:
    """The newest entry, if it is of a version that was rejected or rolled back after the live version was made.

    It is not to be served, so its files are not checked.
    """
    newest, page = next(iter(pages.items()), (None, None))
    if newest is None or page is None or newest.phase == "Live" or (live and newest.number < live[0].number):
        return []
    if isinstance(page, RejectedTask):
        problems.setdefault(_version_name(task, newest), page.message)
        return []
    return [_stored_version(task, newest, page)]


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
        status=_with_metadata_digest(file),
    )


def _with_metadata_digest(file: LedgerFile) -> dict[str, Any]:
    """The recorded status; an earlier release recorded the digest of metadata.json beside it alone."""
    status, sha256 = file.entry.status, file.files.get(METADATA)
    return status if sha256 is None else {**status, "artifact": {"metadataSha256": sha256, **status["artifact"]}}


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
    name = re.compile(rf"{re.escape(task.model_deployment)}-v([1-9]\d{{0,8}})")
    return [int(match[1]) for each in list_names(task.storage) if (match := name.fullmatch(each))]


def _version_name(task: RecoverTask, ref: LedgerFileRef) -> str:
    return f"{task.model_deployment}-v{ref.number}"
