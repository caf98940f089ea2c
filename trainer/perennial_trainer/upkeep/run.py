"""One upkeep of a model's folder: what is too old or was asked for is deleted, and small files are put together."""

import os
import time
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta

from perennial_trainer.captured import layout
from perennial_trainer.captured.keys import SECRET
from perennial_trainer.contract.errors import join_names
from perennial_trainer.contract.upkeep.results import UpkeepResult
from perennial_trainer.contract.upkeep.tasks import UpkeepTask
from perennial_trainer.upkeep.compaction import Compaction
from perennial_trainer.upkeep.days import dates_of, read_day
from perennial_trainer.upkeep.files import CHECKS, Folder
from perennial_trainer.upkeep.forgetting import Forgetting
from perennial_trainer.upkeep.pages import old_pages
from perennial_trainer.upkeep.versions import remove_versions, version_folders

LATE = timedelta(hours=1)
"""How long after the end of a day its last files may come; those that come later are compacted by later runs."""
ABANDONED = timedelta(minutes=30)
"""How long after its last change a file on a volume that was never complete is no longer written."""
LONGEST = 1800.0
"""Seconds after which no further day is compacted; the next run goes on."""
UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def keep_up(task: UpkeepTask) -> UpkeepResult:
    """Nothing is older than `retain`, no row has a key of `forget`, and days that are over have few captured files.

    The earlier of two clocks counts, the operator's and that of the pod, so that a wrong one deletes nothing early.
    """
    folder, now, ends = (
        Folder(task.storage, version_folders(task)),
        min(task.now, datetime.now(UTC)).astimezone(UTC),
        _in(LONGEST),
    )
    compaction, sentences = Compaction(folder, now), _remove_abandoned(folder, now)
    since = now - timedelta(seconds=int(task.retain[:-1]) * UNITS[task.retain[-1]]) if task.retain else None
    if since and (old := _remove_old(folder, task.model_deployment, since)):
        sentences.append(f"deleted {old:,} files that were older than {task.retain}")
    forgetting = Forgetting(folder, task.forget, os.environ.get(SECRET, "").encode()) if task.forget else None
    if forgetting:
        sentences.append(forgetting.forget_all(read_day(folder, day) for day in dates_of(folder)))
    if since:
        days = [day for day in dates_of(folder) if since.date() <= day < (now - LATE).date()]
        sentences += _compact(compaction, days, ends)
    sentences += remove_versions(folder, task)
    if forgetting:
        forgetting.require_all()  # last, so that it holds up nothing else, as the next
    compaction.require_whole()
    freed = f"; freed {folder.freed:,} bytes" if folder.deleted else ""
    return UpkeepResult(
        message=("; ".join(sentences) or "there was nothing to do") + freed,
        deleted_files=folder.deleted,
        freed_bytes=folder.freed,
        compacted_files=compaction.replaced,
        forgotten_rows=forgetting.rows if forgetting else 0,
    )


def _in(seconds: float) -> float:
    return time.monotonic() + seconds


def _remove_abandoned(folder: Folder, now: datetime) -> list[str]:
    """What was done with captured files on a volume that were never complete."""
    begun = folder.removable(f"{layout.FOLDER}/{layout.WRITING}", now - ABANDONED)
    folder.remove(begun)
    return [f"deleted {len(begun):,} files that were never complete"] if begun else []


def _remove_old(folder: Folder, model_deployment: str, since: datetime) -> int:
    """How many files were deleted; none of the pages of checks and of the days of captured rows is older."""
    before = folder.deleted
    folder.remove(old_pages(folder.removable(CHECKS), model_deployment, since))
    _remove_days(folder, (day for day in dates_of(folder) if day < since.date()))
    return folder.deleted - before


def _remove_days(folder: Folder, days: Iterable[date]) -> None:
    """No captured file of these days is left."""
    for day in days:
        for files in read_day(folder, day).in_model_folder():
            folder.remove(files)


def _compact(compaction: Compaction, days: list[date], ends: float) -> list[str]:
    """What was done with the days, the oldest first."""
    before, left = compaction.folder.deleted, list(days)
    while left and time.monotonic() < ends:
        compaction.compact(read_day(compaction.folder, left.pop(0)))
    sentences = []
    if deleted := compaction.folder.deleted - before:
        sentences.append(f"deleted {deleted:,} files whose rows earlier runs have put into larger ones")
    if compaction.replaced:
        sentences.append(f"put the rows of {compaction.replaced:,} files together, which the next run deletes")
    if compaction.unreadable:
        sentences.append(f"left out what is not valid parquet: {join_names(compaction.unreadable, 3)}")
    if left:
        sentences.append(f"{len(left)} days are left for the next run")
    return sentences
